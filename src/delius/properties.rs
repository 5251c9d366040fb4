//! Telemetry properties of a write.

use std::collections::BTreeMap;

use crate::{
    case::{DeliusWrite, NomsNumber},
    london::{wall_clock, wall_date_time},
};

/// Those that the write itself gives, whatever its outcome is.
pub(super) fn of(noms: &NomsNumber, write: &DeliusWrite) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::from([("nomsId".to_owned(), noms.to_string())]);
    let mut add = |name: &str, value: Option<String>| {
        properties.extend(value.map(|value| (name.to_owned(), value)));
    };
    match write {
        DeliusWrite::AllocatePom { at, pom, .. } => {
            add("allocationDate", Some(wall_date_time(wall_clock(*at))));
            add("prisonId", Some(pom.prison.to_string()));
        }
        DeliusWrite::DeallocatePom { at, .. } => add("allocationDate", Some(wall_date_time(wall_clock(*at)))),
        DeliusWrite::SetHandoverDates { handover_date, handover_start_date, .. } => {
            add("handoverDate", handover_date.map(|date| date.to_string()));
            add("handoverStartDate", handover_start_date.map(|date| date.to_string()));
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::NaiveDate;

    use super::*;
    use crate::case::Pom;

    #[test]
    fn a_write_gives_the_properties_that_follow_from_it_alone() {
        let at = "2026-07-01T09:00:00Z".parse().unwrap();
        let pom = Pom {
            prison: "LEI".parse().unwrap(),
            staff_code: 1,
            forename: "ADA".into(),
            surname: "BYRON".into(),
            email: None,
        };
        let date = NaiveDate::from_ymd_opt(2026, 9, 1);
        let dates = |handover_date, handover_start_date| DeliusWrite::SetHandoverDates {
            handover_date,
            handover_start_date,
            dry_run: false,
        };
        let allocation_date = ("allocationDate", "01/07/2026 10:00:00");
        for (write, more) in [
            (
                DeliusWrite::AllocatePom { at, pom, overtaken: false },
                vec![allocation_date, ("prisonId", "LEI")],
            ),
            (DeliusWrite::DeallocatePom { at, overtaken: false }, vec![allocation_date]),
            (dates(date, None), vec![("handoverDate", "2026-09-01")]),
            (dates(None, date), vec![("handoverStartDate", "2026-09-01")]),
            (dates(None, None), vec![]),
        ] {
            let mut expected = BTreeMap::from([("nomsId".to_owned(), "A1234BC".to_owned())]);
            expected.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
            assert_eq!(of(&"A1234BC".parse().unwrap(), &write), expected, "{write:?}");
        }
    }
}
