//! What can go wrong between us and Delius, sorted by what the caller should do.

use std::borrow::Cow;

/// A call to Delius that gave no outcome. Nothing was written.
///
/// The texts carry SQLSTATEs, constraint names and causes of the network, never the values of a statement: those can
/// be names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliusError {
    /// Delius cannot be reached, is overloaded or restarting: trying again later can succeed.
    #[error("Delius is not available {during}: {reason}")]
    Transient {
        /// What was being done.
        during: &'static str,
        /// SQLSTATE or cause.
        reason: String,
    },
    /// Somebody else changed the same rows: trying again can succeed, and Delius is well.
    #[error("Delius was busy with the same rows {during}: {reason}")]
    Contended {
        /// What was being done.
        during: &'static str,
        /// SQLSTATE or cause.
        reason: String,
    },
    /// Trying again does not help by itself: a fault of ours, or a Delius that is not what we take it for.
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
    /// Reference data that our rows point at does not exist.
    #[error("Delius lacks the reference data {0} (in a development database, run `migrate --delius`)")]
    ReferenceDataMissing(String),
}

impl DeliusError {
    /// Whether the same call can succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Contended { .. })
    }

    /// Whether Delius as a whole does not answer, rather than this call.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    pub(crate) fn timeout(during: &'static str) -> Self {
        Self::Transient { during, reason: "no answer in time".to_owned() }
    }

    /// Sorts an error of the database layer.
    pub(crate) fn sort(during: &'static str, error: &sqlx::Error) -> Self {
        let (transient, reason): (bool, Cow<'_, str>) = match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                let at = error.constraint().map(|name| format!(" at {name}")).unwrap_or_default();
                let reason = format!("SQLSTATE {code}{at}");
                if is_contention(&code) {
                    return Self::Contended { during, reason };
                }
                (is_outage(&code), reason.into())
            }
            sqlx::Error::Io(error) => (true, error.to_string().into()),
            sqlx::Error::Tls(_) => (true, "TLS failed".into()),
            sqlx::Error::Protocol(_) => (true, "the connection broke in the middle of a message".into()),
            sqlx::Error::PoolTimedOut => (true, "no free connection in time".into()),
            sqlx::Error::PoolClosed => (true, "the connections are closed".into()),
            sqlx::Error::WorkerCrashed => (true, "the connection's worker is gone".into()),
            sqlx::Error::BeginFailed => (true, "no transaction could be started".into()),
            sqlx::Error::RowNotFound => (false, "a row that must exist was not found".into()),
            sqlx::Error::ColumnDecode { index, .. } => {
                (false, format!("column {index} has another type").into())
            }
            sqlx::Error::ColumnNotFound(name) => (false, format!("column {name} is missing").into()),
            _ => (false, "the database layer failed".into()),
        };
        let reason = reason.into_owned();
        match transient {
            true => Self::Transient { during, reason },
            false => Self::Unexpected { during, reason },
        }
    }
}

/// Classes 08 (connection), 28 (a login refused, as while a password is changed), 53 (out of resources) and 58
/// (system), statements that took too long, and an operator's restart or fail-over (57P0x, read-only).
fn is_outage(code: &str) -> bool {
    ["08", "28", "53", "57P", "58"].iter().any(|class| code.starts_with(class))
        || ["57014", "25P03", "25006"].contains(&code)
}

/// Class 40 (rolled back: serialisation, deadlock), a lock that took too long, and a unique key that somebody else
/// took while we were deciding.
fn is_contention(code: &str) -> bool {
    code.starts_with("40") || ["55P03", "23505"].contains(&code)
}

/// Adds to a result of the database layer what was being done.
pub(crate) trait During<T> {
    fn during(self, doing: &'static str) -> Result<T, DeliusError>;
}

impl<T> During<T> for Result<T, sqlx::Error> {
    fn during(self, doing: &'static str) -> Result<T, DeliusError> {
        self.map_err(|error| DeliusError::sort(doing, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_and_conflicts_are_transient_and_bugs_are_not() {
        for code in ["08006", "28P01", "53300", "57P01", "57P03", "57014", "25006"] {
            assert!(is_outage(code) && !is_contention(code), "{code}");
        }
        for code in ["40001", "40P01", "55P03", "23505"] {
            assert!(is_contention(code) && !is_outage(code), "{code}");
        }
        for code in ["42P01", "42703", "23503", "23514", "22001", "3D000", ""] {
            assert!(!is_outage(code) && !is_contention(code), "{code}");
        }
        let refused = sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into());
        assert!(DeliusError::sort("while testing", &refused).is_transient());
        assert!(DeliusError::sort("while testing", &sqlx::Error::PoolTimedOut).is_transient());
        assert!(!DeliusError::sort("while testing", &sqlx::Error::RowNotFound).is_transient());
    }
}
