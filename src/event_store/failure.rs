//! Why the store did not do what was asked, in a form that can be given to everybody whose request was in the batch.

use super::ExecuteError;
use crate::database::{self, FailureKind};

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
