//! What was last recorded of a case: a reading of its events.

use chrono::{DateTime, NaiveDate, Utc};

use crate::case::{CaseEvent, Holding, Pom, PrisonCode};

/// The two handover dates, either of which may be blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dates {
    /// Handover start date (`POM1`).
    pub start: Option<NaiveDate>,
    /// Handover date (`POM2`).
    pub handover: Option<NaiveDate>,
}

/// The recorded holding that is the latest in valid time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedHolding {
    /// Who holds the case; nobody after a deallocation.
    pub pom: Option<Pom>,
    /// When that was last said to begin.
    pub at: DateTime<Utc>,
    /// Since when the same holder has it without a break; `at`, or earlier when it was said again.
    pub since: DateTime<Utc>,
}

/// The handover dates that were recorded last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedDates {
    /// The dates.
    pub dates: Dates,
    /// When they changed, as the message said.
    pub at: DateTime<Utc>,
    /// It was recorded since that Manage POM Cases holds no handover for the case any more.
    pub withdrawn: bool,
}

/// An allocation that waits until the name behind its staff code is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreflected {
    /// From when.
    pub at: DateTime<Utc>,
    /// In which prison.
    pub prison: PrisonCode,
    /// Whose name is not known.
    pub staff_code: i64,
}

/// What was last recorded of a case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Who holds it, when anything was recorded of that.
    pub holding: Option<RecordedHolding>,
    /// Its handover dates, when any were recorded.
    pub dates: Option<RecordedDates>,
    /// What could not be written so far for want of a name.
    pub unreflected: Vec<Unreflected>,
}

/// Reads the events of a case, in their order.
pub fn recorded<'a>(events: impl IntoIterator<Item = &'a CaseEvent>) -> Recorded {
    let mut recorded = Recorded::default();
    let mut holdings: Vec<Holding> = vec![];
    let mut waiting: Vec<(u64, Unreflected)> = vec![];
    for (sequence, event) in (1..).zip(events) {
        match event {
            CaseEvent::PomAllocated { at, pom, reflects, .. } => {
                waiting.retain(|(waits, _)| Some(*waits) != *reflects);
                holdings.push(Holding { at: *at, pom: Some(pom.clone()) });
            }
            CaseEvent::PomDeallocated { at, .. } => holdings.push(Holding { at: *at, pom: None }),
            CaseEvent::AllocationSuperseded { at, prison, staff_code, .. } => {
                let unreflected = Unreflected { at: *at, prison: prison.clone(), staff_code: *staff_code };
                waiting.push((sequence, unreflected));
            }
            CaseEvent::HandoverDatesChanged {
                provenance,
                handover_date,
                handover_start_date,
                dry_run: false,
            } => {
                let dates = Dates { start: *handover_start_date, handover: *handover_date };
                recorded.dates = Some(RecordedDates { dates, at: provenance.occurred_at, withdrawn: false });
            }
            CaseEvent::HandoverNotFound { .. } => {
                recorded.dates = recorded.dates.map(|dates| RecordedDates { withdrawn: true, ..dates });
            }
            _ => {}
        }
    }
    recorded.holding = latest(holdings);
    recorded.unreflected = waiting.into_iter().map(|(_, unreflected)| unreflected).collect();
    recorded
}

fn latest(mut holdings: Vec<Holding>) -> Option<RecordedHolding> {
    // A stable sort: of several at one second the last recorded stays last, and it is the one that counts.
    holdings.sort_by_key(|holding| holding.at);
    let last = holdings.pop()?;
    let mut since = last.at;
    let before = holdings.iter().rev().filter(|holding| holding.at < last.at);
    let mut counted = last.at;
    for holding in before {
        if holding.at == counted {
            continue; // replaced within its second by the one already looked at
        }
        counted = holding.at;
        if !is_same_holder(holding.pom.as_ref(), last.pom.as_ref()) {
            break;
        }
        since = holding.at;
    }
    Some(RecordedHolding { pom: last.pom, at: last.at, since })
}

fn is_same_holder(one: Option<&Pom>, other: Option<&Pom>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.prison == other.prison && one.staff_code == other.staff_code,
        _ => false,
    }
}
