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
