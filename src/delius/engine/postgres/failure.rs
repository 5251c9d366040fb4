//! Errors of the driver as failures of an engine.

use crate::{
    database::{self, FailureKind},
    delius::engine::{EngineFailure, FailureCause},
};

/// Whatever prevents a connection is an outage: a login refused while a password is changed, a database that is being
/// restored under its name, a server that starts.
pub(super) fn connecting(error: &sqlx::Error) -> EngineFailure {
    EngineFailure { kind: FailureCause::Outage, ..sorted(error) }
}

/// Sorts an error. What counts as an outage is decided for both databases in one place; here violations of constraints
/// are told apart, because only Delius' are decided on by name.
pub(super) fn sorted(error: &sqlx::Error) -> EngineFailure {
    let cause = match database::failure_kind(error) {
        FailureKind::Outage => FailureCause::Outage,
        FailureKind::Conflict => FailureCause::Conflict,
        FailureKind::StaleConnection => FailureCause::StaleConnection,
        FailureKind::Statement => violation(error).unwrap_or(FailureCause::Unknown),
    };
    EngineFailure::new(cause, reason(error))
}

/// SQLSTATE class 23: integrity constraint violation.
fn violation(error: &sqlx::Error) -> Option<FailureCause> {
    let refused =
        error.as_database_error().filter(|error| error.code().is_some_and(|code| code.starts_with("23")))?;
    Some(FailureCause::Violation {
        table: refused.table().map(str::to_owned),
        constraint: refused.constraint().map(str::to_owned),
    })
}

/// Whether the connection broke in the middle: what the server is doing on it is unknown.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
    )
}

/// In words, and never with the server's message: it can quote values.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(refused) => format!("SQLSTATE {}", refused.code().unwrap_or_default()),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(_) => "TLS failed".to_owned(),
        sqlx::Error::Protocol(_) => "the connection broke in the middle of a message".to_owned(),
        sqlx::Error::PoolTimedOut => "no free connection in time".to_owned(),
        sqlx::Error::PoolClosed => "the connections are closed".to_owned(),
        sqlx::Error::WorkerCrashed => "the connection's worker is gone".to_owned(),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} has another type"),
        sqlx::Error::ColumnNotFound(name) => format!("column {name} is missing"),
        _ => "the database driver failed".to_owned(),
    }
}
