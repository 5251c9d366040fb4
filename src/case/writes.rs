//! What a case wants written to Delius, and the outcome: the language between the case, the outbox and the
//! Delius gateway.

use std::{collections::BTreeMap, ops::Not};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Holding, NomsNumber, PrisonCode, provenance::sha256_hex};

/// Who holds a case in prison from some moment on, in the words of Manage POM Cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pom {
    /// Prison of the allocation.
    pub prison: PrisonCode,
    /// NOMIS staff code.
    pub staff_code: i64,
    /// Forename as Manage POM Cases gives it (NOMIS writes it in capitals).
    pub forename: String,
    /// Surname as Manage POM Cases gives it.
    pub surname: String,
    /// E-mail address, when there is one.
    pub email: Option<String>,
}

/// One write to Delius, derived from one case event. Lives in the outbox until it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DeliusWrite {
    /// The POM becomes the prison offender manager at `at`.
    AllocatePom {
        /// Valid time of the allocation: the `occurredAt` of the message.
        at: DateTime<Utc>,
        /// The new prison offender manager.
        pom: Pom,
        /// The answer fetched for the message already named another present holder: within the same second the
        /// write comes before those that are not overtaken.
        #[serde(default, skip_serializing_if = "Not::not")]
        overtaken: bool,
    },
    /// Nobody is the prison offender manager from `at` on: the unallocated placeholder takes over.
    DeallocatePom {
        /// Valid time of the deallocation.
        at: DateTime<Utc>,
        /// As for an allocation.
        #[serde(default, skip_serializing_if = "Not::not")]
        overtaken: bool,
    },
    /// The two handover key dates of the live custody become these; `None` removes the date.
    SetHandoverDates {
        /// `POM2`.
        handover_date: Option<NaiveDate>,
        /// `POM1`.
        handover_start_date: Option<NaiveDate>,
        /// Plan by the same code and write nothing.
        dry_run: bool,
    },
}

impl DeliusWrite {
    /// From when the case is held as written; `None` for handover dates.
    pub fn held_from(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::AllocatePom { at, .. } | Self::DeallocatePom { at, .. } => Some(*at),
            Self::SetHandoverDates { .. } => None,
        }
    }

    /// The POM whom a case is allocated to.
    pub fn pom(&self) -> Option<&Pom> {
        match self {
            Self::AllocatePom { pom, .. } => Some(pom),
            Self::DeallocatePom { .. } | Self::SetHandoverDates { .. } => None,
        }
    }

    /// The holding that is written; `None` for handover dates.
    pub fn holding(&self) -> Option<Holding> {
        match self {
            Self::AllocatePom { at, pom, overtaken } => {
                Some(Holding { at: *at, pom: Some(pom.clone()), overtaken: *overtaken })
            }
            Self::DeallocatePom { at, overtaken } => {
                Some(Holding { at: *at, pom: None, overtaken: *overtaken })
            }
            Self::SetHandoverDates { .. } => None,
        }
    }

    /// Whether both write the same holding, wherever they stand in their second.
    pub fn is_same_holding(&self, other: &Self) -> bool {
        let said = |write: &Self| write.holding().map(|holding| (holding.at, holding.pom));
        said(self).is_some() && said(self) == said(other)
    }

    /// SHA-256 of what is to be written, as hexadecimal digits: part of the identity of a write.
    ///
    /// Architecture invariant: it never changes for a write of an older version. A member that is added later must not be
    /// serialized while it has the value that older writes imply.
    pub fn hash(&self) -> String {
        // Serializing a plain structure does not fail.
        sha256_hex(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// A write with its address: what the relay hands to the Delius gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressedWrite {
    /// Stable identity of the write: the ledger in Delius is keyed by it, so that it is applied once.
    pub id: Uuid,
    /// Whose case.
    pub noms: NomsNumber,
    /// What to write.
    pub write: DeliusWrite,
}

/// Name of what became of a write. The names are a contract with telemetry queries and with the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it; the contract on them is in the README")]
pub enum OutcomeName {
    PomAllocated,
    PomDeallocated,
    NoPomChange,
    KeyDateCreated,
    KeyDateUpdated,
    KeyDateDeleted,
    NoKeyDateChange,
    DryRunKeyDateCreated,
    DryRunKeyDateUpdated,
    DryRunKeyDateDeleted,
    DryRunNoKeyDateChange,
    PersonNotFound,
    DuplicatePerson,
    NoActiveCustodialSentence,
    MultipleActiveCustodialSentences,
    UnknownPrison,
    UnknownTeam,
    StaffCodesExhausted,
}

impl OutcomeName {
    /// Whether the write was refused: Delius cannot take it as things stand, and trying again changes nothing.
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::PersonNotFound
                | Self::DuplicatePerson
                | Self::NoActiveCustodialSentence
                | Self::MultipleActiveCustodialSentences
                | Self::UnknownPrison
                | Self::UnknownTeam
                | Self::StaffCodesExhausted
        )
    }

    /// Whether it was refused because of who has the NOMS number in Delius, which a change of identity can cure.
    pub fn is_about_person(self) -> bool {
        matches!(self, Self::PersonNotFound | Self::DuplicatePerson)
    }

    /// Whether it only says what a write would have done.
    pub fn is_dry_run(self) -> bool {
        self.as_str().starts_with("DryRun")
    }

    /// The name as telemetry and history print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PomAllocated => "PomAllocated",
            Self::PomDeallocated => "PomDeallocated",
            Self::NoPomChange => "NoPomChange",
            Self::KeyDateCreated => "KeyDateCreated",
            Self::KeyDateUpdated => "KeyDateUpdated",
            Self::KeyDateDeleted => "KeyDateDeleted",
            Self::NoKeyDateChange => "NoKeyDateChange",
            Self::DryRunKeyDateCreated => "DryRunKeyDateCreated",
            Self::DryRunKeyDateUpdated => "DryRunKeyDateUpdated",
            Self::DryRunKeyDateDeleted => "DryRunKeyDateDeleted",
            Self::DryRunNoKeyDateChange => "DryRunNoKeyDateChange",
            Self::PersonNotFound => "PersonNotFound",
            Self::DuplicatePerson => "DuplicatePerson",
            Self::NoActiveCustodialSentence => "NoActiveCustodialSentence",
            Self::MultipleActiveCustodialSentences => "MultipleActiveCustodialSentences",
            Self::UnknownPrison => "UnknownPrison",
            Self::UnknownTeam => "UnknownTeam",
            Self::StaffCodesExhausted => "StaffCodesExhausted",
        }
    }
}

/// One row that a write touched in Delius.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowChange {
    /// Delius table.
    pub table: String,
    /// Primary key of the row (`staff_id/team_id` for a membership), as text.
    pub row_id: String,
    /// `insert`, `update`, `softDelete` (by a flag) or `delete` (the row is gone).
    pub action: RowAction,
    /// `row_version` after the change.
    pub row_version: i64,
    /// Column → value before and after, for the columns that changed (all written columns for an insert).
    pub columns: BTreeMap<String, ColumnChange>,
}

/// What was done to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum RowAction {
    Insert,
    Update,
    SoftDelete,
    Delete,
}

/// A column's value before and after a change, as text; `None` is SQL NULL (or no row).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ColumnChange {
    pub from: Option<String>,
    pub to: Option<String>,
}

/// What became of a write: recorded in the ledger of Delius in the same transaction as the rows, and then as an
/// event of the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteOutcome {
    /// Its name.
    pub name: OutcomeName,
    /// When it was applied (Delius transaction time, UTC).
    pub applied_at: DateTime<Utc>,
    /// The rows touched, in the order in which they were written; empty when nothing changed.
    pub changes: Vec<RowChange>,
    /// Telemetry properties: `nomsId`, `prisonId`, `allocationDate` (`dd/MM/yyyy HH:mm:ss`, Europe/London),
    /// `handoverDate`, `handoverStartDate`, `existingPOM1`, `existingPOM2`, `staffId`, `emailAddress`, where they apply.
    pub properties: BTreeMap<String, String>,
}

impl WriteOutcome {
    /// Property with the `staff_id` of the member of staff whom an allocation was written to.
    const STAFF_ID: &str = "staffId";

    /// `staff_id` of the member of staff whom an allocation was written to, or had been before.
    pub fn staff_id(&self) -> Option<i64> {
        self.properties.get(Self::STAFF_ID)?.parse().ok()
    }

    pub(crate) fn set_staff_id(&mut self, id: Option<i64>) {
        self.properties.extend(id.map(|id| (Self::STAFF_ID.to_owned(), id.to_string())));
    }
}
