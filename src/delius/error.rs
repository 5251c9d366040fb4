//! What can go wrong between us and Delius, sorted by what the caller should do.

use super::engine::{EngineFailure, FailureCause};

/// Keys that only another attempt of this service can take while a write is being decided: the same write, or the same
/// member of staff joining the same team.
const KEYS_OF_OURS: [&str; 2] = ["pom_cases_write_ledger_pkey", "staff_team_pkey"];

/// A call to Delius that gave no outcome. Nothing was written.
///
/// The texts carry SQLSTATEs, names of tables and constraints, and causes of the network, never the values of a
/// statement: those can be names of people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliusError {
    /// Delius cannot be reached, is overloaded or restarting: trying again later can succeed.
    #[error("Delius is not available {during}: {reason}")]
    Outage {
        /// What was being done.
        during: &'static str,
        /// SQLSTATE or cause.
        reason: String,
    },
    /// Another attempt changed the same rows or holds them: trying again can succeed, and Delius is well.
    #[error("Delius was busy with the same rows {during}: {reason}")]
    Contended {
        /// What was being done.
        during: &'static str,
        /// SQLSTATE or cause.
        reason: String,
    },
    /// The connection was out of date (its cached plans): another one works. Nobody outside this room sees it, unless
    /// several connections in a row were.
    #[error("a connection to Delius was out of date {during}: {reason}")]
    StaleConnection {
        /// What was being done.
        during: &'static str,
        /// SQLSTATE.
        reason: String,
    },
    /// A constraint of Delius refused a row. Trying again does not help by itself.
    #[error("Delius refused a row {during}: {reason}, table {table}, constraint {constraint}")]
    Violated {
        /// What was being done.
        during: &'static str,
        /// SQLSTATE.
        reason: String,
        /// Table, `unknown` when the database does not say.
        table: String,
        /// Constraint, `unknown` when the database does not say.
        constraint: String,
    },
    /// Trying again does not help by itself: a bug of ours, or a Delius that is not as expected.
    #[error("Delius answered unexpectedly {during}: {reason}")]
    Unexpected {
        /// What was being done.
        during: &'static str,
        /// SQLSTATE or cause.
        reason: String,
    },
    /// The user who signs our rows does not exist.
    #[error(
        "Delius has no audit user: add a row to user_ with distinguished_name '{0}' (in a development database, run \
         `migrate --delius`)"
    )]
    AuditUserMissing(&'static str),
    /// Reference data that our rows point at does not exist, or more than one row fits.
    #[error(
        "Delius needs exactly one selectable row of reference data for {what} and has {found} (in a development \
         database, run `migrate --delius`)"
    )]
    ReferenceData {
        /// Code and set.
        what: String,
        /// How many rows fit.
        found: usize,
    },
}

/// What a caller decides on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Delius as a whole is away: everybody waits.
    Outage,
    /// Another attempt is at work on the same rows: this write waits.
    Contention,
    /// This write fails every time until somebody does something.
    Permanent,
    /// The service cannot work with this Delius at all until somebody does something.
    Configuration,
}

impl DeliusError {
    /// What to decide on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Outage { .. } => ErrorKind::Outage,
            Self::Contended { .. } | Self::StaleConnection { .. } => ErrorKind::Contention,
            Self::Violated { .. } | Self::Unexpected { .. } => ErrorKind::Permanent,
            Self::AuditUserMissing(_) | Self::ReferenceData { .. } => ErrorKind::Configuration,
        }
    }

    /// Whether the same call can succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind(), ErrorKind::Outage | ErrorKind::Contention)
    }

    /// Whether Delius as a whole does not answer, rather than this call.
    pub fn is_outage(&self) -> bool {
        self.kind() == ErrorKind::Outage
    }

    pub(super) fn is_stale_connection(&self) -> bool {
        matches!(self, Self::StaleConnection { .. })
    }

    pub(crate) fn timeout(during: &'static str) -> Self {
        Self::Outage { during, reason: "no answer in time".to_owned() }
    }

    /// Sorts a failure of the engine.
    pub(crate) fn sort(during: &'static str, failure: EngineFailure) -> Self {
        let EngineFailure { kind, reason } = failure;
        let unknown = |name: Option<String>| name.unwrap_or_else(|| "unknown".to_owned());
        match kind {
            FailureCause::Outage => Self::Outage { during, reason },
            FailureCause::Conflict => Self::Contended { during, reason },
            FailureCause::StaleConnection => Self::StaleConnection { during, reason },
            FailureCause::Violation { constraint: Some(name), .. } if is_key_of_ours(&name) => {
                Self::Contended { during, reason: format!("{reason} at {name}") }
            }
            FailureCause::Violation { table, constraint } => {
                Self::Violated { during, reason, table: unknown(table), constraint: unknown(constraint) }
            }
            FailureCause::Unknown => Self::Unexpected { during, reason },
        }
    }
}

fn is_key_of_ours(constraint: &str) -> bool {
    KEYS_OF_OURS.iter().any(|key| key.eq_ignore_ascii_case(constraint))
}

/// Adds to a result of the engine what was being done.
pub(crate) trait During<T> {
    fn during(self, doing: &'static str) -> Result<T, DeliusError>;
}

impl<T> During<T> for Result<T, EngineFailure> {
    fn during(self, doing: &'static str) -> Result<T, DeliusError> {
        self.map_err(|failure| DeliusError::sort(doing, failure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(constraint: &str) -> DeliusError {
        let kind = FailureCause::Violation {
            table: Some("key_date".to_owned()),
            constraint: Some(constraint.to_owned()),
        };
        DeliusError::sort("while testing", EngineFailure::new(kind, "SQLSTATE 23505"))
    }

    #[test]
    fn only_the_keys_that_another_attempt_of_ours_takes_are_contention() {
        for key in KEYS_OF_OURS {
            assert_eq!(violation(key).kind(), ErrorKind::Contention, "{key}");
        }
        let error = violation("key_date_custody_type_date_key");
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert_eq!(
            error.to_string(),
            "Delius refused a row while testing: SQLSTATE 23505, table key_date, constraint \
             key_date_custody_type_date_key"
        );
    }

    #[test]
    fn outages_and_conflicts_are_transient_and_the_rest_is_not() {
        for (kind, expected) in [
            (FailureCause::Outage, ErrorKind::Outage),
            (FailureCause::Conflict, ErrorKind::Contention),
            (FailureCause::StaleConnection, ErrorKind::Contention),
            (FailureCause::Unknown, ErrorKind::Permanent),
            (FailureCause::Violation { table: None, constraint: None }, ErrorKind::Permanent),
        ] {
            let error = DeliusError::sort("while testing", EngineFailure::new(kind, ""));
            assert_eq!(error.kind(), expected);
            assert_eq!(error.is_transient(), matches!(expected, ErrorKind::Outage | ErrorKind::Contention));
        }
    }
}
