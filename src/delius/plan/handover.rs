//! The two handover key dates of the live custody.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    change::{Change, Plan, Row},
    rows::KeyDateRow,
};
use crate::case::OutcomeName;

/// Key-date types of the handover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandoverDateTypes {
    /// `POM1`: the handover start date.
    pub(crate) start: i64,
    /// `POM2`: the handover date.
    pub(crate) handover: i64,
}

/// The dates as Manage POM Cases gives them; `None` removes what Delius holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandoverDates {
    pub(crate) start: Option<NaiveDate>,
    pub(crate) handover: Option<NaiveDate>,
}

/// What became of one date, the strongest last: the case's result is the stronger of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    None,
    Deleted,
    Updated,
    Created,
}

/// Plans the dates against the key dates of the custody. A dry run has the same plan under another name.
pub(crate) fn plan(
    custody_id: i64,
    rows: &[KeyDateRow],
    types: HandoverDateTypes,
    dates: HandoverDates,
    dry_run: bool,
) -> Plan {
    let mut changes = Vec::new();
    let mut properties = BTreeMap::new();
    let mut effect = Effect::None;
    for (type_id, date, existing) in
        [(types.start, dates.start, "existingPOM1"), (types.handover, dates.handover, "existingPOM2")]
    {
        let mut live: Vec<&KeyDateRow> =
            rows.iter().filter(|row| row.type_id == type_id && !row.soft_deleted).collect();
        live.sort_by_key(|row| row.id);
        effect = effect.max(plan_one(custody_id, type_id, &live, date, &mut changes));
        properties.extend(live.first().map(|row| (existing.to_owned(), row.date.to_string())));
    }
    Plan { outcome: name(effect, dry_run), changes, properties }
}

/// Delius should hold at most one live date of a type. Should it hold more, the oldest row is the date, and a change
/// leaves that row alone live.
fn plan_one(
    custody_id: i64,
    type_id: i64,
    live: &[&KeyDateRow],
    date: Option<NaiveDate>,
    changes: &mut Vec<Change>,
) -> Effect {
    let mut update = |before: &KeyDateRow, after: KeyDateRow| {
        changes.push(Change::Update { before: Row::KeyDate(before.clone()), after: Row::KeyDate(after) });
    };
    let deleted = |row: &KeyDateRow| KeyDateRow { soft_deleted: true, ..row.clone() };
    match (live, date) {
        ([], None) => Effect::None,
        ([row, ..], Some(date)) if row.date == date => Effect::None,
        ([], Some(date)) => {
            let row = KeyDateRow { id: None, version: 0, custody_id, type_id, date, soft_deleted: false };
            changes.push(Change::Insert(Row::KeyDate(row)));
            Effect::Created
        }
        ([row, others @ ..], Some(date)) => {
            update(row, KeyDateRow { date, ..(*row).clone() });
            others.iter().for_each(|other| update(other, deleted(other)));
            Effect::Updated
        }
        (rows, None) => {
            rows.iter().for_each(|row| update(row, deleted(row)));
            Effect::Deleted
        }
    }
}

fn name(effect: Effect, dry_run: bool) -> OutcomeName {
    match (effect, dry_run) {
        (Effect::Created, false) => OutcomeName::KeyDateCreated,
        (Effect::Updated, false) => OutcomeName::KeyDateUpdated,
        (Effect::Deleted, false) => OutcomeName::KeyDateDeleted,
        (Effect::None, false) => OutcomeName::NoKeyDateChange,
        (Effect::Created, true) => OutcomeName::DryRunKeyDateCreated,
        (Effect::Updated, true) => OutcomeName::DryRunKeyDateUpdated,
        (Effect::Deleted, true) => OutcomeName::DryRunKeyDateDeleted,
        (Effect::None, true) => OutcomeName::DryRunNoKeyDateChange,
    }
}
