//! What was last recorded of a case: a reading of its events.

use chrono::{DateTime, NaiveDate, Utc};

use crate::case::{CaseEvent, HandoverAnswer, Holder, HoldingPeriod, NameWait, Pom, PrisonCode, Timeline};

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
pub struct UnnamedAllocation {
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
    /// Who held it when.
    pub periods: Vec<HoldingPeriod>,
    /// The facts behind that, those without a name included.
    pub timeline: Timeline,
    /// Its handover dates, when any were recorded.
    pub dates: Option<RecordedDates>,
    /// Allocations that wait for the name behind their staff code.
    pub unreflected: Vec<UnnamedAllocation>,
}

/// Reads the events of one stream.
pub fn recorded<'a>(events: impl IntoIterator<Item = &'a CaseEvent>) -> Recorded {
    recorded_of((1..).zip(events))
}

/// Reads events with their sequences.
pub(super) fn recorded_of<'a>(events: impl IntoIterator<Item = (u64, &'a CaseEvent)>) -> Recorded {
    let mut recorded = Recorded::default();
    let mut timeline = Timeline::default();
    let mut waiting: Vec<(u64, UnnamedAllocation)> = vec![];
    for (sequence, event) in events {
        timeline.record(sequence, event);
        dates(&mut recorded.dates, event);
        match event.waits_for_name() {
            Some(NameWait::Begins { staff_code }) => {
                let stated = timeline.facts().iter().find(|fact| fact.sequence == sequence);
                if let Some((at, holder)) = stated.and_then(|fact| Some((fact.at, fact.holder.as_ref()?))) {
                    waiting.push((
                        sequence,
                        UnnamedAllocation { at, prison: holder.prison.clone(), staff_code },
                    ));
                }
            }
            Some(NameWait::Ends { reflects }) => waiting.retain(|(waits, _)| *waits != reflects),
            None => {}
        }
    }
    recorded.periods = timeline.named().periods(None);
    recorded.holding = recorded.periods.last().map(|period| RecordedHolding {
        pom: period.holder.as_ref().and_then(Holder::pom),
        at: period.stated_at,
        since: period.from,
    });
    recorded.timeline = timeline;
    recorded.unreflected = waiting.into_iter().map(|(_, unreflected)| unreflected).collect();
    recorded
}

fn dates(recorded: &mut Option<RecordedDates>, event: &CaseEvent) {
    match event.handover() {
        Some((at, HandoverAnswer::Dates { handover_date, handover_start_date })) => {
            let dates = Dates { start: handover_start_date, handover: handover_date };
            *recorded = Some(RecordedDates { dates, at, withdrawn: false });
        }
        Some((_, HandoverAnswer::NotFound)) => {
            *recorded = recorded.map(|dates| RecordedDates { withdrawn: true, ..dates });
        }
        None => {}
    }
}
