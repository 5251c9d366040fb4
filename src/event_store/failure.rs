//! Why the store did not do what was asked, in a form that can be given to everybody whose request was in the batch.

use cqrs_es::AggregateError;

use super::append::AppendError;
use crate::{
    case::CaseError,
    database::{self, FailureKind},
};

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The case could not decide.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Other changes of the same case always came first: try again soon. The store is well.
    #[error("the case changes too fast: {0}")]
    Contended(String),
    /// The store cannot be reached, or is too busy: try again later.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
    /// Another worker holds the write now, or it is finished: nothing is to be done.
    #[error("the lease on the write was lost; another worker has it")]
    LeaseLost,
    /// A stored event cannot be read, or something else that trying again does not mend.
    #[error("the event store failed: {0}")]
    Fault(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoreError {
    /// Other changes came first: try again soon.
    #[error("{0}")]
    Contended(String),
    /// The store cannot be reached, or is too busy.
    #[error("{0}")]
    Unavailable(String),
    /// Trying again does not help.
    #[error("{0}")]
    Fault(String),
}

impl From<&sqlx::Error> for StoreError {
    fn from(error: &sqlx::Error) -> Self {
        match database::failure_kind(error) {
            FailureKind::Conflict => Self::Contended(error.to_string()),
            FailureKind::Outage | FailureKind::StaleConnection => Self::Unavailable(error.to_string()),
            FailureKind::Statement => Self::Fault(error.to_string()),
        }
    }
}

impl From<StoreError> for ExecuteError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contended(reason) => Self::Contended(reason),
            StoreError::Unavailable(reason) => Self::Unavailable(reason),
            StoreError::Fault(reason) => Self::Fault(reason),
        }
    }
}

/// Why an attempt at a command appended nothing.
pub(super) enum FailedCommand {
    Conflict,
    Failed(ExecuteError),
}

impl From<ExecuteError> for FailedCommand {
    fn from(error: ExecuteError) -> Self {
        Self::Failed(error)
    }
}

impl From<AppendError> for FailedCommand {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict => Self::Conflict,
            AppendError::LeaseLost => Self::Failed(ExecuteError::LeaseLost),
            AppendError::Store(error) => Self::Failed(error.into()),
        }
    }
}

impl From<AggregateError<CaseError>> for ExecuteError {
    fn from(error: AggregateError<CaseError>) -> Self {
        match error {
            AggregateError::UserError(error) => Self::Case(error),
            AggregateError::AggregateConflict => Self::Contended("conflict".into()),
            AggregateError::DeserializationError(error) => Self::Fault(error.to_string()),
            // The framework sorts errors of the database by their type alone: a server that shuts down would be a fault
            // of ours, and a value that it cannot store would be an outage.
            AggregateError::DatabaseConnectionError(error) | AggregateError::UnexpectedError(error) => {
                match error.downcast_ref::<sqlx::Error>() {
                    Some(error) => StoreError::from(error).into(),
                    None => Self::Fault(error.to_string()),
                }
            }
        }
    }
}
