//! Event → writes: a pure function, used when events are appended and again whenever a replay asks whether the
//! stored events still mean the same writes.

use uuid::Uuid;

use crate::case::{CaseEvent, DeliusWrite, NomsNumber, WriteRef};

/// Namespace of the write ids. Never to change: the ledger in Delius is keyed by what is derived from it.
const WRITE_IDS: Uuid = Uuid::from_u128(0x6f0f_52d5_5d0c_4a0e_9d3c_1f7c_60a1_84b2);

/// The writes that an event means for Delius, in the order in which they are to be applied. A late holding is followed by
/// the one after it: that one may have found nothing to change when it came, and has something to change now.
pub fn derive(event: &CaseEvent) -> Vec<DeliusWrite> {
    match event {
        CaseEvent::PomAllocated { followed_by, .. } | CaseEvent::PomDeallocated { followed_by, .. } => {
            event.stated_holding().into_iter().chain(followed_by.clone()).map(DeliusWrite::from).collect()
        }
        CaseEvent::HandoverDatesChanged { handover_date, handover_start_date, dry_run, .. } => {
            vec![DeliusWrite::SetHandoverDates {
                handover_date: *handover_date,
                handover_start_date: *handover_start_date,
                dry_run: *dry_run,
            }]
        }
        CaseEvent::IdentifierLinked { released, .. }
        | CaseEvent::IdentityChanged { released, .. }
        | CaseEvent::WritesReasserted { released, .. }
        | CaseEvent::DeliusWriteRetried { released, .. } => released.clone(),
        CaseEvent::AllocationNotReady { .. }
        | CaseEvent::AllocationSuperseded { .. }
        | CaseEvent::HandoverNotFound { .. }
        | CaseEvent::MessageNotApplicable { .. }
        | CaseEvent::DeliusUpdated(_)
        | CaseEvent::DeliusUnchanged(_)
        | CaseEvent::DeliusWriteRefused(_)
        | CaseEvent::DeliusWriteParked { .. }
        | CaseEvent::DeliusWriteSkipped { .. } => vec![],
    }
}

/// The identity of a write: its place in the case and what it is to write. The place alone is none, because the store and
/// Delius can be restored to different times: another write at the same place must not find the outcome of this one.
/// The same event derives the same ids, so deriving it again is harmless.
pub fn write_id(noms: &NomsNumber, write: WriteRef, intent: &DeliusWrite) -> Uuid {
    let name = format!("{noms}/{}/{}/{}", write.sequence, write.ordinal, intent.hash());
    Uuid::new_v5(&WRITE_IDS, name.as_bytes())
}

/// Name of the kind of a write, as the outbox stores and shows it.
pub fn kind(write: &DeliusWrite) -> &'static str {
    match write {
        DeliusWrite::AllocatePom { .. } => "allocatePom",
        DeliusWrite::DeallocatePom { .. } => "deallocatePom",
        DeliusWrite::SetHandoverDates { .. } => "setHandoverDates",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::case::{Evidence, Holding, NameSource, Pom, Provenance};

    fn dates(day: &str) -> DeliusWrite {
        DeliusWrite::SetHandoverDates {
            handover_date: day.parse().ok(),
            handover_start_date: None,
            dry_run: false,
        }
    }

    #[test]
    fn a_write_at_the_same_place_with_another_intent_is_another_write() {
        let (noms, place) = ("A1234BC".parse().unwrap(), WriteRef { sequence: 3, ordinal: 0 });
        let id = write_id(&noms, place, &dates("2027-01-04"));
        assert_eq!(id, write_id(&noms, place, &dates("2027-01-04")));
        assert_ne!(id, write_id(&noms, place, &dates("2027-01-05")));
        assert_ne!(id, write_id(&noms, WriteRef { ordinal: 1, ..place }, &dates("2027-01-04")));
        assert_ne!(id, write_id(&"A1234BD".parse().unwrap(), place, &dates("2027-01-04")));
    }

    fn provenance() -> Provenance {
        let at = "2026-07-01T09:00:00Z".parse().unwrap();
        Provenance {
            message_id: "m1".into(),
            event_type: "offender-management.allocation.changed".into(),
            occurred_at: at,
            received_at: at,
            message: Evidence::of("{}"),
            fetched: vec![],
            code_version: "0".into(),
            under: None,
        }
    }

    #[test]
    fn an_event_means_its_writes_in_the_order_in_which_they_are_applied() {
        let at = |hour: &str| format!("2026-07-01T{hour}:00:00Z").parse().unwrap();
        let pom = Pom {
            prison: "LEI".parse().unwrap(),
            staff_code: 1,
            forename: "ADA".into(),
            surname: "BYRON".into(),
            email: None,
        };
        let holding = |hour, pom| Holding { at: at(hour), pom, overtaken: false };
        let allocated = CaseEvent::PomAllocated {
            provenance: provenance(),
            at: at("09"),
            pom: pom.clone(),
            named_by: NameSource::Answer,
            reflects: None,
            followed_by: Some(holding("10", None)),
        };
        let allocation: DeliusWrite = holding("09", Some(pom)).into();
        assert_eq!(derive(&allocated), [allocation.clone(), holding("10", None).into()]);
        let deallocated =
            CaseEvent::PomDeallocated { provenance: provenance(), at: at("09"), followed_by: None };
        assert_eq!(derive(&deallocated), [holding("09", None).into()]);
        let changed = CaseEvent::HandoverDatesChanged {
            provenance: provenance(),
            handover_date: "2027-01-04".parse().ok(),
            handover_start_date: None,
            dry_run: false,
        };
        assert_eq!(derive(&changed), [dates("2027-01-04")]);
        let released = vec![allocation, dates("2027-01-04")];
        let linked = CaseEvent::IdentifierLinked {
            provenance: provenance(),
            crn: None,
            new_person: false,
            released: released.clone(),
        };
        assert_eq!(derive(&linked), released);
        assert_eq!(derive(&CaseEvent::HandoverNotFound { provenance: provenance() }), []);
        let kinds: Vec<_> = derive(&allocated).iter().chain(&derive(&changed)).map(kind).collect();
        assert_eq!(kinds, ["allocatePom", "deallocatePom", "setHandoverDates"]);
    }
}
