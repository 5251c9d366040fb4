//! The case record as Manage POM Cases reads it, with the field names of that contract.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::case::{Crn, NomsNumber};

/// What Manage POM Cases needs to know of a probation case. Absent values are present as `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseRecord {
    /// Probation identifier.
    #[schema(value_type = String, example = "X123456")]
    pub crn: Crn,
    /// Prison identifier; null while the case is not linked to a prisoner.
    #[schema(value_type = Option<String>, required, example = "A1234BC")]
    pub noms_id: Option<NomsNumber>,
    /// The current tier; null when Delius has none, or one that is no tier.
    #[schema(required, example = "B2")]
    pub current_tier: Option<String>,
    /// How the case is resourced, by its latest allocation decision.
    #[schema(required)]
    pub resourcing: Option<Resourcing>,
    /// The community offender manager.
    #[schema(required)]
    pub manager: Option<Manager>,
    /// MAPPA level 0 to 3; 0 also without a MAPPA registration.
    #[schema(minimum = 0, maximum = 3, example = 2)]
    pub mappa_level: u8,
    /// Whether a victim liaison officer is involved.
    pub vlo_assigned: bool,
    /// Risk of serious harm.
    #[schema(required)]
    pub rosh: Option<Rosh>,
}

/// How a case is resourced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resourcing {
    /// Allocation decision `R`, retained.
    Enhanced,
    /// Allocation decision `A`.
    Normal,
}

/// The community offender manager (COM). While the case is unallocated there is a team but no person: `code`,
/// `name` and `email` are null, so that nobody takes the placeholder for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manager {
    /// Officer code.
    #[schema(required, example = "N07A007")]
    pub code: Option<String>,
    /// Name.
    #[schema(required)]
    pub name: Option<Name>,
    /// E-mail address from the staff directory, when it is known there.
    #[schema(required, example = "ada.byron@example.org")]
    pub email: Option<String>,
    /// Team of the allocation.
    pub team: Team,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// Forename and middle name.
    #[schema(example = "Ada Mary")]
    pub forename: String,
    /// Always null: the middle name is part of `forename`.
    #[schema(required)]
    pub middle_name: Option<String>,
    /// Surname.
    #[schema(example = "Byron")]
    pub surname: String,
}

/// A probation team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// Team code.
    #[schema(example = "N07T01")]
    pub code: String,
    /// Description.
    #[schema(example = "Team one")]
    pub description: String,
    /// Local delivery unit that the team belongs to.
    #[schema(required)]
    pub local_delivery_unit: Option<LocalDeliveryUnit>,
}

/// A local delivery unit (a *district* in Delius).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalDeliveryUnit {
    /// Code.
    #[schema(example = "N07LDU1")]
    pub code: String,
    /// Description.
    #[schema(example = "LDU one")]
    pub description: String,
}

/// Risk of serious harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rosh {
    /// Level.
    pub level: RoshLevel,
    /// Since when.
    pub start_date: NaiveDate,
}

/// Level of the risk of serious harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names say it")]
pub enum RoshLevel {
    Low,
    Medium,
    High,
    VeryHigh,
}

/// The latest live MAPPA registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mappa {
    /// Level 0 to 3 (an unknown level is 0); null when the registration has none.
    #[schema(required, minimum = 0, maximum = 3, example = 2)]
    pub level: Option<u8>,
    /// Description of the level.
    #[schema(required, example = "MAPPA Level 2")]
    pub level_description: Option<String>,
    /// Category 0 to 4 (an unknown category is 0); null when the registration has none.
    #[schema(required, minimum = 0, maximum = 4, example = 1)]
    pub category: Option<u8>,
    /// Description of the category.
    #[schema(required, example = "MAPPA Category 1")]
    pub category_description: Option<String>,
    /// Since when.
    pub start_date: NaiveDate,
    /// When it is to be reviewed.
    #[schema(required)]
    pub review_date: Option<NaiveDate>,
}

/// All that one round trip to Delius says of a person: the record, the MAPPA registration behind its level, and
/// what is needed to complete and to guard the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseFacts {
    /// The record. Its e-mail address is null here: Delius does not hold it.
    pub record: CaseRecord,
    /// The latest live MAPPA registration.
    pub mappa: Option<Mappa>,
    /// User name of the community offender manager, the key to the staff directory.
    pub manager_user: Option<String>,
    /// Another live person in Delius has the same NOMS number, so the number does not say who is meant.
    pub noms_shared: bool,
}

impl CaseFacts {
    /// Sets the manager's e-mail address. A case without a named manager stays without one.
    pub fn with_email(mut self, email: Option<String>) -> Self {
        if let Some(manager) = self.record.manager.as_mut().filter(|it| it.name.is_some()) {
            manager.email = email;
        }
        self
    }
}
