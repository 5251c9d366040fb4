//! The state of a case: what its events add up to, as far as later decisions need it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    CaseEvent, DeliusWrite, HandoverAnswer, Holding, OutcomeName, PrisonCode, Provenance, WriteRef,
    WriteResult,
};

/// A case: one NOMS number, one stream.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Case {
    /// Events applied so far, which is the sequence of the last one.
    pub(super) sequence: u64,
    /// The messages that have been recorded: a second delivery changes nothing.
    seen: BTreeSet<String>,
    /// Every recorded holding with the sequence of its event, in the order of recording.
    pub(super) holdings: Vec<(u64, Holding)>,
    /// Whether the last recorded fact of the allocation is that the case is not ready for one.
    pub(super) not_ready: bool,
    /// The last recorded answer on the handover dates.
    pub(super) handover: Option<HandoverAnswer>,
    /// Sequence of the last event that says that the case got its NOMS number.
    pub(super) linked: Option<u64>,
    /// Allocations that wait for the name behind their staff code.
    pub(super) unreflected: Vec<Unreflected>,
    /// Writes that Delius refused and that were not released since.
    pub(super) refused: Vec<Refused>,
    /// Writes that have come to an end.
    settled: BTreeSet<WriteRef>,
    /// Writes that wait for an operator.
    parked: BTreeSet<WriteRef>,
}

/// An allocation that could not be written because its POM's name was not known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unreflected {
    pub(super) sequence: u64,
    pub(super) provenance: Provenance,
    pub(super) at: DateTime<Utc>,
    pub(super) prison: PrisonCode,
    pub(super) staff_code: i64,
}

/// A write that Delius refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) write: WriteRef,
    pub(super) intent: DeliusWrite,
    pub(super) name: OutcomeName,
}

impl Case {
    /// Whether the message was recorded before.
    pub fn has_seen(&self, message_id: &str) -> bool {
        self.seen.contains(message_id)
    }

    pub(super) fn is_settled(&self, write: WriteRef) -> bool {
        self.settled.contains(&write)
    }

    pub(super) fn is_parked(&self, write: WriteRef) -> bool {
        self.parked.contains(&write)
    }

    /// The holding that is the latest in valid time; of several at one second the last recorded.
    pub(super) fn latest_holding(&self) -> Option<&Holding> {
        self.holdings.iter().max_by_key(|(sequence, holding)| (holding.at, *sequence)).map(|(_, h)| h)
    }

    /// The holding that follows `at` in valid time, when something later is recorded already.
    pub(super) fn holding_after(&self, at: DateTime<Utc>) -> Option<Holding> {
        self.holding_after_recorded(at, u64::MAX)
    }

    /// The holding that follows the one of `at` that was recorded at `sequence`. Of several in one second the later
    /// event of the stream wins, so that one follows the others.
    fn holding_after_recorded(&self, at: DateTime<Utc>, sequence: u64) -> Option<Holding> {
        self.holdings
            .iter()
            .filter(|(recorded, holding)| (holding.at, *recorded) > (at, sequence))
            .min_by_key(|(recorded, holding)| (holding.at, std::cmp::Reverse(*recorded)))
            .map(|(_, holding)| holding.clone())
    }

    /// The holding that must be written again once this write is made late.
    pub(super) fn follower_of(&self, write: &DeliusWrite) -> Option<Holding> {
        self.holding_after_recorded(write.held_from()?, self.recorded_at(write))
    }

    /// The sequence of the last event that says what the write is to write; 0 for handover dates.
    pub(super) fn recorded_at(&self, write: &DeliusWrite) -> u64 {
        let says = |holding: &Holding| DeliusWrite::from(holding.clone()) == *write;
        self.holdings.iter().rev().find(|(_, holding)| says(holding)).map_or(0, |(sequence, _)| *sequence)
    }

    fn settle(&mut self, result: &WriteResult) {
        self.settled.insert(result.write);
        self.parked.remove(&result.write);
    }

    pub(super) fn absorb(&mut self, event: CaseEvent) {
        self.sequence += 1;
        if let Some(provenance) = event.provenance() {
            self.seen.insert(provenance.message_id.clone());
        }
        match event {
            CaseEvent::PomAllocated { at, pom, reflects, .. } => {
                self.unreflected.retain(|waiting| Some(waiting.sequence) != reflects);
                // What is made good later was recorded before.
                self.not_ready &= reflects.is_some();
                self.holdings.push((self.sequence, Holding { at, pom: Some(pom) }));
            }
            CaseEvent::PomDeallocated { at, .. } => {
                self.not_ready = false;
                self.holdings.push((self.sequence, Holding { at, pom: None }));
            }
            CaseEvent::AllocationSuperseded { provenance, at, prison, staff_code } => {
                let sequence = self.sequence;
                self.not_ready = false;
                self.unreflected.push(Unreflected { sequence, provenance, at, prison, staff_code });
            }
            CaseEvent::HandoverDatesChanged {
                handover_date, handover_start_date, dry_run: false, ..
            } => {
                self.handover = Some(HandoverAnswer::Dates { handover_date, handover_start_date });
            }
            CaseEvent::HandoverNotFound { .. } => self.handover = Some(HandoverAnswer::NotFound),
            CaseEvent::AllocationNotReady { .. } => self.not_ready = true,
            CaseEvent::IdentifierLinked { .. } => {
                self.linked = Some(self.sequence);
                self.refused.retain(|refused| refused.name != OutcomeName::PersonNotFound);
            }
            CaseEvent::DeliusUpdated(result) | CaseEvent::DeliusUnchanged(result) => {
                self.settle(&result);
            }
            CaseEvent::DeliusWriteRefused(result) => {
                self.settle(&result);
                self.refused.push(Refused {
                    write: result.write,
                    intent: result.intent,
                    name: result.outcome.name,
                });
            }
            CaseEvent::DeliusWriteParked { write, .. } => {
                self.parked.insert(write);
            }
            CaseEvent::DeliusWriteRetried { write, .. } => {
                self.parked.remove(&write);
                self.refused.retain(|refused| refused.write != write);
            }
            CaseEvent::DeliusWriteSkipped { write, .. } => {
                self.parked.remove(&write);
                self.settled.insert(write);
            }
            CaseEvent::HandoverDatesChanged { .. } | CaseEvent::MessageNotApplicable { .. } => {}
        }
    }
}
