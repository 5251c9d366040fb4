//! The flat row that the one query returns per person.

use chrono::NaiveDate;

use crate::delius::engine::{EngineFailure, Row};

/// One person as Delius holds it, ids resolved to codes and descriptions, nothing decided yet. Texts are without
/// padding, and null where nothing else is in them.
#[derive(Debug, Clone, Default)]
pub(super) struct FactsRow {
    pub(super) crn: String,
    pub(super) noms_number: Option<String>,
    pub(super) noms_shared: bool,
    pub(super) tier_code: Option<String>,
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

impl FactsRow {
    pub(super) fn of(row: &Row) -> Result<Self, EngineFailure> {
        Ok(Self {
            crn: row.text("crn")?.trim_end().to_owned(),
            noms_number: row.code("noms_number")?,
            noms_shared: row.flag("noms_sharers")?,
            tier_code: row.code("tier_code")?,
            tier_description: row.code("tier_description")?,
            decision_code: row.code("decision_code")?,
            officer_code: row.code("officer_code")?,
            forename: row.code("forename")?,
            middle_name: row.code("middle_name")?,
            surname: row.code("surname")?,
            user_name: row.code("user_name")?,
            team_code: row.code("team_code")?,
            team_description: row.code("team_description")?,
            unit_code: row.code("unit_code")?,
            unit_description: row.code("unit_description")?,
            mappa_start: row.date_or_null("mappa_start")?,
            mappa_review: row.date_or_null("mappa_review")?,
            mappa_level_code: row.code("mappa_level_code")?,
            mappa_level_description: row.code("mappa_level_description")?,
            mappa_category_code: row.code("mappa_category_code")?,
            mappa_category_description: row.code("mappa_category_description")?,
            vlo_assigned: row.flag("vlo_registrations")?,
            rosh_code: row.code("rosh_code")?,
            rosh_start: row.date_or_null("rosh_start")?,
        })
    }
}
