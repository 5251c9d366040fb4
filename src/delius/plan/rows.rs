//! The rows of Delius that planning reads and changes.

use chrono::{NaiveDate, NaiveDateTime};

/// A prison's provider (`probation_area`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) id: i64,
    pub(crate) code: String,
    pub(crate) description: String,
    /// Code of its prison, when it is one.
    pub(crate) prison: Option<String>,
}

/// A team of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TeamRow {
    pub(crate) id: i64,
    pub(crate) code: String,
    pub(crate) description: String,
}

/// A row that exists, or the one that this plan inserts (a plan inserts at most one POM and one member of staff).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RowRef {
    Existing(i64),
    New,
}

impl RowRef {
    /// The key of the row, given that of the row that was inserted.
    pub(crate) fn settled(self, inserted: Option<i64>) -> Option<i64> {
        match self {
            Self::Existing(id) => Some(id),
            Self::New => inserted,
        }
    }
}

/// A member of staff, named as Delius names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Officer {
    pub(crate) id: RowRef,
    pub(crate) forename: String,
    pub(crate) surname: String,
}

/// Who holds a case: a member of staff in a team of a provider, or nobody (the unallocated placeholder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliusHolder {
    pub(crate) provider: Provider,
    pub(crate) team: TeamRow,
    pub(crate) officer: Officer,
    pub(crate) placeholder: bool,
}

impl DeliusHolder {
    /// Same provider, team and member of staff.
    ///
    /// Teams are compared by code, because a code can be held by several rows; and a placeholder is nobody, whichever
    /// of its rows was taken.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.provider.id == other.provider.id
            && match (self.placeholder, other.placeholder) {
                (true, true) => true,
                _ => (&self.team.code, self.officer.id) == (&other.team.code, other.officer.id),
            }
    }
}

/// A row of a reference list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransferReason {
    pub(crate) id: i64,
    pub(crate) description: String,
}

/// `prison_offender_manager`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PomRow {
    pub(crate) id: RowRef,
    pub(crate) version: i64,
    pub(crate) offender_id: i64,
    pub(crate) start: NaiveDateTime,
    pub(crate) end: Option<NaiveDateTime>,
    pub(crate) holder: DeliusHolder,
    pub(crate) reason: TransferReason,
    pub(crate) email: Option<String>,
    pub(crate) active: bool,
    pub(crate) soft_deleted: bool,
}

impl PomRow {
    /// Whether the row holds the case at an instant. A row of no length never does.
    pub(crate) fn covers(&self, at: NaiveDateTime) -> bool {
        self.start <= at && self.end.is_none_or(|end| end > at)
    }

    /// Moves the end; a row is active for as long as it has none.
    pub(crate) fn set_end(&mut self, end: Option<NaiveDateTime>) {
        self.end = end;
        self.active = end.is_none();
    }
}

/// `responsible_officer`: who is responsible for a case, a prison or a community offender manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoRow {
    /// `None` until it is inserted.
    pub(crate) id: Option<i64>,
    pub(crate) version: i64,
    pub(crate) offender_id: i64,
    pub(crate) pom: Option<RowRef>,
    pub(crate) com: Option<i64>,
    pub(crate) start: NaiveDateTime,
    pub(crate) end: Option<NaiveDateTime>,
}

impl RoRow {
    pub(crate) fn covers(&self, at: NaiveDateTime) -> bool {
        self.start <= at && self.end.is_none_or(|end| end > at)
    }
}

/// `contact`: an entry in the person's log. Only inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContactRow {
    pub(crate) offender_id: i64,
    pub(crate) type_id: i64,
    pub(crate) at: NaiveDateTime,
    pub(crate) notes: String,
    pub(crate) provider_id: i64,
    pub(crate) team_id: i64,
    pub(crate) officer: RowRef,
}

/// `key_date`: a date of a custody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyDateRow {
    /// `None` until it is inserted.
    pub(crate) id: Option<i64>,
    pub(crate) version: i64,
    pub(crate) custody_id: i64,
    pub(crate) type_id: i64,
    pub(crate) date: NaiveDate,
    pub(crate) soft_deleted: bool,
}

/// `staff`, as this service creates it. Only inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaffRow {
    pub(crate) officer_code: String,
    pub(crate) forename: String,
    pub(crate) surname: String,
    pub(crate) provider_id: i64,
    pub(crate) start: NaiveDateTime,
}

/// `staff_team`: a membership. Only inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaffTeamRow {
    pub(crate) officer: RowRef,
    pub(crate) team_id: i64,
}
