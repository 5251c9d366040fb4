//! What we hold about a person, for that person: the content of an answer to a subject access request.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Europe::London;
use serde_json::{Value, json};

use crate::{
    audit::history::{CaseFile, Question, build},
    london,
};

/// What we hold from the first to the last day (both included, by the clock in London; either may be open), in plain
/// language; `None` when we hold nothing of that time.
pub fn content(file: &CaseFile, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Option<Value> {
    let start = from.map(midnight);
    let end = to.and_then(|day| day.checked_add_days(Days::new(1))).map(midnight);
    let within = |at: DateTime<Utc>| start.is_none_or(|start| at >= start) && end.is_none_or(|end| at < end);
    let overlaps = |since: DateTime<Utc>, until: Option<DateTime<Utc>>| {
        end.is_none_or(|end| since < end) && start.is_none_or(|start| until.is_none_or(|until| until > start))
    };
    let history = build(file, &Question::default());
    let until = |until: Option<DateTime<Utc>>| until.map(london::date_time_zone);

    let held: Vec<Value> = history
        .timeline
        .iter()
        .filter(|period| overlaps(period.from, period.until))
        .map(|period| {
            json!({
                "from": london::date_time_zone(period.from),
                "until": until(period.until),
                "prisonOffenderManager": period.holder.as_ref().map(|holder| {
                    json!({ "forename": holder.forename, "surname": holder.surname, "prison": holder.prison })
                }),
                "note": period.caveat,
            })
        })
        .collect();
    let handover: Vec<Value> = history
        .handover
        .iter()
        .filter(|period| overlaps(period.from, period.until))
        .map(|period| {
            json!({
                "from": london::date_time_zone(period.from),
                "until": until(period.until),
                "handoverStartDate": period.handover_start_date.map(london::date),
                "handoverDate": period.handover_date.map(london::date),
            })
        })
        .collect();
    let recorded: Vec<Value> = history
        .entries
        .iter()
        .filter(|entry| within(entry.occurred_at.unwrap_or(entry.recorded_at)))
        .map(|entry| {
            json!({
                "happened": entry.occurred_at.map(london::date_time_zone),
                "recorded": london::date_time_zone(entry.recorded_at),
                "description": entry.description,
                "inDelius": entry.writes.iter().map(|write| write.description.clone()).collect::<Vec<_>>(),
            })
        })
        .collect();
    let unreadable: Vec<Value> = history
        .parked
        .iter()
        .filter(|parked| within(parked.received_at))
        .map(|parked| json!({ "received": london::date_time_zone(parked.received_at), "why": parked.reason }))
        .collect();
    if held.is_empty() && handover.is_empty() && recorded.is_empty() && unreadable.is_empty() {
        return None;
    }
    Some(json!({
        "prisonNumber": history.noms_id,
        "heldBy": held,
        "handoverDates": handover,
        "recorded": recorded,
        "messagesNotUnderstood": unreadable,
    }))
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
        assert_eq!(content["heldBy"].as_array().unwrap().len(), 5);
        assert_eq!(content["recorded"].as_array().unwrap().len(), 6);
        assert_eq!(content["heldBy"][0]["from"], "01/07/2026 10:00:00 BST");
    }

    #[test]
    fn what_began_before_the_dates_and_lasts_into_them_is_given() {
        let content = content(&eventful().0, day("2026-07-20"), day("2026-07-21")).unwrap();
        assert_eq!(content["heldBy"].as_array().unwrap().len(), 1);
        assert_eq!(content["recorded"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn nothing_is_held_of_a_time_before_the_first_fact() {
        assert_eq!(content(&eventful().0, None, day("2026-06-30")), None);
    }
}
