//! Row changes as data: what a plan is made of, and what the adapter executes without thinking.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::rows::{ContactRow, KeyDateRow, PomRow, RoRow, RowRef, StaffRow, StaffTeamRow};
use crate::{
    case::{OutcomeName, RowAction},
    delius::engine::Value,
};

/// A planned write: the changes to make, in order, and the name of the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) outcome: OutcomeName,
    pub(crate) changes: Vec<Change>,
    /// Telemetry properties that come from the rows.
    pub(crate) properties: BTreeMap<String, String>,
    /// The member of staff whom the write allocates.
    pub(crate) officer: Option<RowRef>,
}

/// One row to insert, update or delete. A row is changed at most once in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a plan has a handful of them and lives for one write")]
pub(crate) enum Change {
    Insert(WrittenRow),
    Update {
        before: WrittenRow,
        after: WrittenRow,
    },
    /// Physically, and not by a flag.
    Delete(WrittenRow),
}

impl Change {
    pub(crate) fn action(&self) -> RowAction {
        match self {
            Self::Insert(_) => RowAction::Insert,
            Self::Update { before, after } if !before.soft_deleted() && after.soft_deleted() => {
                RowAction::SoftDelete
            }
            Self::Update { .. } => RowAction::Update,
            Self::Delete(_) => RowAction::Delete,
        }
    }

    /// The row as it was before or, for an insert, as it becomes.
    pub(crate) fn row(&self) -> &WrittenRow {
        match self {
            Self::Insert(row) | Self::Update { before: row, .. } | Self::Delete(row) => row,
        }
    }

    /// The columns with the value before and after: all of them for an insert or a delete, those that differ for an
    /// update.
    pub(crate) fn columns(&self) -> Vec<(&'static str, Field, Field)> {
        match self {
            Self::Insert(row) => row.columns().into_iter().map(|(name, to)| (name, to.null(), to)).collect(),
            Self::Delete(row) => {
                row.columns().into_iter().map(|(name, from)| (name, from.clone(), from.null())).collect()
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
pub(crate) enum WrittenRow {
    Staff(StaffRow),
    StaffTeam(StaffTeamRow),
    Pom(PomRow),
    Ro(RoRow),
    Contact(ContactRow),
    KeyDate(KeyDateRow),
}

/// What a column holds; `NewPom` and `NewStaff` become the keys of the rows that the plan inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Value(Value),
    /// A day. Delius stores it as midnight; people read it without.
    Day(NaiveDate),
    NewPom,
    NewStaff,
}

impl<T: Into<Value>> From<T> for Field {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

impl Field {
    fn flag(flag: bool) -> Self {
        i64::from(flag).into()
    }

    fn null(&self) -> Self {
        match self {
            Self::Value(Value::Text(_)) => Self::Value(Value::Text(None)),
            Self::Value(Value::Time(_)) | Self::Day(_) => Self::Value(Value::Time(None)),
            Self::Value(Value::Int(_)) | Self::NewPom | Self::NewStaff => Self::Value(Value::Int(None)),
        }
    }
}

fn staff(officer: RowRef) -> Field {
    match officer {
        RowRef::Existing(id) => id.into(),
        RowRef::New => Field::NewStaff,
    }
}

impl WrittenRow {
    pub(crate) fn table(&self) -> &'static str {
        match self {
            Self::Staff(_) => "staff",
            Self::StaffTeam(_) => "staff_team",
            Self::Pom(_) => "prison_offender_manager",
            Self::Ro(_) => "responsible_officer",
            Self::Contact(_) => "contact",
            Self::KeyDate(_) => "key_date",
        }
    }

    /// Column of the primary key and the sequence that its values come from; a membership has no key of its own.
    pub(crate) fn key(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Staff(_) => Some(("staff_id", "staff_id_seq")),
            Self::StaffTeam(_) => None,
            Self::Pom(_) => Some(("prison_offender_manager_id", "prison_offender_manager_id_seq")),
            Self::Ro(_) => Some(("responsible_officer_id", "responsible_officer_id_seq")),
            Self::Contact(_) => Some(("contact_id", "contact_id_seq")),
            Self::KeyDate(_) => Some(("key_date_id", "key_date_id_seq")),
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
    pub(crate) fn columns(&self) -> Vec<(&'static str, Field)> {
        match self {
            Self::Staff(row) => vec![
                ("officer_code", row.officer_code.clone().into()),
                ("forename", row.forename.clone().into()),
                ("surname", row.surname.clone().into()),
                ("probation_area_id", row.provider_id.into()),
                ("start_date", row.start.into()),
                ("private", Field::flag(false)),
            ],
            Self::StaffTeam(row) => {
                vec![("staff_id", staff(row.officer)), ("team_id", row.team_id.into())]
            }
            Self::Pom(row) => vec![
                ("offender_id", row.offender_id.into()),
                ("allocation_date", row.start.into()),
                ("allocation_reason_id", row.reason.id.into()),
                ("allocation_staff_id", staff(row.holder.officer.id)),
                ("allocation_team_id", row.holder.team.id.into()),
                ("probation_area_id", row.holder.provider.id.into()),
                ("end_date", Field::Value(Value::Time(row.end))),
                ("active_flag", Field::flag(row.active)),
                ("soft_deleted", Field::flag(row.soft_deleted)),
                ("email_address", Field::Value(Value::Text(row.email.clone()))),
            ],
            Self::Ro(row) => vec![
                ("offender_id", row.offender_id.into()),
                (
                    "prison_offender_manager_id",
                    match row.pom {
                        Some(RowRef::Existing(id)) => id.into(),
                        Some(RowRef::New) => Field::NewPom,
                        None => Field::Value(Value::Int(None)),
                    },
                ),
                ("offender_manager_id", Field::Value(Value::Int(row.com))),
                ("start_date", row.start.into()),
                ("end_date", Field::Value(Value::Time(row.end))),
            ],
            Self::Contact(row) => vec![
                ("offender_id", row.offender_id.into()),
                ("contact_type_id", row.type_id.into()),
                ("contact_date", Field::Day(row.at.date())),
                ("contact_start_time", row.at.into()),
                ("notes", row.notes.clone().into()),
                ("probation_area_id", row.provider_id.into()),
                ("team_id", row.team_id.into()),
                ("staff_id", staff(row.officer)),
                ("soft_deleted", Field::flag(false)),
                ("partition_area_id", 0.into()),
            ],
            Self::KeyDate(row) => vec![
                ("custody_id", row.custody_id.into()),
                ("key_date_type_id", row.type_id.into()),
                ("key_date", Field::Day(row.date)),
                ("soft_deleted", Field::flag(row.soft_deleted)),
                ("partition_area_id", 0.into()),
            ],
        }
    }
}
