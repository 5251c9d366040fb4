//! Row changes as data: what a plan is made of, and what the adapter executes without thinking.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};

use super::rows::{ContactRow, KeyDateRow, PomRow, RoRow, RowRef, StaffRow, StaffTeamRow};
use crate::case::{OutcomeName, RowAction};

/// What a write comes to: the changes to make, in order, and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) outcome: OutcomeName,
    pub(crate) changes: Vec<Change>,
    /// Telemetry properties that only the rows can tell.
    pub(crate) properties: BTreeMap<String, String>,
}

/// One row to insert or to update. A row is updated at most once in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a plan has a handful of them and lives for one write")]
pub(crate) enum Change {
    Insert(Row),
    Update { before: Row, after: Row },
}

impl Change {
    pub(crate) fn action(&self) -> RowAction {
        match self {
            Self::Insert(_) => RowAction::Insert,
            Self::Update { before, after } if !before.soft_deleted() && after.soft_deleted() => {
                RowAction::SoftDelete
            }
            Self::Update { .. } => RowAction::Update,
        }
    }

    /// The columns to write, with the value before and after: all of them for an insert, those that differ for an
    /// update.
    pub(crate) fn columns(&self) -> Vec<(&'static str, Value, Value)> {
        match self {
            Self::Insert(row) => {
                row.columns().into_iter().map(|(name, to)| (name, Value::Null, to)).collect()
            }
            Self::Update { before, after } => before
                .columns()
                .into_iter()
                .zip(after.columns())
                .filter(|((_, from), (_, to))| from != to)
                .map(|((name, from), (_, to))| (name, from, to))
                .collect(),
        }
    }
}

/// A row of any table that this service writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a plan has a handful of them and lives for one write")]
pub(crate) enum Row {
    Staff(StaffRow),
    StaffTeam(StaffTeamRow),
    Pom(PomRow),
    Ro(RoRow),
    Contact(ContactRow),
    KeyDate(KeyDateRow),
}

/// A column's value; `NewPom` and `NewStaff` become the ids that their inserts return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Id(i64),
    Flag(bool),
    Text(String),
    Time(NaiveDateTime),
    Date(NaiveDate),
    NewPom,
    NewStaff,
}

fn staff(officer: RowRef) -> Value {
    match officer {
        RowRef::Existing(id) => Value::Id(id),
        RowRef::New => Value::NewStaff,
    }
}

fn or_null<T>(value: Option<T>, wrap: impl FnOnce(T) -> Value) -> Value {
    value.map_or(Value::Null, wrap)
}

impl Row {
    /// Table, and the column of its primary key (a membership has none of its own).
    pub(crate) fn table(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Staff(_) => ("staff", Some("staff_id")),
            Self::StaffTeam(_) => ("staff_team", None),
            Self::Pom(_) => ("prison_offender_manager", Some("prison_offender_manager_id")),
            Self::Ro(_) => ("responsible_officer", Some("responsible_officer_id")),
            Self::Contact(_) => ("contact", Some("contact_id")),
            Self::KeyDate(_) => ("key_date", Some("key_date_id")),
        }
    }

    /// Primary key and version of a row that exists and can be updated.
    pub(crate) fn identity(&self) -> Option<(i64, i64)> {
        match self {
            Self::Pom(PomRow { id: RowRef::Existing(id), version, .. })
            | Self::Ro(RoRow { id: Some(id), version, .. })
            | Self::KeyDate(KeyDateRow { id: Some(id), version, .. }) => Some((*id, *version)),
            _ => None,
        }
    }

    fn soft_deleted(&self) -> bool {
        match self {
            Self::Pom(row) => row.soft_deleted,
            Self::KeyDate(row) => row.soft_deleted,
            _ => false,
        }
    }

    /// The columns of the table that this service decides on; the audit columns are the adapter's.
    pub(crate) fn columns(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Staff(row) => vec![
                ("officer_code", Value::Text(row.officer_code.clone())),
                ("forename", Value::Text(row.forename.clone())),
                ("surname", Value::Text(row.surname.clone())),
                ("probation_area_id", Value::Id(row.provider_id)),
                ("start_date", Value::Time(row.start)),
                ("private", Value::Flag(false)),
            ],
            Self::StaffTeam(row) => {
                vec![("staff_id", staff(row.officer)), ("team_id", Value::Id(row.team_id))]
            }
            Self::Pom(row) => vec![
                ("offender_id", Value::Id(row.offender_id)),
                ("allocation_date", Value::Time(row.start)),
                ("allocation_reason_id", Value::Id(row.reason.id)),
                ("allocation_staff_id", staff(row.holder.officer.id)),
                ("allocation_team_id", Value::Id(row.holder.team.id)),
                ("probation_area_id", Value::Id(row.holder.provider.id)),
                ("end_date", or_null(row.end, Value::Time)),
                ("active_flag", Value::Flag(row.active)),
                ("soft_deleted", Value::Flag(row.soft_deleted)),
                ("email_address", or_null(row.email.clone(), Value::Text)),
            ],
            Self::Ro(row) => vec![
                ("offender_id", Value::Id(row.offender_id)),
                (
                    "prison_offender_manager_id",
                    or_null(row.pom, |pom| match pom {
                        RowRef::Existing(id) => Value::Id(id),
                        RowRef::New => Value::NewPom,
                    }),
                ),
                ("offender_manager_id", or_null(row.com, Value::Id)),
                ("start_date", Value::Time(row.start)),
                ("end_date", or_null(row.end, Value::Time)),
            ],
            Self::Contact(row) => vec![
                ("offender_id", Value::Id(row.offender_id)),
                ("contact_type_id", Value::Id(row.type_id)),
                ("contact_date", Value::Date(row.at.date())),
                ("contact_start_time", Value::Time(row.at)),
                ("notes", Value::Text(row.notes.clone())),
                ("probation_area_id", Value::Id(row.provider_id)),
                ("team_id", Value::Id(row.team_id)),
                ("staff_id", staff(row.officer)),
                ("soft_deleted", Value::Flag(false)),
                ("partition_area_id", Value::Id(0)),
            ],
            Self::KeyDate(row) => vec![
                ("custody_id", Value::Id(row.custody_id)),
                ("key_date_type_id", Value::Id(row.type_id)),
                ("key_date", Value::Date(row.date)),
                ("soft_deleted", Value::Flag(row.soft_deleted)),
                ("partition_area_id", Value::Id(0)),
            ],
        }
    }
}
