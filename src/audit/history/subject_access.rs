//! What is held about a person, for that person: the content of an answer to a subject access request.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Europe::London;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    audit::history::{CaseFile, Entry, Question, build},
    case::Holder,
    london,
};

/// What is held about a person, in plain language. Times are those of a clock in London.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubjectAccess {
    /// NOMS number.
    #[schema(example = "A1234BC")]
    pub prison_number: String,
    /// Who held the case when.
    pub held_by: Vec<HeldBy>,
    /// Which handover dates were in force when.
    pub handover_dates: Vec<DatesInForce>,
    /// Every fact and decision.
    pub recorded: Vec<RecordedFact>,
    /// Messages about the person that could not be understood.
    pub messages_not_understood: Vec<NotUnderstood>,
}

/// Who held the case in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldBy {
    #[schema(example = "01/07/2026 10:00:00 BST")]
    pub from: String,
    /// Null while it lasts.
    pub until: Option<String>,
    /// Null when nobody held the case.
    pub prison_offender_manager: Option<OffenderManager>,
    /// What has to be known to read this correctly.
    pub note: Option<&'static str>,
}

/// A prison offender manager, by name and prison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OffenderManager {
    pub forename: Option<String>,
    pub surname: Option<String>,
    /// Code of the prison.
    #[schema(example = "LEI")]
    pub prison: String,
}

/// Handover dates in force in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatesInForce {
    pub from: String,
    /// Null while they last.
    pub until: Option<String>,
    pub handover_start_date: Option<String>,
    pub handover_date: Option<String>,
}

/// A fact or decision as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedFact {
    /// When it happened.
    pub happened: Option<String>,
    /// When it was recorded here.
    pub recorded: String,
    /// The number that it came under, for a person who had several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noms_number: Option<String>,
    pub description: String,
    /// What was written to Delius because of it.
    pub in_delius: Vec<String>,
}

/// A message that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotUnderstood {
    pub received: String,
    pub why: String,
}

/// A period of days; either end may be open.
#[derive(Clone, Copy)]
struct AskedPeriod {
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
}

/// What is held from the first to the last day (both included, by the clock in London; either may be open). `None` when
/// nothing of that time is held.
pub fn content(file: &CaseFile, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Option<SubjectAccess> {
    let days = AskedPeriod {
        start: from.map(midnight),
        end: to.and_then(|day| day.checked_add_days(Days::new(1))).map(midnight),
    };
    let history = build(file, &Question::default());
    let content = SubjectAccess {
        prison_number: history.noms_id,
        held_by: history
            .timeline
            .into_iter()
            .filter(|period| days.overlap(period.from, period.until))
            .map(|period| HeldBy {
                from: london::date_time_zone(period.from),
                until: period.until.map(london::date_time_zone),
                prison_offender_manager: period.holder.map(manager),
                note: period.caveat,
            })
            .collect(),
        handover_dates: history
            .handover
            .iter()
            .filter(|period| days.overlap(period.from, period.until))
            .map(|period| DatesInForce {
                from: london::date_time_zone(period.from),
                until: period.until.map(london::date_time_zone),
                handover_start_date: period.handover_start_date.map(london::date),
                handover_date: period.handover_date.map(london::date),
            })
            .collect(),
        recorded: history
            .entries
            .iter()
            .filter(|entry| days.contain(entry.occurred_at.unwrap_or(entry.recorded_at)))
            .map(recorded)
            .collect(),
        messages_not_understood: history
            .parked
            .into_iter()
            .filter(|parked| days.contain(parked.received_at))
            .map(|parked| NotUnderstood {
                received: london::date_time_zone(parked.received_at),
                why: parked.reason,
            })
            .collect(),
    };
    (!content.is_empty()).then_some(content)
}

impl SubjectAccess {
    fn is_empty(&self) -> bool {
        self.held_by.is_empty()
            && self.handover_dates.is_empty()
            && self.recorded.is_empty()
            && self.messages_not_understood.is_empty()
    }
}

impl AskedPeriod {
    fn contain(self, at: DateTime<Utc>) -> bool {
        self.start.is_none_or(|start| at >= start) && self.end.is_none_or(|end| at < end)
    }

    fn overlap(self, since: DateTime<Utc>, until: Option<DateTime<Utc>>) -> bool {
        self.end.is_none_or(|end| since < end)
            && self.start.is_none_or(|start| until.is_none_or(|until| until > start))
    }
}

fn manager(holder: Holder) -> OffenderManager {
    OffenderManager { forename: holder.forename, surname: holder.surname, prison: holder.prison.to_string() }
}

fn recorded(entry: &Entry) -> RecordedFact {
    RecordedFact {
        happened: entry.occurred_at.map(london::date_time_zone),
        recorded: london::date_time_zone(entry.recorded_at),
        noms_number: entry.noms_id.as_ref().map(ToString::to_string),
        description: entry.description.clone(),
        in_delius: entry.writes.iter().map(|write| write.description.clone()).collect(),
    }
}

/// The first moment of a day in London: the clock never skips midnight there.
fn midnight(day: NaiveDate) -> DateTime<Utc> {
    let local = day.and_time(NaiveTime::MIN);
    London.from_local_datetime(&local).earliest().map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::audit::history::samples::eventful;

    fn day(text: &str) -> Option<NaiveDate> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn everything_is_given_when_no_dates_are_asked_for() {
        let content = content(&eventful().0, None, None).unwrap();
        assert_eq!(content.held_by.len(), 5);
        assert_eq!(content.recorded.len(), 6);
        assert_eq!(content.held_by[0].from, "01/07/2026 10:00:00 BST");
    }

    #[test]
    fn what_began_before_the_dates_and_lasts_into_them_is_given() {
        let content = content(&eventful().0, day("2026-07-20"), day("2026-07-21")).unwrap();
        assert_eq!(content.held_by.len(), 1);
        assert_eq!(content.recorded.len(), 0);
    }

    #[test]
    fn nothing_is_held_of_a_time_before_the_first_fact() {
        assert_eq!(content(&eventful().0, None, day("2026-06-30")), None);
    }
}
