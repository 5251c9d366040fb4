//! What an engine can report, in words that no engine owns.

/// A call to the database that failed.
///
/// The reason names SQLSTATEs, constraints and causes of the network, never the values of a statement: those can be
/// names of people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EngineFailure {
    /// What the caller decides on.
    pub kind: FailureCause,
    /// For people.
    pub reason: String,
}

/// Kinds of failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureCause {
    /// The database cannot be reached, restarts, is out of resources or too slow. The same statement can succeed later.
    Outage,
    /// The transaction lost against another one: serialization, deadlock, or a lock that was not free in time.
    Conflict,
    /// A constraint refused the row. Both names are those of the database, where it gives them.
    Violation {
        /// Table of the constraint.
        table: Option<String>,
        /// Name of the constraint.
        constraint: Option<String>,
    },
    /// The connection answers with errors of its own (its cached plans are out of date): the same work succeeds on
    /// another connection.
    StaleConnection,
    /// Anything else: trying again does not help by itself.
    Unknown,
}

impl EngineFailure {
    /// A failure with a reason for people.
    pub fn new(kind: FailureCause, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }

    /// A column that is missing, or not of the type that is asked for.
    pub(crate) fn unreadable(column: &str) -> Self {
        Self::new(FailureCause::Unknown, format!("column {column} is missing or has another type"))
    }
}
