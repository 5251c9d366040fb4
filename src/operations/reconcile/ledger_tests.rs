//! Record and ledger after one of the two databases went back in time.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ledger::{RecordedWrite, forgotten, lost};
use crate::{
    case::{
        CaseEvent, DeliusWrite, Holding, Inherited, OutcomeName, Pom, Timeline, WriteOutcome,
        identity::Person,
    },
    delius::LedgerEntry,
};

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-07-{text}:00Z").parse().unwrap()
}

fn holding(time: &str, code: Option<i64>) -> Holding {
    let pom = code.map(|staff_code| Pom {
        prison: "LEI".parse().unwrap(),
        staff_code,
        forename: "ADA".into(),
        surname: format!("BYRON{staff_code}"),
        email: None,
    });
    Holding { at: at(time), pom, overtaken: false }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn written(number: u128, holding: &Holding) -> RecordedWrite {
    RecordedWrite { id: id(number), write: DeliusWrite::from(holding.clone()) }
}

fn entry(number: u128, holding: &Holding, name: OutcomeName) -> LedgerEntry {
    let outcome =
        WriteOutcome { name, applied_at: holding.at, changes: vec![], properties: Default::default() };
    LedgerEntry { id: id(number), write: DeliusWrite::from(holding.clone()), outcome }
}

fn timeline(holdings: &[Holding]) -> Timeline {
    let inherited = Inherited { holdings: holdings.to_vec(), handover: None };
    let (by, why) = ("op".to_owned(), "test".to_owned());
    let event = CaseEvent::WritesReasserted { released: vec![], inherited, by, why };
    Timeline::of([(1, &event)])
}

fn person() -> Person {
    Person::only("A1234BC".parse().unwrap())
}

#[test]
fn recorded_writes_that_the_ledger_lacks_are_lost_unless_they_count_no_more() {
    let (ada, nobody, mary) =
        (holding("01T09:00", Some(1)), holding("02T09:00", None), holding("03T09:00", Some(2)));
    let recorded = [written(1, &ada), written(2, &nobody), written(3, &mary)];
    let periods = timeline(&[ada.clone(), nobody.clone(), mary.clone()]).periods(None);
    let kept = [entry(1, &ada, OutcomeName::PomAllocated)];
    let expected = [DeliusWrite::from(nobody.clone()), DeliusWrite::from(mary.clone())];
    assert_eq!(lost(&recorded, &kept, &periods), expected);

    let again = [recorded.to_vec(), vec![written(4, &nobody), written(5, &mary)]].concat();
    let kept = [
        kept.to_vec(),
        vec![entry(4, &nobody, OutcomeName::NoPomChange), entry(5, &mary, OutcomeName::NoPomChange)],
    ]
    .concat();
    assert_eq!(lost(&again, &kept, &periods), [], "they were written again since");

    let replaced = timeline(&[ada.clone(), mary]).periods(None);
    assert_eq!(lost(&recorded[..2], &kept[..1], &replaced), [], "the record does not say so any more");
}

#[test]
fn writes_that_the_store_does_not_know_are_forgotten_unless_they_are_on_record() {
    let (ada, mary, refused) =
        (holding("01T09:00", Some(1)), holding("02T09:00", Some(2)), holding("03T09:00", Some(3)));
    let ledger = [
        entry(1, &ada, OutcomeName::PomAllocated),
        entry(2, &mary, OutcomeName::PomAllocated),
        entry(3, &refused, OutcomeName::UnknownPrison),
    ];
    let find = |known: &[u128], on_record: &[&Holding]| {
        let on_record: Vec<Holding> = on_record.iter().copied().cloned().collect();
        let known: BTreeSet<Uuid> = known.iter().copied().map(id).collect();
        forgotten(&ledger, &known, &person(), &timeline(&on_record))
    };
    assert_eq!(find(&[1], &[&ada]), vec![mary.clone()]);
    assert_eq!(find(&[], &[&ada, &mary]), [], "the same facts came again, by other writes");
    assert_eq!(find(&[1, 2], &[&ada]), [], "a write that is known is not forgotten");
}
