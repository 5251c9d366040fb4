//! What an append means for the tables that are kept in the same transaction: a pure reading of its events.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    case::{CaseEvent, DeliusWrite, NameWait, PrisonCode, StaffMember, WriteChange, WriteRef},
    outbox::{Transition, projector},
};

/// The effects of the events of one append.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Effects {
    /// Rows for the outbox.
    pub(crate) derived: Vec<(WriteRef, DeliusWrite)>,
    /// Outbox rows that change their state.
    pub(crate) transitions: Vec<(WriteRef, Transition)>,
    /// Names behind staff codes, with the time at which we learned them.
    pub(crate) learned: BTreeMap<i64, (StaffMember, DateTime<Utc>)>,
    /// Members of staff in Delius that a staff code of a prison was written to, and when.
    pub(crate) officers: BTreeMap<(PrisonCode, i64), (i64, DateTime<Utc>)>,
    /// Allocations that wait for a name: sequence and staff code.
    pub(crate) waiting: Vec<(u64, i64)>,
    /// Sequences of those that wait no longer.
    pub(crate) reflected: Vec<u64>,
}

impl Effects {
    pub(crate) fn of<'a>(events: impl IntoIterator<Item = (u64, &'a CaseEvent)>) -> Self {
        let mut effects = Self::default();
        for (sequence, event) in events {
            effects.add(sequence, event);
        }
        effects
    }

    fn add(&mut self, sequence: u64, event: &CaseEvent) {
        let writes = projector::derive(event).into_iter().zip(0..);
        self.derived.extend(writes.map(|(write, ordinal)| (WriteRef { sequence, ordinal }, write)));
        for fetched in event.provenance().iter().flat_map(|provenance| &provenance.fetched) {
            if let Some(staff) = &fetched.staff {
                self.learned.insert(staff.code, (staff.clone(), fetched.at));
            }
        }
        if let Some((result, pom)) =
            event.write_result().and_then(|result| Some((result, result.intent.pom()?)))
            && let Some(staff_id) = result.outcome.staff_id()
        {
            let key = (pom.prison.clone(), pom.staff_code);
            self.officers.insert(key, (staff_id, result.outcome.applied_at));
        }
        match event.waits_for_name() {
            Some(NameWait::Begins { staff_code }) => self.waiting.push((sequence, staff_code)),
            Some(NameWait::Ends { reflects }) => self.reflected.push(reflects),
            None => {}
        }
        self.transitions.extend(event.write_change().and_then(|(write, change)| {
            let transition = match change {
                WriteChange::Settled(_, result) => Transition::Done { attempt: result.attempt },
                WriteChange::Parked { attempts } => Transition::Parked { attempt: attempts },
                WriteChange::Resumed => Transition::Resumed,
                WriteChange::Skipped => Transition::Skipped,
                // Its row is finished already; what is made again has rows of its own.
                WriteChange::Released => return None,
            };
            Some((write, transition))
        }));
    }
}
