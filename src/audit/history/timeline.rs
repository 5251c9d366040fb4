//! Who held the case when, and which handover dates were in force: the facts spliced by valid time.

use chrono::{DateTime, NaiveDate, Timelike, Utc};
use serde::Serialize;

use crate::{
    audit::history::StoredEvent,
    case::{CaseEvent, Pom, PrisonCode},
};

/// Who holds the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// NOMIS code of the prison.
    pub prison: String,
    /// NOMIS staff code.
    pub staff_code: Option<i64>,
    /// Forename as Manage POM Cases gives it; `None` while nobody has named the staff code.
    pub forename: Option<String>,
    /// Surname as Manage POM Cases gives it; `None` while nobody has named the staff code.
    pub surname: Option<String>,
    /// E-mail address, when there is one.
    pub email: Option<String>,
}

impl From<&Pom> for Holder {
    fn from(pom: &Pom) -> Self {
        Self {
            prison: pom.prison.to_string(),
            staff_code: pom.staff_code,
            forename: Some(pom.forename.clone()),
            surname: Some(pom.surname.clone()),
            email: pom.email.clone(),
        }
    }
}

impl Holder {
    /// Somebody of whom only the staff code is known.
    fn unnamed(prison: &PrisonCode, staff_code: i64) -> Self {
        let (prison, staff_code) = (prison.to_string(), Some(staff_code));
        Self { prison, staff_code, forename: None, surname: None, email: None }
    }

    /// Whether the name is known.
    pub(crate) fn is_named(&self) -> bool {
        self.surname.is_some()
    }

    /// Forename and surname, or what is known instead.
    pub(crate) fn name(&self) -> String {
        match (&self.forename, &self.surname) {
            (Some(forename), Some(surname)) => format!("{forename} {surname}"),
            _ => "name unknown".to_owned(),
        }
    }

    /// Name, staff code and prison.
    pub(crate) fn described(&self) -> String {
        let code = self.staff_code.map(|code| format!(" ({code})")).unwrap_or_default();
        format!("{}{code}, {}", self.name(), self.prison)
    }

    fn is_same_as(&self, other: &Self) -> bool {
        let identity = |holder: &Self| (holder.prison.clone(), holder.staff_code);
        let names = |holder: &Self| holder.name().to_lowercase();
        identity(self) == identity(other) && (self.staff_code.is_some() || names(self) == names(other))
    }
}

/// What has to be said of a holder whose name is unknown, wherever the period is shown.
pub(crate) const UNNAMED: &str = "the name behind this staff code is not known yet, so Delius does not show this \
     allocation; it is written at its own date once the name is known";

/// A period in which one POM, or nobody, held the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when; `None` = to this day.
    pub until: Option<DateTime<Utc>>,
    /// Who; `None` = nobody.
    pub holder: Option<Holder>,
    /// The entries that say so.
    pub positions: Vec<u64>,
    /// What has to be known to read it rightly, in plain language.
    pub caveat: Option<&'static str>,
}

impl Period {
    fn new(from: DateTime<Utc>, holder: Option<Holder>, position: u64) -> Self {
        let mut period = Self { from, until: None, holder: None, positions: vec![position], caveat: None };
        period.hold(holder);
        period
    }

    /// A name that is known is not forgotten for the same holder without one.
    fn hold(&mut self, holder: Option<Holder>) {
        let named = |holder: &Option<Holder>| holder.as_ref().is_none_or(Holder::is_named);
        if named(&holder) || !self.holder.as_ref().is_some_and(Holder::is_named) {
            self.holder = holder;
        }
        self.caveat = (!named(&self.holder)).then_some(UNNAMED);
    }
}

/// A period in which the same handover dates were in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatesPeriod {
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when; `None` = to this day.
    pub until: Option<DateTime<Utc>>,
    /// Handover start date.
    pub handover_start_date: Option<NaiveDate>,
    /// Handover date.
    pub handover_date: Option<NaiveDate>,
    /// The entry that says so.
    pub position: u64,
}

/// Delius keeps whole seconds: two facts of one second are a tie, which the later in the stream wins.
pub(crate) fn second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.with_nanosecond(0).unwrap_or(at)
}

/// A holding that an event states: from when and who. Whoever was replaced before we could ask for the name held the
/// case all the same; the entry that makes it good is of the same second and takes its place.
pub(crate) fn holding(event: &CaseEvent) -> Option<(DateTime<Utc>, Option<Holder>)> {
    match event {
        CaseEvent::PomAllocated { at, pom, .. } => Some((*at, Some(Holder::from(pom)))),
        CaseEvent::AllocationSuperseded { at, prison, staff_code, .. } => {
            Some((*at, Some(Holder::unnamed(prison, *staff_code))))
        }
        CaseEvent::PomDeallocated { at, .. } => Some((*at, None)),
        _ => None,
    }
}

/// The periods of holding that the events add up to, in order of valid time; what happened after `as_of` takes no
/// part.
pub(crate) fn periods(events: &[StoredEvent], as_of: Option<DateTime<Utc>>) -> Vec<Period> {
    let mut facts: Vec<(DateTime<Utc>, u64, Option<Holder>)> = events
        .iter()
        .filter_map(|stored| {
            let (at, holder) = holding(&stored.event)?;
            Some((second(at), stored.sequence, holder))
        })
        .filter(|(at, ..)| as_of.is_none_or(|as_of| *at <= as_of))
        .collect();
    facts.sort_by_key(|(at, sequence, _)| (*at, *sequence));

    let mut periods: Vec<Period> = vec![];
    for (at, position, holder) in facts {
        if periods.last().is_some_and(|last| last.from == at) {
            periods.pop();
        }
        match periods.last_mut() {
            Some(last) if is_same(last.holder.as_ref(), holder.as_ref()) => {
                last.hold(holder);
                last.positions.push(position);
                last.until = None;
            }
            last => {
                if let Some(last) = last {
                    last.until = Some(at);
                }
                periods.push(Period::new(at, holder, position));
            }
        }
    }
    periods
}

fn is_same(one: Option<&Holder>, other: Option<&Holder>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same_as(other),
        (None, None) => true,
        _ => false,
    }
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
