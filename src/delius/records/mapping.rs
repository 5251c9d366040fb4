//! Row → record: the field rules, as pure functions.

use super::{
    CaseFacts, CaseRecord, LocalDeliveryUnit, Manager, Mappa, Name, Resourcing, Rosh, RoshLevel, Team,
    row::FactsRow,
};
use crate::case::InvalidIdentifier;

/// Turns a row into facts.
///
/// # Errors
/// Only when the row's CRN has not the shape of one.
pub(super) fn facts(row: FactsRow) -> Result<CaseFacts, InvalidIdentifier> {
    let crn = row.crn.parse()?;
    let mappa = mappa(&row);
    let manager = manager(&row);
    let manager_user = manager.as_ref().and_then(|it| it.name.as_ref()).and(text(&row.user_name));
    let noms_id = text(&row.noms_number).and_then(|number| {
        number
            .parse()
            .inspect_err(|error| tracing::warn!(%crn, %error, "the NOMS number in Delius is left out"))
            .ok()
    });
    let record = CaseRecord {
        noms_id,
        current_tier: current_tier(&row),
        resourcing: resourcing(row.decision_code.as_deref()),
        manager,
        mappa_level: mappa.as_ref().and_then(|it| it.level).unwrap_or(0),
        vlo_assigned: row.vlo_assigned,
        rosh: rosh(&row),
        crn,
    };
    Ok(CaseFacts { record, mappa, manager_user, noms_shared: row.noms_shared })
}

fn text(column: &Option<String>) -> Option<String> {
    column.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The tier as Manage POM Cases reads it: it takes the first character and refuses a case whose tier is none.
///
/// `UA1` is described as `A1` and read as it is described. Supervision packages (tier v3) stand in the same column with
/// descriptions in words: of `SPBI` the letter is the tier. Anything else, such as `M` (missing), is no tier.
fn current_tier(row: &FactsRow) -> Option<String> {
    let code = text(&row.tier_code)?;
    let tier_letter = |code: &str| code.chars().next().filter(|letter| ('A'..='G').contains(letter));
    let number_follows = |code: &str| code.chars().nth(1).is_some_and(|digit| digit.is_ascii_digit());
    let lettered = code.strip_prefix('U').unwrap_or(&code);
    if let Some(letter) = code.strip_prefix("SP").and_then(tier_letter) {
        return Some(letter.to_string());
    }
    if tier_letter(lettered).is_some() && number_follows(lettered) {
        return text(&row.tier_description);
    }
    tracing::warn!(crn = %row.crn, code, "the tier code in Delius is no tier; the record has none");
    metrics::counter!("delius_unknown_tiers_total").increment(1);
    None
}

fn resourcing(decision: Option<&str>) -> Option<Resourcing> {
    match decision.map(str::trim) {
        Some("R") => Some(Resourcing::Enhanced),
        Some("A") => Some(Resourcing::Normal),
        _ => None,
    }
}

/// A manager who belongs to no team of ours cannot be shown in the contract's form; the record is served without one.
fn manager(row: &FactsRow) -> Option<Manager> {
    let team = Team {
        code: text(&row.team_code)?,
        description: text(&row.team_description).unwrap_or_default(),
        local_delivery_unit: text(&row.unit_code).map(|code| LocalDeliveryUnit {
            code,
            description: text(&row.unit_description).unwrap_or_default(),
        }),
    };
    let code = text(&row.officer_code);
    // A code that ends in U belongs to the placeholder of an unallocated case, not to a person.
    let unallocated = code.as_ref().is_some_and(|code| code.ends_with(['U', 'u']));
    let name = name(row).filter(|_| !unallocated);
    Some(Manager { code: code.filter(|_| !unallocated), name, email: None, team })
}

/// The middle name stands in `forename`, as the live service gives it: Manage POM Cases drops `middleName`.
fn name(row: &FactsRow) -> Option<Name> {
    let surname = text(&row.surname)?;
    let forenames = [text(&row.forename), text(&row.middle_name)];
    let forename = forenames.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Some(Name { forename, middle_name: None, surname })
}

fn mappa(row: &FactsRow) -> Option<Mappa> {
    Some(Mappa {
        start_date: row.mappa_start?,
        review_date: row.mappa_review,
        level: text(&row.mappa_level_code).map(|code| number_of(&code, 3)),
        level_description: text(&row.mappa_level_description),
        category: text(&row.mappa_category_code).map(|code| number_of(&code, 4)),
        category_description: text(&row.mappa_category_description),
    })
}

/// `M1` → 1 up to the highest number there is; anything else (`M0`, `X9`, unknown codes) is 0.
fn number_of(code: &str, highest: u8) -> u8 {
    code.strip_prefix('M')
        .filter(|number| number.len() == 1)
        .and_then(|number| number.parse().ok())
        .filter(|number| *number <= highest)
        .unwrap_or(0)
}

fn rosh(row: &FactsRow) -> Option<Rosh> {
    let code = text(&row.rosh_code)?;
    let level = match code.as_str() {
        "RLRH" => RoshLevel::Low,
        "RMRH" => RoshLevel::Medium,
        "RHRH" => RoshLevel::High,
        "RVRH" => RoshLevel::VeryHigh,
        _ => {
            tracing::warn!(crn = %row.crn, code, "a registration is none of the four types that have a level of harm");
            return None;
        }
    };
    Some(Rosh { level, start_date: row.rosh_start? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn row() -> FactsRow {
        FactsRow { crn: "X123456".into(), ..FactsRow::default() }
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_bare_person_has_a_record_of_nulls_with_every_field_present() {
        let facts = facts(row()).unwrap();
        assert_eq!(
            serde_json::to_value(&facts.record).unwrap(),
            serde_json::json!({
                "crn": "X123456", "nomsId": null, "currentTier": null, "resourcing": null, "manager": null,
                "mappaLevel": 0, "vloAssigned": false, "rosh": null
            })
        );
        assert_eq!((facts.mappa, facts.manager_user), (None, None));
    }

    #[test]
    fn a_tier_is_read_by_its_code_and_what_is_no_tier_is_null() {
        for (code, description, tier) in [
            ("UA1", "A1", Some("A1")),
            ("UD3", "D3", Some("D3")),
            ("UA1S", "A1S", Some("A1S")),
            ("G2", "G2", Some("G2")),
            ("SPA", "Supervision package A", Some("A")),
            ("SPBI", "Supervision package B", Some("B")),
            ("SPG", "Supervision package G", Some("G")),
            ("SPNA", "Not applicable", None),
            ("SPH", "Supervision package H", None),
            ("M", "Missing", None),
            ("UNA", "NA", None),
            ("UX9", "X9", None),
            ("A", "All", None),
        ] {
            let row = FactsRow { tier_code: some(code), tier_description: some(description), ..row() };
            assert_eq!(facts(row).unwrap().record.current_tier.as_deref(), tier, "{code}");
        }
    }

    #[test]
    fn a_manager_without_team_staff_or_code_of_ours_leaves_the_record_there() {
        let team = |row| FactsRow { team_code: some("N07T01"), ..row };
        let named = |row| FactsRow {
            forename: some("Ada"),
            middle_name: some("Mary"),
            surname: some("Byron"),
            ..row
        };
        let code = |row| FactsRow { officer_code: some("N07A007"), ..row };
        for (row, expected) in [
            (named(code(row())), None),
            (team(row()), Some((None, None))),
            (team(named(row())), Some((None, some("Ada Mary")))),
            (team(named(code(row()))), Some((some("N07A007"), some("Ada Mary")))),
        ] {
            let manager = facts(row).unwrap().record.manager;
            let shown = manager.map(|it| (it.code, it.name.map(|name| name.forename)));
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn only_the_decisions_r_and_a_say_how_a_case_is_resourced() {
        for (code, expected) in [
            (some("R"), Some(Resourcing::Enhanced)),
            (some("A"), Some(Resourcing::Normal)),
            (some("N"), None),
            (some("?"), None),
            (None, None),
        ] {
            assert_eq!(resourcing(code.as_deref()), expected, "{code:?}");
        }
    }

    #[test]
    fn levels_and_categories_count_from_their_code_and_unknown_ones_are_zero() {
        for (code, level, category) in
            [("M0", 0, 0), ("M1", 1, 1), ("M3", 3, 3), ("M4", 0, 4), ("X9", 0, 0), ("M12", 0, 0), ("1", 0, 0)]
        {
            assert_eq!((number_of(code, 3), number_of(code, 4)), (level, category), "{code}");
        }
    }

    #[test]
    fn a_mappa_registration_without_level_counts_as_zero_in_the_record_and_stays_null_in_the_detail() {
        let start = "2026-01-02".parse().ok();
        let facts = facts(FactsRow { mappa_start: start, ..row() }).unwrap();
        assert_eq!(facts.record.mappa_level, 0);
        let mappa = facts.mappa.expect("the registration");
        assert_eq!((mappa.level, mappa.category, Some(mappa.start_date)), (None, None, start));
    }

    #[test]
    fn the_placeholder_of_an_unallocated_case_is_nobody() {
        let row = FactsRow {
            officer_code: some("N07T01U"),
            forename: some("Unallocated"),
            surname: some("Staff"),
            user_name: some("placeholder"),
            team_code: some("N07T01"),
            team_description: some("Team one"),
            ..row()
        };
        let facts = facts(row).unwrap().with_email(some("wrong@example.org"));
        assert_eq!(facts.manager_user, None);
        assert_eq!(
            serde_json::to_value(facts.record.manager).unwrap(),
            serde_json::json!({
                "code": null, "name": null, "email": null,
                "team": {"code": "N07T01", "description": "Team one", "localDeliveryUnit": null}
            })
        );
    }

    #[test]
    fn an_unknown_rosh_code_is_null_and_no_fault() {
        let start = "2026-01-02".parse().ok();
        for (code, level) in [
            ("RLRH", Some(RoshLevel::Low)),
            ("RMRH", Some(RoshLevel::Medium)),
            ("RHRH", Some(RoshLevel::High)),
            ("RVRH", Some(RoshLevel::VeryHigh)),
            ("RXRH", None),
        ] {
            let row = FactsRow { rosh_code: some(code), rosh_start: start, ..row() };
            assert_eq!(facts(row).unwrap().record.rosh.map(|it| it.level), level, "{code}");
        }
    }

    #[test]
    fn a_noms_number_that_is_none_is_left_out_and_the_record_served() {
        let facts = facts(FactsRow { noms_number: some("UNKNOWN"), ..row() }).unwrap();
        assert_eq!(facts.record.noms_id, None);
    }

    #[test]
    fn padding_of_fixed_width_columns_is_not_shown() {
        let row = FactsRow {
            crn: "X123456".into(),
            noms_number: some("A1234BC "),
            officer_code: some("N07A07 "),
            forename: some("Ada"),
            middle_name: some(" "),
            surname: some("Byron"),
            team_code: some("N07T1 "),
            ..row()
        };
        let record = facts(row).unwrap().record;
        let manager = record.manager.expect("a manager");
        assert_eq!(record.noms_id.map(String::from), some("A1234BC"));
        assert_eq!((manager.code, manager.team.code), (some("N07A07"), "N07T1".to_owned()));
        assert_eq!(manager.name.expect("a name").middle_name, None);
    }
}
