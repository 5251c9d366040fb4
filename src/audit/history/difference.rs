//! What differs between two dates: in the world, and in what was known of the time before.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Answer, CaseFile, Entry, Question, build};

/// What differs between two times.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryDifference {
    /// The number that the person has now.
    pub noms_id: String,
    /// Every number that the person had, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<String>,
    pub known_at: Option<DateTime<Utc>>,
    /// Who held the case and which dates were in force at the earlier time.
    pub before: Answer,
    /// The same at the later time.
    pub after: Answer,
    /// What happened in between.
    pub happened: Vec<Entry>,
    /// What was recorded in between about the time before.
    pub learned: Vec<Entry>,
}

/// What differs between the times, by what was known at `known_at`.
pub fn difference(
    file: &CaseFile,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    known_at: Option<DateTime<Utc>>,
) -> HistoryDifference {
    let at = |as_of| build(file, &Question { as_of, known_at, ..Question::default() });
    let history = at(None);
    let between = |at: DateTime<Utc>| from < at && at <= to;
    // An operator's decision happened when it was recorded.
    let (happened, rest): (Vec<Entry>, Vec<Entry>) = history
        .entries
        .into_iter()
        .partition(|entry| between(entry.occurred_at.unwrap_or(entry.recorded_at)));
    let about_before =
        |entry: &Entry| between(entry.recorded_at) && entry.occurred_at.is_some_and(|at| at <= from);
    HistoryDifference {
        noms_id: history.noms_id,
        numbers: history.numbers,
        known_at,
        before: at(Some(from)).answer,
        after: at(Some(to)).answer,
        happened,
        learned: rest.into_iter().filter(about_before).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::audit::history::samples::eventful;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn surname(answer: &Answer) -> Option<&str> {
        answer.holder.as_ref()?.surname.as_deref()
    }

    #[test]
    fn both_answers_are_those_as_of_the_two_times_and_what_lies_between_is_listed() {
        let file = eventful().0;
        let (from, to) = (utc("2026-07-01T12:00:00Z"), utc("2026-12-01T00:00:00Z"));
        let found = difference(&file, (from, to), None);
        let as_of = |at| build(&file, &Question { as_of: Some(at), ..Question::default() });
        assert_eq!((&found.before, &found.after), (&as_of(from).answer, &as_of(to).answer));
        assert_ne!(surname(&found.before), surname(&found.after));
        let later: Vec<u64> = as_of(to)
            .entries
            .iter()
            .filter(|entry| as_of(from).entries.iter().all(|other| other.position != entry.position))
            .map(|entry| entry.position)
            .collect();
        assert_eq!(found.happened.iter().map(|entry| entry.position).collect::<Vec<_>>(), later);
        assert!(!later.is_empty());
    }

    #[test]
    fn a_late_fact_about_the_time_before_is_something_that_was_learned() {
        let file = eventful().0;
        let late =
            build(&file, &Question::default()).entries.into_iter().find(|entry| entry.marks.late).unwrap();
        let occurred = late.occurred_at.unwrap();
        let found = difference(&file, (occurred, late.recorded_at), None);
        assert!(found.learned.iter().any(|entry| entry.position == late.position));
        assert!(found.happened.iter().all(|entry| entry.position != late.position));
        let unknown = late.recorded_at - chrono::TimeDelta::microseconds(1);
        let found = difference(&file, (occurred, late.recorded_at), Some(unknown));
        assert!(found.learned.iter().all(|entry| entry.position != late.position), "not known then");
    }

    #[test]
    fn nothing_differs_within_a_time_in_which_nothing_happened() {
        let at = utc("2030-01-01T00:00:00Z");
        let found = difference(&eventful().0, (at, at), None);
        assert_eq!(found.before, found.after);
        assert!(found.happened.is_empty() && found.learned.is_empty());
    }
}
