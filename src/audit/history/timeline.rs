//! Who held the case when, and which handover dates were in force, as the history shows it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    audit::history::StoredEvent,
    case::{CaseEvent, Holder, HoldingPeriod, Timeline},
};

/// The caveat wherever a holder whose name is unknown is shown.
pub(crate) const UNNAMED: &str = "the name behind this staff code is not known yet, so Delius does not show this \
     allocation; it is written at its own date once the name is known";

/// A period in which one POM, or nobody, held the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    pub from: DateTime<Utc>,
    /// `None` = to this day.
    pub until: Option<DateTime<Utc>>,
    /// `None` = nobody.
    pub holder: Option<Holder>,
    /// The entries that say so.
    pub positions: Vec<u64>,
    /// What a reader has to know to read it rightly.
    pub caveat: Option<&'static str>,
}

impl From<HoldingPeriod> for Period {
    fn from(HoldingPeriod { from, until, holder, sequences, .. }: HoldingPeriod) -> Self {
        let unnamed = holder.as_ref().is_some_and(|holder| !holder.is_named());
        Self { from, until, holder, positions: sequences, caveat: unnamed.then_some(UNNAMED) }
    }
}

/// A period in which the same handover dates were in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatesPeriod {
    pub from: DateTime<Utc>,
    /// `None` = to this day.
    pub until: Option<DateTime<Utc>>,
    pub handover_start_date: Option<NaiveDate>,
    pub handover_date: Option<NaiveDate>,
    /// The entry that says so.
    pub position: u64,
}

/// The facts about who held the case.
pub(crate) fn timeline(events: &[StoredEvent]) -> Timeline {
    Timeline::of(events.iter().map(|stored| (stored.sequence, &stored.event)))
}

/// The periods of holding that the events add up to, in order of valid time; what happened after `as_of` is left out.
pub(crate) fn periods(events: &[StoredEvent], as_of: Option<DateTime<Utc>>) -> Vec<Period> {
    timeline(events).periods(as_of).into_iter().map(Period::from).collect()
}

/// The periods of the handover dates. An answer gives the dates as they are when it is fetched; so a message that
/// comes after a later one does not put today's dates before it: they count from the time of the fetch. Later
/// recorded dates therefore always count later, as in Delius.
pub(crate) fn dates(events: &[StoredEvent]) -> Vec<DatesPeriod> {
    let mut periods: Vec<DatesPeriod> = vec![];
    for stored in events {
        let CaseEvent::HandoverDatesChanged {
            provenance,
            handover_date,
            handover_start_date,
            dry_run: false,
        } = &stored.event
        else {
            continue;
        };
        let last = periods.last().map(|last| last.from);
        let fetched = provenance.fetched.last().map_or(stored.recorded_at, |fetched| fetched.at);
        let from = match last {
            Some(last) if provenance.occurred_at < last => fetched.max(last),
            _ => provenance.occurred_at,
        };
        if last == Some(from) {
            periods.pop();
        }
        let (new, position) = ((*handover_start_date, *handover_date), stored.sequence);
        if let Some(last) = periods.last_mut() {
            if (last.handover_start_date, last.handover_date) == new {
                last.until = None;
                continue;
            }
            last.until = Some(from);
        }
        let (handover_start_date, handover_date) = new;
        periods.push(DatesPeriod { from, until: None, handover_start_date, handover_date, position });
    }
    periods
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
