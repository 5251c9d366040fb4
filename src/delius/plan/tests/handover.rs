//! Handover key dates.

use chrono::NaiveDate;

use super::super::{
    change::{Change, WrittenRow},
    handover::{self, HandoverDates},
    rows::KeyDateRow,
};
use super::memory::{Memory, TYPES};
use crate::case::{OutcomeName, RowAction};

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 9, day).unwrap()
}

fn with(dates: &[(i64, i64, u32)]) -> Memory {
    let mut memory = Memory::new();
    memory.key_dates = dates
        .iter()
        .map(|(id, type_id, day)| KeyDateRow {
            id: Some(*id),
            version: 3,
            custody_id: 4,
            type_id: *type_id,
            date: date(*day),
            soft_deleted: false,
        })
        .collect();
    memory
}

fn actions(changes: &[Change]) -> Vec<RowAction> {
    changes.iter().map(Change::action).collect()
}

#[test]
fn each_date_is_created_updated_deleted_or_left() {
    use OutcomeName::{KeyDateCreated, KeyDateDeleted, KeyDateUpdated, NoKeyDateChange};
    let one = [(10, 1, 1)];
    for (existing, new, outcome, expected) in [
        (&[][..], Some(1), KeyDateCreated, vec![RowAction::Insert]),
        (&one[..], Some(2), KeyDateUpdated, vec![RowAction::Update]),
        (&one[..], Some(1), NoKeyDateChange, vec![]),
        (&one[..], None, KeyDateDeleted, vec![RowAction::Delete]),
        (&[][..], None, NoKeyDateChange, vec![]),
    ] {
        let mut memory = with(existing);
        let plan = memory.set_dates(new.map(date), None);
        assert_eq!((plan.outcome, actions(&plan.changes)), (outcome, expected), "{existing:?} → {new:?}");
        let again = memory.set_dates(new.map(date), None);
        assert_eq!((again.outcome, again.changes), (NoKeyDateChange, vec![]));
        memory.assert_sound();
    }
}

#[test]
fn the_start_is_pom1_and_the_handover_pom2() {
    let mut memory = Memory::new();
    memory.set_dates(Some(date(1)), Some(date(2)));
    let rows: Vec<_> =
        memory.key_dates.iter().map(|row| (row.custody_id, row.type_id, row.date, row.version)).collect();
    assert_eq!(rows, [(4, TYPES.start, date(1), 0), (4, TYPES.handover, date(2), 0)]);
}

#[test]
fn the_result_of_the_case_is_the_stronger_of_the_two() {
    use OutcomeName::{KeyDateCreated, KeyDateDeleted, KeyDateUpdated, NoKeyDateChange};
    for (existing, start, handover, outcome) in [
        (&[(10, 1, 1)][..], Some(2), Some(3), KeyDateCreated),
        (&[(10, 1, 1)], None, Some(3), KeyDateCreated),
        (&[(10, 1, 1), (11, 2, 2)], None, Some(3), KeyDateUpdated),
        (&[(10, 1, 1), (11, 2, 2)], Some(2), None, KeyDateUpdated),
        (&[(10, 1, 1), (11, 2, 2)], Some(1), None, KeyDateDeleted),
        (&[(10, 1, 1), (11, 2, 2)], Some(1), Some(2), NoKeyDateChange),
    ] {
        let plan = with(existing).set_dates(start.map(date), handover.map(date));
        assert_eq!(plan.outcome, outcome, "{existing:?} → {start:?}, {handover:?}");
    }
}

#[test]
fn of_several_live_dates_of_a_type_the_oldest_row_counts_and_a_change_leaves_it_alone_live() {
    let doubled = [(12, 1, 5), (10, 1, 1), (11, 1, 1)];
    assert_eq!(with(&doubled).set_dates(Some(date(1)), None).changes, []);
    for (new, outcome, live) in [
        (Some(date(6)), OutcomeName::KeyDateUpdated, vec![(10, date(6))]),
        // Another of them has the new date.
        (Some(date(5)), OutcomeName::KeyDateUpdated, vec![(12, date(5))]),
        (None, OutcomeName::KeyDateDeleted, vec![]),
    ] {
        let mut memory = with(&doubled);
        assert_eq!(memory.set_dates(new, None).outcome, outcome);
        let rows = memory.key_dates.iter().filter(|row| !row.soft_deleted);
        assert_eq!(rows.map(|row| (row.id.unwrap(), row.date)).collect::<Vec<_>>(), live);
        memory.assert_sound();
    }
}

/// Rows as `(id, day, soft-deleted)` of one type, the date to set, and what becomes of it.
type Revived = (&'static [(i64, u32, bool)], u32, OutcomeName, &'static [RowAction], &'static [(i64, u32)]);

#[test]
fn a_date_that_a_row_holds_already_is_not_written_to_another_row() {
    use OutcomeName::{KeyDateCreated, KeyDateUpdated, NoKeyDateChange};
    use RowAction::{Delete, Insert, Update};
    let table: [Revived; 7] = [
        // Soft-deleted by a person: revived.
        (&[(10, 1, true)], 1, KeyDateCreated, &[Update], &[(10, 1)]),
        (&[(10, 1, true)], 2, KeyDateCreated, &[Insert], &[(101, 2)]),
        (&[(10, 1, false), (11, 2, true)], 2, KeyDateUpdated, &[Delete, Update], &[(11, 2)]),
        (&[(10, 2, true), (11, 1, false)], 2, KeyDateUpdated, &[Delete, Update], &[(10, 2)]),
        // Live under another row.
        (&[(10, 1, false), (11, 2, false)], 2, KeyDateUpdated, &[Delete], &[(11, 2)]),
        (&[(10, 1, false), (11, 2, false)], 3, KeyDateUpdated, &[Delete, Update], &[(10, 3)]),
        (&[(10, 1, false), (11, 2, true)], 1, NoKeyDateChange, &[], &[(10, 1)]),
    ];
    for (rows, day, outcome, expected, live) in table {
        let mut memory = with(&rows.iter().map(|(id, day, _)| (*id, 1, *day)).collect::<Vec<_>>());
        for (row, (.., soft_deleted)) in memory.key_dates.iter_mut().zip(rows) {
            row.soft_deleted = *soft_deleted;
        }
        let plan = memory.set_dates(Some(date(day)), None);
        assert_eq!((plan.outcome, &actions(&plan.changes)[..]), (outcome, expected), "{rows:?} → {day}");
        let left = memory.key_dates.iter().filter(|row| !row.soft_deleted);
        let left: Vec<_> = left.map(|row| (row.id.unwrap(), row.date)).collect();
        assert_eq!(left.len(), live.len(), "{rows:?} → {day}");
        assert!(
            left.iter()
                .zip(live)
                .all(|(left, live)| left.1 == date(live.1) && (live.0 > 100 || left.0 == live.0))
        );
        assert_eq!(memory.set_dates(Some(date(day)), None).changes, [], "{rows:?} → {day}");
    }
}

#[test]
fn a_date_that_was_removed_can_be_set_again_however_often() {
    let mut memory = Memory::new();
    for _ in 0..3 {
        assert_eq!(memory.set_dates(Some(date(1)), None).outcome, OutcomeName::KeyDateCreated);
        assert_eq!(memory.set_dates(None, None).outcome, OutcomeName::KeyDateDeleted);
        assert_eq!(memory.key_dates, []);
    }
}

#[test]
fn a_dry_run_has_the_same_plan_under_another_name() {
    use OutcomeName as O;
    let rows = with(&[(10, 1, 1)]).key_dates;
    for (start, handover, name, dry) in [
        (Some(1), Some(2), O::KeyDateCreated, O::DryRunKeyDateCreated),
        (Some(2), None, O::KeyDateUpdated, O::DryRunKeyDateUpdated),
        (None, None, O::KeyDateDeleted, O::DryRunKeyDateDeleted),
        (Some(1), None, O::NoKeyDateChange, O::DryRunNoKeyDateChange),
    ] {
        let dates = HandoverDates { start: start.map(date), handover: handover.map(date) };
        let real = handover::plan(4, &rows, TYPES, dates, false);
        let dry_run = handover::plan(4, &rows, TYPES, dates, true);
        assert_eq!((real.outcome, dry_run.outcome), (name, dry));
        assert_eq!(real.changes, dry_run.changes);
    }
}

#[test]
fn the_existing_dates_are_reported() {
    let plan = with(&[(10, 1, 1), (11, 2, 2)]).set_dates(None, Some(date(5)));
    assert_eq!(plan.properties["existingPOM1"], "2026-09-01");
    assert_eq!(plan.properties["existingPOM2"], "2026-09-02");
    assert!(with(&[]).set_dates(None, None).properties.is_empty());
}

#[test]
fn only_what_differs_is_written() {
    let plan = with(&[(10, 1, 1)]).set_dates(Some(date(2)), None);
    let Change::Update { before: WrittenRow::KeyDate(before), .. } = &plan.changes[0] else { panic!() };
    assert_eq!((before.id, before.version), (Some(10), 3));
    let columns: Vec<_> = plan.changes[0].columns().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(columns, ["key_date"]);
}
