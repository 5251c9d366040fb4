//! Why an attempt to accept a message did not end it.

use std::time::Duration;

use super::route::Parking;
use crate::{
    breakers::{DELIUS, Dependency, MPC, STORE},
    case::UndocumentedAnswer,
    database::{FailureKind, failure_kind},
    delius::DeliusError,
    event_store::ExecuteError,
};

/// Why a message is not accounted for yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// A dependency is down, or fails for this message.
    #[error("{dependency} is unavailable: {reason}")]
    Unavailable {
        dependency: Dependency,
        /// What it answered, without bodies.
        reason: String,
    },
    /// An answer that is not documented. It may be an outage when several cases get it; for one case alone it is asked
    /// for again a few times before the message is parked.
    #[error("{}", parking.detail)]
    Undocumented {
        /// None when the answer says nothing about a dependency.
        dependency: Option<Dependency>,
        /// A short constant text by which equal answers are recognised.
        answer: String,
        /// How the message is parked in the end.
        parking: Parking,
    },
    /// An error that nobody knows: a fault of ours, unless several cases in a row get it.
    #[error("{dependency} failed: {reason}")]
    Unknown { dependency: Dependency, reason: String },
    /// Others changed the same case at the same time.
    #[error("{0}")]
    Contended(String),
    /// A fault of ours.
    #[error("{0}")]
    Fault(String),
    /// The message has had its effect, and is to have it once more.
    #[error("it takes effect once more in {} s", after.as_secs())]
    Again { after: Duration },
}

impl NotAccepted {
    /// The dependency that failed.
    pub fn dependency(&self) -> Option<Dependency> {
        match self {
            Self::Unavailable { dependency, .. } | Self::Unknown { dependency, .. } => Some(*dependency),
            Self::Undocumented { dependency, .. } => *dependency,
            Self::Contended(_) | Self::Fault(_) | Self::Again { .. } => None,
        }
    }

    /// Whether the event store is away: nothing can be kept then, and the message stays in flight.
    pub fn store_is_away(&self) -> bool {
        matches!(self, Self::Unavailable { dependency: STORE, .. })
    }

    /// Whether a database as a whole did not answer. Unlike a web application, it does not fail for one case alone.
    pub(super) fn is_of_database(&self) -> bool {
        matches!(self, Self::Unavailable { dependency: STORE | DELIUS, .. })
    }
}

pub(super) fn undocumented(answer: &UndocumentedAnswer, parking: Parking) -> NotAccepted {
    NotAccepted::Undocumented { dependency: Some(MPC), answer: answer.kind(), parking }
}

impl From<sqlx::Error> for NotAccepted {
    fn from(error: sqlx::Error) -> Self {
        let reason = error.to_string();
        match failure_kind(&error) {
            FailureKind::Outage | FailureKind::StaleConnection => {
                Self::Unavailable { dependency: STORE, reason }
            }
            FailureKind::Conflict => Self::Contended(reason),
            FailureKind::Statement => Self::Unknown { dependency: STORE, reason },
        }
    }
}

impl From<DeliusError> for NotAccepted {
    fn from(error: DeliusError) -> Self {
        let reason = error.to_string();
        if error.is_outage() {
            Self::Unavailable { dependency: DELIUS, reason }
        } else if error.is_transient() {
            Self::Contended(reason)
        } else {
            Self::Unknown { dependency: DELIUS, reason }
        }
    }
}

impl From<ExecuteError> for NotAccepted {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Unavailable(reason) => Self::Unavailable { dependency: STORE, reason },
            ExecuteError::Contended(reason) => Self::Contended(reason),
            error => Self::Fault(error.to_string()),
        }
    }
}
