#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::history::samples::{Story, utc};

type Line = (String, Option<String>, Option<i64>, Vec<u64>);

fn lines(story: &Story) -> Vec<Line> {
    periods(&story.0.events, None)
        .into_iter()
        .map(|period| {
            let text = |at: DateTime<Utc>| at.format("%m-%dT%H").to_string();
            let code = period.holder.map(|holder| holder.staff_code);
            (text(period.from), period.until.map(text), code, period.positions)
        })
        .collect()
}

fn line(from: &str, until: Option<&str>, code: Option<i64>, positions: &[u64]) -> Line {
    (from.to_owned(), until.map(str::to_owned), code, positions.to_vec())
}

#[test]
fn a_late_allocation_is_spliced_before_the_next_one() {
    let mut story = Story::new();
    story.allocated("2026-07-01T09:00:00Z", 1, "2026-07-01T09:00:01Z");
    story.allocated("2026-07-10T09:00:00Z", 3, "2026-07-10T09:00:01Z");
    story.allocated("2026-07-05T09:00:00Z", 2, "2026-07-11T09:00:01Z");
    assert_eq!(
        lines(&story),
        [
            line("07-01T09", Some("07-05T09"), Some(1), &[1]),
            line("07-05T09", Some("07-10T09"), Some(2), &[3]),
            line("07-10T09", None, Some(3), &[2]),
        ]
    );
}

#[test]
fn of_two_facts_of_one_second_the_later_recorded_wins() {
    let mut story = Story::new();
    story.allocated("2026-07-01T09:00:00Z", 1, "2026-07-01T09:00:01Z");
    story.allocated("2026-07-05T09:00:00.700Z", 2, "2026-07-05T09:00:01Z");
    story.allocated("2026-07-05T09:00:00.100Z", 3, "2026-07-05T09:00:02Z");
    assert_eq!(
        lines(&story),
        [line("07-01T09", Some("07-05T09"), Some(1), &[1]), line("07-05T09", None, Some(3), &[3]),]
    );
}

#[test]
fn a_tie_that_returns_to_the_holder_before_leaves_one_period() {
    let mut story = Story::new();
    story.allocated("2026-07-01T09:00:00Z", 1, "2026-07-01T09:00:01Z");
    story.allocated("2026-07-05T09:00:00Z", 2, "2026-07-05T09:00:01Z");
    story.allocated("2026-07-05T09:00:00Z", 1, "2026-07-05T09:00:02Z");
    assert_eq!(lines(&story), [line("07-01T09", None, Some(1), &[1, 3])]);
}

#[test]
fn the_same_holder_again_is_one_period_with_both_entries() {
    let mut story = Story::new();
    story.allocated("2026-07-01T09:00:00Z", 1, "2026-07-01T09:00:01Z");
    story.allocated("2026-07-05T09:00:00Z", 1, "2026-07-05T09:00:01Z");
    story.deallocated("2026-08-01T09:00:00Z", "2026-08-01T09:00:01Z");
    assert_eq!(
        lines(&story),
        [line("07-01T09", Some("08-01T09"), Some(1), &[1, 2]), line("08-01T09", None, None, &[3])]
    );
}

#[test]
fn what_happened_after_the_time_asked_about_takes_no_part() {
    let mut story = Story::new();
    story.allocated("2026-07-01T09:00:00Z", 1, "2026-07-01T09:00:01Z");
    story.allocated("2026-07-05T09:00:00Z", 2, "2026-07-05T09:00:01Z");
    let periods = periods(&story.0.events, Some(utc("2026-07-05T08:59:59Z")));
    assert_eq!(periods.len(), 1);
    assert_eq!(periods[0].until, None);
}

#[test]
fn dates_told_by_a_message_that_came_late_count_from_their_fetch() {
    let mut story = Story::new();
    story.dates("2026-07-10T09:00:00Z", Some("2027-01-01"), "2026-07-10T09:00:02Z");
    story.dates("2026-07-01T09:00:00Z", Some("2027-02-02"), "2026-07-11T09:00:02Z");
    let periods = dates(&story.0.events);
    assert_eq!(periods[0].from, utc("2026-07-10T09:00:00Z"));
    assert_eq!(periods[0].until, Some(utc("2026-07-11T09:00:00Z")));
    assert_eq!(periods[1].from, utc("2026-07-11T09:00:00Z"));
    assert_eq!(periods[1].until, None);
}

#[test]
fn blank_dates_are_dates_too() {
    let mut story = Story::new();
    story.dates("2026-07-10T09:00:00Z", Some("2027-01-01"), "2026-07-10T09:00:02Z");
    story.dates("2026-07-12T09:00:00Z", None, "2026-07-12T09:00:02Z");
    let last = dates(&story.0.events).pop().unwrap();
    assert_eq!((last.handover_date, last.position), (None, 2));
}

#[test]
fn whoever_was_replaced_before_the_name_was_known_held_the_case_all_the_same() {
    let mut story = Story::new();
    story.allocated("2026-07-06T09:00:00Z", 1, "2026-07-06T09:00:01Z");
    let waiting = story.superseded("2026-07-15T09:00:00Z", 485_199, "2026-07-15T09:00:02Z");
    story.allocated("2026-07-20T09:00:00Z", 3, "2026-07-20T09:00:01Z");
    let held = periods(&story.0.events, None);
    assert_eq!(
        lines(&story),
        [
            line("07-06T09", Some("07-15T09"), Some(1), &[1]),
            line("07-15T09", Some("07-20T09"), Some(485_199), &[waiting]),
            line("07-20T09", None, Some(3), &[3]),
        ]
    );
    assert_eq!(held[1].holder.as_ref().unwrap().described(), "name unknown (485199), LEI");
    assert_eq!(held.iter().map(|period| period.caveat.is_some()).collect::<Vec<_>>(), [false, true, false]);

    story.reflected(waiting, 485_199, "2026-07-21T09:00:02Z");
    let held = periods(&story.0.events, None);
    assert_eq!(lines(&story)[1], line("07-15T09", Some("07-20T09"), Some(485_199), &[4]));
    assert_eq!((held[1].holder.as_ref().unwrap().name().as_str(), held[1].caveat), ("ADA485199 BYRON", None));
}

#[test]
fn a_name_that_is_known_is_kept_for_the_same_holder_without_one() {
    let mut story = Story::new();
    story.superseded("2026-07-15T09:00:00Z", 2, "2026-07-15T09:00:02Z");
    story.allocated("2026-07-10T09:00:00Z", 2, "2026-07-16T09:00:01Z");
    let held = periods(&story.0.events, None);
    assert_eq!((held.len(), held[0].caveat), (1, None));
    assert!(held[0].holder.as_ref().unwrap().is_named());
}
