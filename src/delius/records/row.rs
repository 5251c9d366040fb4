//! The flat row that the one query returns per person.

use chrono::NaiveDate;

/// One person as Delius holds it, ids resolved to codes and descriptions, nothing decided yet.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub(super) struct FactsRow {
    pub(super) crn: String,
    pub(super) noms_number: Option<String>,
    pub(super) noms_shared: bool,
    pub(super) tier_description: Option<String>,
    pub(super) decision_code: Option<String>,
    pub(super) officer_code: Option<String>,
    pub(super) forename: Option<String>,
    pub(super) middle_name: Option<String>,
    pub(super) surname: Option<String>,
    pub(super) user_name: Option<String>,
    pub(super) team_code: Option<String>,
    pub(super) team_description: Option<String>,
    pub(super) unit_code: Option<String>,
    pub(super) unit_description: Option<String>,
    pub(super) mappa_start: Option<NaiveDate>,
    pub(super) mappa_review: Option<NaiveDate>,
    pub(super) mappa_level_code: Option<String>,
    pub(super) mappa_level_description: Option<String>,
    pub(super) mappa_category_code: Option<String>,
    pub(super) mappa_category_description: Option<String>,
    pub(super) vlo_assigned: bool,
    pub(super) rosh_code: Option<String>,
    pub(super) rosh_start: Option<NaiveDate>,
}
