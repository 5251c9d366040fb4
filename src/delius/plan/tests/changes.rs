//! Row changes as the gateway reads them: table, key, version, action, and the columns with their values.

use chrono::NaiveDate;

use super::{Memory, at};
use crate::{
    case::RowAction,
    delius::{
        engine::Value,
        plan::{
            change::{Change, Field, WrittenRow},
            rows::{ContactRow, KeyDateRow, PomRow, RoRow, RowRef, StaffRow, StaffTeamRow},
        },
    },
};

fn date() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 9, 1).unwrap()
}

fn staff() -> StaffRow {
    StaffRow {
        officer_code: "N03A001".into(),
        forename: "Ada".into(),
        surname: "Byron".into(),
        provider_id: 4,
        start: at(1),
    }
}

fn pom() -> PomRow {
    let mut row = Memory::with_poms("ada@LEI[1,)").person.poms.remove(0);
    row.version = 3;
    row.holder.provider.id = 4;
    row.holder.team.id = 5;
    row.holder.officer.id = RowRef::Existing(6);
    row.id = RowRef::Existing(9);
    row
}

fn officer() -> RoRow {
    RoRow { id: Some(8), version: 2, offender_id: 7, pom: None, com: Some(55), start: at(1), end: None }
}

fn contact() -> ContactRow {
    let notes = "noted".to_owned();
    let officer = RowRef::New;
    ContactRow { offender_id: 7, type_id: 9, at: at(1), notes, provider_id: 4, team_id: 5, officer }
}

fn key_date() -> KeyDateRow {
    KeyDateRow { id: Some(3), version: 1, custody_id: 4, type_id: 2, date: date(), soft_deleted: false }
}

fn rows() -> [WrittenRow; 6] {
    [
        WrittenRow::Staff(staff()),
        WrittenRow::StaffTeam(StaffTeamRow { officer: RowRef::Existing(6), team_id: 5 }),
        WrittenRow::Pom(pom()),
        WrittenRow::Ro(officer()),
        WrittenRow::Contact(contact()),
        WrittenRow::KeyDate(key_date()),
    ]
}

#[test]
fn a_row_names_its_table_its_key_and_if_it_can_be_updated_its_version() {
    let expected = [
        ("staff", Some("staff_id"), None),
        ("staff_team", None, None),
        ("prison_offender_manager", Some("prison_offender_manager_id"), Some((9, 3))),
        ("responsible_officer", Some("responsible_officer_id"), Some((8, 2))),
        ("contact", Some("contact_id"), None),
        ("key_date", Some("key_date_id"), Some((3, 1))),
    ];
    for (row, (table, key, identity)) in rows().iter().zip(expected) {
        assert_eq!(row.table(), table);
        assert_eq!(row.key().map(|(column, _)| column), key, "{table}");
        let sequence = key.map(|column| format!("{column}_seq"));
        assert_eq!(row.key().map(|(_, sequence)| sequence), sequence.as_deref(), "{table}");
        assert_eq!(row.identity(), identity, "{table}");
    }
    for inserted in [
        WrittenRow::Pom(PomRow { id: RowRef::New, ..pom() }),
        WrittenRow::Ro(RoRow { id: None, ..officer() }),
        WrittenRow::KeyDate(KeyDateRow { id: None, ..key_date() }),
    ] {
        assert_eq!(inserted.identity(), None);
    }
}

/// The columns with their values as people read them.
fn shown(row: &WrittenRow) -> String {
    let shown = |field: Field| match field {
        Field::Value(Value::Int(Some(number))) => number.to_string(),
        Field::Value(Value::Text(Some(text))) => text,
        Field::Value(Value::Time(Some(time))) => time.to_string(),
        Field::Value(Value::Int(None)) => "no number".into(),
        Field::Value(Value::Text(None)) => "no text".into(),
        Field::Value(Value::Time(None)) => "no time".into(),
        Field::Day(date) => date.to_string(),
        Field::NewPom => "the new POM".into(),
        Field::NewStaff => "the new staff".into(),
    };
    let columns = row.columns().into_iter().map(|(name, field)| format!("{name}={}", shown(field)));
    columns.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_column_that_is_decided_on_is_written() {
    let expected = [
        "officer_code=N03A001, forename=Ada, surname=Byron, probation_area_id=4, \
         start_date=2026-07-01 09:00:01, private=0",
        "staff_id=6, team_id=5",
        "offender_id=7, allocation_date=2026-07-01 09:00:01, allocation_reason_id=1, allocation_staff_id=6, \
         allocation_team_id=5, probation_area_id=4, end_date=no time, active_flag=1, soft_deleted=0, \
         email_address=no text",
        "offender_id=7, prison_offender_manager_id=no number, offender_manager_id=55, \
         start_date=2026-07-01 09:00:01, end_date=no time",
        "offender_id=7, contact_type_id=9, contact_date=2026-07-01, contact_start_time=2026-07-01 09:00:01, \
         notes=noted, probation_area_id=4, team_id=5, staff_id=the new staff, soft_deleted=0, \
         partition_area_id=0",
        "custody_id=4, key_date_type_id=2, key_date=2026-09-01, soft_deleted=0, partition_area_id=0",
    ];
    for (row, expected) in rows().iter().zip(expected) {
        assert_eq!(shown(row), expected);
    }
    let of = |pom| shown(&WrittenRow::Ro(RoRow { pom: Some(pom), com: None, ..officer() }));
    assert!(of(RowRef::Existing(9)).contains("manager_id=9, offender_manager_id=no number"));
    assert!(of(RowRef::New).contains("manager_id=the new POM, offender_manager_id=no number"));
}

#[test]
fn an_insert_comes_from_nothing_a_delete_ends_in_nothing_and_an_update_shows_what_differs() {
    let row = WrittenRow::Contact(contact());
    let nothing = |field: &Field| {
        matches!(field, Field::Value(Value::Int(None) | Value::Text(None) | Value::Time(None)))
    };
    let inserted = Change::Insert(row.clone()).columns();
    let deleted = Change::Delete(row.clone()).columns();
    assert_eq!((inserted.len(), deleted.len()), (10, 10));
    for ((written, inserted), deleted) in row.columns().into_iter().zip(inserted).zip(deleted) {
        assert!(nothing(&inserted.1) && nothing(&deleted.2), "{inserted:?} {deleted:?}");
        assert_eq!((inserted.0, &inserted.2), (written.0, &written.1));
        assert_eq!((deleted.0, &deleted.1), (written.0, &written.1));
        // A null has the type of its column.
        assert_eq!(inserted.1, deleted.2);
    }
    let typed = Change::Insert(row).columns().into_iter().map(|(_, from, _)| from).collect::<Vec<_>>();
    let (int, text, time) = (Value::Int(None), Value::Text(None), Value::Time(None));
    let types = [&int, &int, &time, &time, &text, &int, &int, &int, &int, &int];
    assert_eq!(typed, types.map(|value| Field::Value(value.clone())));

    let mut after = pom();
    after.set_end(Some(at(5)));
    let update = Change::Update { before: WrittenRow::Pom(pom()), after: WrittenRow::Pom(after) };
    let changed = [
        ("end_date", Field::Value(Value::Time(None)), Field::from(at(5))),
        ("active_flag", Field::from(1), Field::from(0)),
    ];
    assert_eq!(update.columns(), changed);
    assert_eq!(update.row(), &WrittenRow::Pom(pom()));
}

#[test]
fn an_update_that_sets_the_flag_is_a_soft_delete_and_one_that_keeps_or_takes_it_is_none() {
    let action = |before, after| Change::Update { before, after }.action();
    let pom = |soft_deleted| WrittenRow::Pom(PomRow { soft_deleted, ..pom() });
    let date = |soft_deleted| WrittenRow::KeyDate(KeyDateRow { soft_deleted, ..key_date() });
    assert_eq!(action(pom(false), pom(true)), RowAction::SoftDelete);
    assert_eq!(action(date(false), date(true)), RowAction::SoftDelete);
    for (before, after) in [(false, false), (true, true), (true, false)] {
        assert_eq!(action(pom(before), pom(after)), RowAction::Update);
        assert_eq!(action(date(before), date(after)), RowAction::Update);
    }
    let officer = || WrittenRow::Ro(officer());
    assert_eq!(action(officer(), officer()), RowAction::Update, "it has no such flag");
    assert_eq!(Change::Insert(pom(true)).action(), RowAction::Insert);
    assert_eq!(Change::Delete(pom(true)).action(), RowAction::Delete);
}

#[test]
fn a_reference_to_the_new_row_is_settled_by_its_key() {
    assert_eq!(RowRef::Existing(5).settled(Some(7)), Some(5));
    assert_eq!(RowRef::Existing(5).settled(None), Some(5));
    assert_eq!(RowRef::New.settled(Some(7)), Some(7));
    assert_eq!(RowRef::New.settled(None), None);
}

#[test]
fn placeholders_of_a_provider_are_all_nobody_and_rows_of_a_team_with_one_code_are_one_team() {
    let holder = |who| Memory::new().holder(who, at(1)).0;
    let (nobody, ada) = (holder("-@LEI"), holder("ada@LEI"));
    let mut other = nobody.clone();
    other.team.code = "LEIUAT".into();
    other.officer.id = RowRef::Existing(1);
    assert!(nobody.is(&other));
    assert!(!nobody.is(&holder("-@MDI")) && !nobody.is(&ada) && !ada.is(&nobody));
    let mut other = ada.clone();
    other.team.id += 1;
    assert!(ada.is(&other));
    other.team.code = "LEIXXX".into();
    assert!(!ada.is(&other));
}
