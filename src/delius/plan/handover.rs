//! The two handover key dates of the live custody.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    change::{Change, Plan, WrittenRow},
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

/// The effect on one date, the strongest last: the case's result is the stronger of the two.
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
        let mut of_type: Vec<&KeyDateRow> = rows.iter().filter(|row| row.type_id == type_id).collect();
        of_type.sort_by_key(|row| row.id);
        effect = effect.max(plan_one(custody_id, type_id, &of_type, date, &mut changes));
        let live = of_type.iter().find(|row| !row.soft_deleted);
        properties.extend(live.map(|row| (existing.to_owned(), row.date.to_string())));
    }
    Plan { outcome: name(effect, dry_run), changes, properties, officer: None }
}

/// Delius should hold at most one live date of a type. Should it hold more, the oldest row is the date, and a change
/// leaves one row live.
///
/// A date that a row of the type holds already, live or soft-deleted, cannot be written to another row: that row is
/// taken, and revived if need be. Rows that lose their date are deleted physically, because soft-deleted they would
/// keep it.
fn plan_one(
    custody_id: i64,
    type_id: i64,
    of_type: &[&KeyDateRow],
    date: Option<NaiveDate>,
    changes: &mut Vec<Change>,
) -> Effect {
    let live: Vec<&KeyDateRow> = of_type.iter().copied().filter(|row| !row.soft_deleted).collect();
    let oldest = live.first();
    let Some(date) = date else {
        changes.extend(live.iter().map(|row| delete(row)));
        return if live.is_empty() { Effect::None } else { Effect::Deleted };
    };
    if oldest.is_some_and(|row| row.date == date) {
        return Effect::None;
    }
    let holds_it = |rows: &[&KeyDateRow]| rows.iter().copied().find(|row| row.date == date).cloned();
    let kept = holds_it(&live).or_else(|| holds_it(of_type)).or_else(|| oldest.map(|row| (*row).clone()));
    // Deletes come first: the date that a row gets may be that of a row which goes.
    changes.extend(
        live.iter().filter(|row| kept.as_ref().is_none_or(|kept| kept.id != row.id)).map(|row| delete(row)),
    );
    match kept {
        Some(before) => {
            let after = KeyDateRow { date, soft_deleted: false, ..before.clone() };
            if after != before {
                changes.push(Change::Update {
                    before: WrittenRow::KeyDate(before),
                    after: WrittenRow::KeyDate(after),
                });
            }
        }
        None => {
            let row = KeyDateRow { id: None, version: 0, custody_id, type_id, date, soft_deleted: false };
            changes.push(Change::Insert(WrittenRow::KeyDate(row)));
        }
    }
    if live.is_empty() { Effect::Created } else { Effect::Updated }
}

fn delete(row: &KeyDateRow) -> Change {
    Change::Delete(WrittenRow::KeyDate(row.clone()))
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
