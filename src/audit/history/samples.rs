//! Invented cases for the tests of this room.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support")]

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    audit::history::{CaseFile, ParkedOfCase, ParkingOfCase, ReceiptOfCase, StoredEvent},
    case::{
        CaseEvent, DeliusWrite, Evidence, Fetched, NameSource, OutcomeName, Pom, Provenance, RowAction,
        RowChange, WriteOutcome, WriteRef, WriteResult,
    },
    outbox::projector,
};

pub(crate) fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn pom(code: i64) -> Pom {
    Pom {
        prison: "LEI".parse::<crate::case::PrisonCode>().unwrap(),
        staff_code: code,
        forename: format!("ADA{code}"),
        surname: "BYRON".to_owned(),
        email: None,
    }
}

pub(crate) fn provenance(
    message: &str,
    occurred_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
) -> Provenance {
    Provenance {
        message_id: message.to_owned(),
        event_type: "offender-management.allocation.changed".to_owned(),
        occurred_at,
        received_at,
        message: Evidence::of(format!("{{\"message\":\"{message}\"}}")),
        fetched: vec![Fetched {
            url: "https://mpc.example/api/allocation/A1234BC/primary_pom".to_owned(),
            status: 200,
            at: received_at,
            answer: Evidence::of("{}"),
            staff: None,
        }],
        code_version: "0.1.0".to_owned(),
        under: None,
    }
}

/// A case that is told its story event by event.
pub(crate) struct Story(pub(crate) CaseFile);

impl Story {
    pub(crate) fn new() -> Self {
        Self(CaseFile {
            noms: "A1234BC".parse::<crate::case::NomsNumber>().unwrap(),
            streams: vec![],
            read_at: utc("2026-12-31T12:00:00Z"),
            unsettled_since: None,
            events: vec![],
            receipts: vec![],
            outbox: vec![],
            parked: vec![],
            waiting: vec![],
            erasures: vec![],
            journal: BTreeMap::new(),
        })
    }

    pub(crate) fn event(&mut self, recorded_at: DateTime<Utc>, event: CaseEvent) -> u64 {
        let sequence = self.0.events.len() as u64 + 1;
        let noms = self.0.noms.clone();
        let stream_sequence = sequence;
        self.0.events.push(StoredEvent {
            sequence,
            noms,
            stream_sequence,
            recorded_at,
            trace_id: None,
            event,
        });
        sequence
    }

    /// A message of its own: received two seconds before it is recorded.
    fn told(&self, at: &str, recorded: &str) -> (Provenance, DateTime<Utc>) {
        let recorded_at = utc(recorded);
        let message = format!("m{}", self.0.events.len() + 1);
        (provenance(&message, utc(at), recorded_at - TimeDelta::seconds(2)), recorded_at)
    }

    pub(crate) fn allocated(&mut self, at: &str, code: i64, recorded: &str) -> u64 {
        let (provenance, recorded_at) = self.told(at, recorded);
        let event = CaseEvent::PomAllocated {
            provenance,
            at: utc(at),
            pom: pom(code),
            named_by: NameSource::Answer,
            reflects: None,
            followed_by: None,
        };
        self.event(recorded_at, event)
    }

    pub(crate) fn deallocated(&mut self, at: &str, recorded: &str) -> u64 {
        let (provenance, recorded_at) = self.told(at, recorded);
        self.event(recorded_at, CaseEvent::PomDeallocated { provenance, at: utc(at), followed_by: None })
    }

    pub(crate) fn superseded(&mut self, at: &str, staff_code: i64, recorded: &str) -> u64 {
        let (provenance, recorded_at) = self.told(at, recorded);
        let prison = "LEI".parse::<crate::case::PrisonCode>().unwrap();
        let event = CaseEvent::AllocationSuperseded { provenance, at: utc(at), prison, staff_code };
        self.event(recorded_at, event)
    }

    /// The name behind the waiting allocation became known.
    pub(crate) fn reflected(&mut self, waiting: u64, staff_code: i64, recorded: &str) -> u64 {
        let CaseEvent::AllocationSuperseded { provenance, at, .. } =
            self.0.events[usize::try_from(waiting).unwrap() - 1].event.clone()
        else {
            panic!("entry {waiting} does not wait")
        };
        let event = CaseEvent::PomAllocated {
            provenance,
            at,
            pom: pom(staff_code),
            named_by: NameSource::Directory,
            reflects: Some(waiting),
            followed_by: None,
        };
        self.event(utc(recorded), event)
    }

    /// A message about the case was parked, for each of the reasons at its time.
    pub(crate) fn parked(&mut self, parkings: &[(&str, &str)]) {
        let id = self.0.parked.len() as i64 + 1;
        self.0.parked.push(ParkedOfCase {
            id,
            message_id: format!("p{id}"),
            received_at: utc(parkings[0].1),
            parkings: parkings
                .iter()
                .map(|(reason, at)| ParkingOfCase {
                    event_type: Some("offender-management.allocation.changed".to_owned()),
                    reason: (*reason).to_owned(),
                    detail: format!("{reason}: mend it"),
                    at: utc(at),
                })
                .collect(),
            decisions: vec![],
        });
    }

    pub(crate) fn dates(&mut self, at: &str, handover: Option<&str>, recorded: &str) -> u64 {
        let (provenance, recorded_at) = self.told(at, recorded);
        let date = handover.map(|date| date.parse().unwrap());
        let event = CaseEvent::HandoverDatesChanged {
            provenance,
            handover_date: date,
            handover_start_date: date,
            dry_run: false,
        };
        self.event(recorded_at, event)
    }

    /// The first write of the entry came to this end.
    pub(crate) fn outcome(&mut self, sequence: u64, name: OutcomeName, recorded: &str) -> u64 {
        let intent = self.intent(sequence);
        let changes = if name == OutcomeName::PomAllocated {
            vec![RowChange {
                table: "prison_offender_manager".to_owned(),
                row_id: format!("{}", 100 + sequence),
                action: RowAction::Insert,
                row_version: 1,
                columns: BTreeMap::new(),
            }]
        } else {
            vec![]
        };
        let changed = !changes.is_empty();
        let result = WriteResult {
            write: WriteRef { sequence, ordinal: 0 },
            intent,
            attempt: 1,
            outcome: WriteOutcome {
                name,
                applied_at: utc(recorded) - TimeDelta::seconds(1),
                changes,
                properties: BTreeMap::new(),
            },
            code_version: "0.1.0".to_owned(),
        };
        let event = match (name.is_refusal(), changed) {
            (true, _) => CaseEvent::DeliusWriteRefused(result),
            (false, true) => CaseEvent::DeliusUpdated(result),
            (false, false) => CaseEvent::DeliusUnchanged(result),
        };
        self.event(utc(recorded), event)
    }

    fn intent(&self, sequence: u64) -> DeliusWrite {
        projector::derive(&self.0.events[usize::try_from(sequence).unwrap() - 1].event)[0].clone()
    }

    pub(crate) fn received_again(&mut self, message: &str, at: &str) {
        self.0.receipts.push(ReceiptOfCase {
            message_id: message.to_owned(),
            disposition: "duplicate".to_owned(),
            body_sha256: String::new(),
            receive_count: 2,
            received_at: utc(at),
            recorded_at: utc(at),
        });
    }
}

/// A story with one of everything that is remarkable.
pub(crate) fn eventful() -> Story {
    let mut story = Story::new();
    let first = story.allocated("2026-07-01T09:00:00Z", 1, "2026-07-01T09:00:03Z");
    story.outcome(first, OutcomeName::PomAllocated, "2026-07-01T09:00:05Z");
    let dates = story.dates("2026-07-02T10:00:00Z", Some("2027-03-01"), "2026-07-02T10:00:02Z");
    story.outcome(dates, OutcomeName::NoActiveCustodialSentence, "2026-07-02T10:00:04Z");
    story.superseded("2026-07-05T08:00:00Z", 2, "2026-07-05T08:00:02Z");
    let third = story.allocated("2026-07-10T08:00:00Z", 3, "2026-07-10T08:00:02Z");
    story.outcome(third, OutcomeName::PomAllocated, "2026-07-10T08:00:04Z");
    // Late: between the two.
    let late = story.allocated("2026-07-04T07:00:00Z", 4, "2026-07-11T07:00:00Z");
    story.outcome(late, OutcomeName::PomAllocated, "2026-07-11T07:00:02Z");
    story.received_again("m1", "2026-07-01T09:05:00Z");
    story.received_again("m1", "2026-07-12T09:05:00Z");
    story.deallocated("2026-08-01T12:00:00Z", "2026-08-01T12:00:01Z");
    story
}
