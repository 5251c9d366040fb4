//! The state of each write of a case: derived from its events, once, for decisions, the history and a rebuild.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CaseEvent, WriteRef, WriteResult};

/// The state of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum WriteState {
    Pending,
    Applied,
    Unchanged,
    Refused,
    Parked,
    Skipped,
}

impl WriteState {
    /// Whether no attempt is to be made any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Parked => false,
            Self::Applied | Self::Unchanged | Self::Refused | Self::Skipped => true,
        }
    }

    /// The state of the write's row in the outbox.
    pub fn of_row(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied | Self::Unchanged | Self::Refused => "done",
            Self::Parked => "parked",
            Self::Skipped => "skipped",
        }
    }
}

/// What an event does to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteChange<'a> {
    /// An attempt ended with this result.
    Settled(WriteState, &'a WriteResult),
    Parked {
        attempts: u32,
    },
    /// A parked write is tried again in its old place.
    Resumed,
    /// A refused write is made again under the event; it stays refused itself.
    Released,
    Skipped,
}

/// The state of a write and the event it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteProgress {
    pub state: WriteState,
    /// The attempt that brought it there; 0 for none.
    pub attempt: u32,
    /// Sequence of the event that recorded the state.
    pub recorded_by: u64,
}

/// The states of the writes that any event has changed; all others are pending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(WriteRef, WriteProgress)>", into = "Vec<(WriteRef, WriteProgress)>")]
pub struct WriteStates(BTreeMap<WriteRef, WriteProgress>);

impl WriteStates {
    pub fn of<'a>(events: impl IntoIterator<Item = (u64, &'a CaseEvent)>) -> Self {
        let mut states = Self::default();
        events.into_iter().for_each(|(sequence, event)| states.record(sequence, event));
        states
    }

    pub fn record(&mut self, sequence: u64, event: &CaseEvent) {
        let Some((write, change)) = event.write_change() else { return };
        let (state, attempt) = match change {
            WriteChange::Settled(state, result) => (state, result.attempt),
            WriteChange::Parked { attempts } => (WriteState::Parked, attempts),
            WriteChange::Resumed => (WriteState::Pending, 0),
            WriteChange::Skipped => (WriteState::Skipped, 0),
            WriteChange::Released => return,
        };
        self.0.insert(write, WriteProgress { state, attempt, recorded_by: sequence });
    }

    /// `None` while no event has changed the write.
    pub fn get(&self, write: WriteRef) -> Option<WriteProgress> {
        self.0.get(&write).copied()
    }

    pub fn state(&self, write: WriteRef) -> WriteState {
        self.get(write).map_or(WriteState::Pending, |progress| progress.state)
    }
}

// JSON has no maps with structured keys.
impl From<Vec<(WriteRef, WriteProgress)>> for WriteStates {
    fn from(states: Vec<(WriteRef, WriteProgress)>) -> Self {
        Self(states.into_iter().collect())
    }
}

impl From<WriteStates> for Vec<(WriteRef, WriteProgress)> {
    fn from(states: WriteStates) -> Self {
        states.0.into_iter().collect()
    }
}
