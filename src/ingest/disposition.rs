//! How a message ended.

use super::route::{Parking, SENTENCE_CHANGED};
use crate::{
    breakers::{AUTH, DELIUS, Dependency, MPC, STORE},
    case::{CaseEvent, Crn, NomsNumber},
};

/// How a message ended. All of it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// It became events of the case.
    Recorded { noms: NomsNumber, events: Vec<CaseEvent> },
    /// It had been accounted for before: nothing changed.
    Duplicate,
    /// It is kept until an operator decides.
    Parked(Parking),
    /// It is kept until it can be accepted.
    Waiting {
        /// What it waits for.
        reason: String,
    },
    /// The cached record of the person was dropped.
    ChangeFeed(Crn),
    /// It concerns no case of ours.
    NotApplicable(String),
    /// It asks for the erasure of a person; an operator decides.
    ErasureRequested(Crn),
}

impl Disposition {
    /// The dependencies that must have answered for a message of this type to end so.
    pub fn proves(&self, event_type: Option<&str>) -> &'static [Dependency] {
        match self {
            Self::Recorded { .. } if event_type == Some(SENTENCE_CHANGED) => &[STORE, DELIUS],
            Self::Recorded { .. } => &[STORE, MPC, AUTH],
            Self::NotApplicable(_) | Self::ErasureRequested(_) => &[STORE, DELIUS],
            Self::Duplicate | Self::Parked(_) | Self::Waiting { .. } | Self::ChangeFeed(_) => &[STORE],
        }
    }
}
