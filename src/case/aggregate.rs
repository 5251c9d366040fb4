//! The state of a case: what its events add up to, as far as later decisions need it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    CaseEvent, DeliusWrite, HandoverAnswer, Holding, IdentityRole, Inherited, OutcomeName, PrisonCode,
    Provenance, Timeline, WriteChange, WriteRef, WriteState, WriteStates, whole_second,
};

/// A case: one NOMS number, one stream.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Case {
    /// Events applied so far, which is the sequence of the last one.
    pub(super) sequence: u64,
    /// The messages that have been recorded: a second delivery changes nothing.
    seen: BTreeSet<String>,
    /// Who held the case when.
    pub(super) timeline: Timeline,
    /// Whether the last recorded fact of the allocation is that the case is not ready for one.
    pub(super) not_ready: bool,
    /// The last recorded answer on the handover dates.
    pub(super) handover: Option<HandoverAnswer>,
    /// Sequence of the last event after which Delius may know the person by this number.
    pub(super) linked: Option<u64>,
    /// Whether the number was ever part of a change of identity: only then its heir must be asked for.
    pub(super) identity_changed: bool,
    /// Allocations that wait for the name behind their staff code.
    pub(super) unreflected: Vec<UnreflectedAllocation>,
    /// Writes that Delius refused and that were not released since.
    pub(super) refused: Vec<RefusedIntent>,
    writes: WriteStates,
}

/// An allocation that could not be written because its POM's name was not known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UnreflectedAllocation {
    pub(super) sequence: u64,
    pub(super) provenance: Provenance,
    pub(super) at: DateTime<Utc>,
    pub(super) prison: PrisonCode,
    pub(super) staff_code: i64,
}

/// A write that Delius refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RefusedIntent {
    pub(super) write: WriteRef,
    pub(super) intent: DeliusWrite,
    pub(super) name: OutcomeName,
}

impl Case {
    /// Whether the message was recorded before.
    pub fn has_seen(&self, message_id: &str) -> bool {
        self.seen.contains(message_id)
    }

    pub(super) fn write_state(&self, write: WriteRef) -> WriteState {
        self.writes.state(write)
    }

    pub(super) fn latest_holding(&self) -> Option<Holding> {
        self.timeline.latest()
    }

    /// The holding that must be written again once this write is made late.
    pub(super) fn follower_of(&self, write: &DeliusWrite) -> Option<Holding> {
        self.timeline.after_recorded(&write.holding()?)
    }

    pub(super) fn apply_event(&mut self, event: CaseEvent) {
        self.sequence += 1;
        if let Some(provenance) = event.provenance() {
            self.seen.insert(provenance.message_id.clone());
        }
        self.timeline.record(self.sequence, &event);
        self.writes.record(self.sequence, &event);
        if let Some((write, change)) = event.write_change() {
            self.apply_write_change(write, change);
        }
        if let Some((_, answer)) = event.handover() {
            self.handover = Some(answer);
        }
        self.apply_fact(event);
    }

    fn apply_write_change(&mut self, write: WriteRef, change: WriteChange<'_>) {
        match change {
            WriteChange::Settled(WriteState::Refused, result) => self.refused.push(RefusedIntent {
                write,
                intent: result.intent.clone(),
                name: result.outcome.name,
            }),
            WriteChange::Resumed | WriteChange::Released => {
                self.refused.retain(|refused| refused.write != write);
            }
            WriteChange::Settled(..) | WriteChange::Parked { .. } | WriteChange::Skipped => {}
        }
    }

    fn apply_fact(&mut self, event: CaseEvent) {
        match event {
            CaseEvent::PomAllocated { reflects, .. } => {
                self.unreflected.retain(|waiting| Some(waiting.sequence) != reflects);
                // An allocation that is reflected later was recorded before.
                self.not_ready &= reflects.is_some();
            }
            CaseEvent::PomDeallocated { .. } => self.not_ready = false,
            CaseEvent::AllocationSuperseded { provenance, at, prison, staff_code } => {
                let sequence = self.sequence;
                self.not_ready = false;
                self.unreflected.push(UnreflectedAllocation { sequence, provenance, at, prison, staff_code });
            }
            CaseEvent::AllocationNotReady { .. } => self.not_ready = true,
            CaseEvent::IdentifierLinked { provenance, new_person, .. } => {
                self.linked = Some(self.sequence);
                self.release_for_person();
                if new_person {
                    self.begin_person(whole_second(provenance.occurred_at));
                }
            }
            CaseEvent::IdentityChanged { role, inherited, given_on, .. } => {
                self.identity_changed = true;
                match role {
                    IdentityRole::Former | IdentityRole::Current => {
                        self.linked = Some(self.sequence);
                        self.release_for_person();
                    }
                    IdentityRole::Named => {}
                }
                self.inherit(self.sequence, &inherited);
                if let Some(at) = given_on {
                    self.begin_person(at);
                }
            }
            CaseEvent::WritesReasserted { inherited, .. } => self.inherit(self.sequence, &inherited),
            CaseEvent::HandoverDatesChanged { .. }
            | CaseEvent::HandoverNotFound { .. }
            | CaseEvent::MessageNotApplicable { .. }
            | CaseEvent::DeliusUpdated(_)
            | CaseEvent::DeliusUnchanged(_)
            | CaseEvent::DeliusWriteRefused(_)
            | CaseEvent::DeliusWriteParked { .. }
            | CaseEvent::DeliusWriteRetried { .. }
            | CaseEvent::DeliusWriteSkipped { .. } => {}
        }
    }

    pub(super) fn inherit(&mut self, sequence: u64, inherited: &Inherited) {
        for holding in &inherited.holdings {
            self.timeline.inherit(sequence, holding);
        }
        self.handover = self.handover.or(inherited.handover);
    }

    /// What another number of the same person continues with.
    pub fn legacy(&self) -> Inherited {
        Inherited { holdings: self.timeline.holdings(), handover: self.handover }
    }

    /// Writes that Delius refused because of the person are released by the event that says who the person is.
    fn release_for_person(&mut self) {
        self.refused.retain(|refused| !refused.name.is_about_person());
    }

    /// The number is somebody else's from `at` on: nothing that happened before may be written for that person.
    pub(super) fn begin_person(&mut self, at: DateTime<Utc>) {
        self.timeline.forget_before(at);
        self.unreflected.retain(|waiting| waiting.at >= at);
        self.handover = None;
        self.not_ready = false;
    }
}
