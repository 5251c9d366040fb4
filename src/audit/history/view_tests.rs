#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::{
    audit::{
        history::{
            explain,
            samples::{Story, eventful, provenance, utc},
            *,
        },
        render::{self, Format},
    },
    case::{CaseEvent, WriteState},
};

fn asked(as_of: Option<&str>, known_at: Option<&str>) -> Question {
    Question { as_of: as_of.map(utc), known_at: known_at.map(utc), ..Question::default() }
}

fn holder_code(history: &History) -> Option<i64> {
    history.answer.holder.as_ref().map(|holder| holder.staff_code)
}

#[test]
fn what_was_true_and_what_we_thought_at_the_time_differ_after_a_late_event() {
    let story = eventful();
    let day = "2026-07-04T12:00:00Z";
    assert_eq!(holder_code(&build(&story.0, &asked(Some(day), None))), Some(4));
    assert_eq!(holder_code(&build(&story.0, &asked(None, Some(day)))), Some(1));
    assert_eq!(holder_code(&build(&story.0, &asked(Some(day), Some("2026-07-10T12:00:00Z")))), Some(1));
    assert_eq!(holder_code(&build(&story.0, &asked(Some(day), Some("2026-07-11T12:00:00Z")))), Some(4));
}

#[test]
fn nothing_asked_is_what_we_know_now() {
    let history = build(&eventful().0, &Question::default());
    assert_eq!(history.answer.held, Held::Nobody);
    assert_eq!(history.answer.since, Some(utc("2026-08-01T12:00:00Z")));
    assert_eq!(history.timeline.len(), 5);
}

#[test]
fn before_the_first_fact_nothing_is_known() {
    let history = build(&eventful().0, &asked(Some("2026-06-30T00:00:00Z"), None));
    assert_eq!(history.answer.held, Held::Unknown);
    assert_eq!(history.entries, []);
}

#[test]
fn remarkable_entries_are_marked_and_counted() {
    let history = build(&eventful().0, &Question::default());
    let entry = |position| history.entries.iter().find(|entry| entry.position == position).unwrap();
    assert_eq!(entry(1).marks.in_words(), ["delivered again 2 times"]);
    assert_eq!(entry(5).marks.in_words(), ["superseded, not reflected in Delius"]);
    assert_eq!(entry(8).marks.in_words(), ["late by 6 days 23 h", "out of order"]);
    let counts = &history.counts;
    assert_eq!((counts.late, counts.out_of_order, counts.duplicates), (1, 1, 2));
    assert_eq!((counts.superseded, counts.unreflected, counts.refused_writes), (1, 1, 1));
    assert_eq!((counts.entries, counts.unfinished_writes), (6, 1));
}

#[test]
fn a_duplicate_that_came_later_was_not_known_yet() {
    let history = build(&eventful().0, &asked(None, Some("2026-07-02T00:00:00Z")));
    assert_eq!(history.counts.duplicates, 1);
}

#[test]
fn an_outcome_that_was_recorded_later_was_still_waited_for() {
    let history = build(&eventful().0, &asked(None, Some("2026-07-01T09:00:04Z")));
    assert_eq!(history.entries[0].writes[0].state, WriteState::Pending);
    assert_eq!(history.entries[0].applied_at, None);
    let history = build(&eventful().0, &asked(None, Some("2026-07-01T09:00:05Z")));
    assert_eq!(history.entries[0].writes[0].state, WriteState::Applied);
    assert_eq!(history.entries[0].applied_at, Some(utc("2026-07-01T09:00:04Z")));
}

#[test]
fn an_allocation_without_a_name_is_made_good_by_the_entry_that_reflects_it() {
    let mut story = Story::new();
    let waiting = story.superseded("2026-07-05T08:00:00Z", 2, "2026-07-05T08:00:02Z");
    let reflecting = story.reflected(waiting, 2, "2026-07-06T08:00:02Z");
    let before = build(&story.0, &asked(None, Some("2026-07-06T00:00:00Z")));
    assert!(before.entries[0].marks.unreflected);
    let after = build(&story.0, &Question::default());
    assert_eq!(after.entries[0].marks.reflected_by, Some(reflecting));
    assert!(!after.entries[0].marks.unreflected);
    assert_eq!(after.entries[0].marks.superseded_by, None, "its own mark says it");
}

#[test]
fn who_held_the_case_without_a_known_name_is_told_with_its_caveat_in_every_form() {
    let mut story = Story::new();
    story.superseded("2026-07-15T08:00:00Z", 485_199, "2026-07-15T08:00:02Z");
    let history = build(&story.0, &asked(Some("2026-07-20T08:00:00Z"), None));
    assert_eq!((history.answer.held, holder_code(&history)), (Held::Somebody, Some(485_199)));
    for format in [Format::Table, Format::Json, Format::Csv, Format::Html] {
        let told = render::render(&history, format).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in ["485199", "the name behind this staff code is not known yet"] {
            assert!(told.contains(expected), "{expected:?} is missing in\n{told}");
        }
    }
}

#[test]
fn a_message_that_is_parked_again_was_parked_for_the_first_reason_before() {
    let mut story = eventful();
    story.parked(&[("HandlerFailed", "2026-07-02T00:00:00Z"), ("ForeignDetailUrl", "2026-07-04T00:00:00Z")]);
    let reasons = |known_at| {
        let parked = build(&story.0, &asked(None, known_at)).parked;
        parked.into_iter().map(|item| (item.reason, item.recorded_at)).collect::<Vec<_>>()
    };
    assert_eq!(reasons(Some("2026-07-01T00:00:00Z")), []);
    let first = [("HandlerFailed".to_owned(), utc("2026-07-02T00:00:00Z"))];
    assert_eq!(reasons(Some("2026-07-03T00:00:00Z")), first);
    assert_eq!(reasons(None), [("ForeignDetailUrl".to_owned(), utc("2026-07-04T00:00:00Z"))]);
}

#[test]
fn pages_are_cut_by_position_and_counts_are_of_all_pages() {
    let story = eventful();
    let first = build(&story.0, &Question { limit: Some(2), ..Question::default() });
    assert_eq!((first.entries.len(), first.page.next, first.counts.entries), (2, Some(3), 6));
    let second = build(&story.0, &Question { limit: Some(4), after: 3, ..Question::default() });
    assert_eq!(second.entries.len(), 4);
    assert_eq!(second.page.next, None);
}

#[test]
fn an_answer_is_provisional_while_an_append_of_that_time_is_under_way() {
    let mut story = eventful();
    story.0.unsettled_since = Some(utc("2026-07-20T00:00:00Z"));
    assert!(!build(&story.0, &asked(None, Some("2026-07-19T00:00:00Z"))).provisional);
    assert!(build(&story.0, &asked(None, Some("2026-07-20T00:00:00Z"))).provisional);
    assert!(build(&story.0, &asked(None, Some("2027-01-01T00:00:00Z"))).provisional);
}

#[test]
fn the_json_has_the_names_that_readers_rely_on() {
    let json = serde_json::to_value(build(&eventful().0, &Question::default())).unwrap();
    assert_eq!(json["nomsId"], "A1234BC");
    assert_eq!(json["answer"]["held"], "nobody");
    assert_eq!(json["timeline"][0]["holder"]["staffCode"], 1);
    assert_eq!(json["entries"][0]["writes"][0]["outcome"], "PomAllocated");
    assert_eq!(json["entries"][0]["writes"][0]["changes"][0]["table"], "prison_offender_manager");
    assert_eq!(json["entries"][0]["occurredAt"], "2026-07-01T09:00:00Z");
}

#[test]
fn a_case_that_is_not_ready_has_the_outcome_by_its_name_in_every_format() {
    let mut story = eventful();
    let provenance = provenance("m0", utc("2026-08-01T09:00:00Z"), utc("2026-08-01T09:00:02Z"));
    let event = CaseEvent::AllocationNotReady { provenance, at: utc("2026-08-01T09:00:00Z") };
    let position = story.event(utc("2026-08-01T09:00:04Z"), event);
    let history = build(&story.0, &Question::default());
    let json = serde_json::to_value(&history).unwrap();
    let entries = json["entries"].as_array().unwrap();
    assert_eq!(entries.last().unwrap()["outcome"], "NotReadyToAllocate");
    assert!(entries[0].get("outcome").is_none(), "what has writes has the outcomes of those");
    for format in [Format::Table, Format::Csv, Format::Html] {
        assert!(render::render(&history, format).unwrap().contains("NotReadyToAllocate"), "{format:?}");
    }
    let explained = explain(&story.0, position).unwrap().render(Format::Table).unwrap().unwrap();
    assert!(explained.contains("NotReadyToAllocate"), "{explained}");
}

#[test]
fn every_form_shows_what_an_entry_rests_on() {
    let mut story = eventful();
    story.0.journal.insert(1, (13, "f00d".repeat(16)));
    let history = build(&story.0, &Question::default());
    let sha256 = history.entries[0].evidence.message_sha256.clone().unwrap();
    let hash = "f00d".repeat(16);
    for (format, expected) in [
        (Format::Json, [sha256.as_str(), &hash]),
        (Format::Csv, [sha256.as_str(), &hash]),
        (Format::Html, [sha256.as_str(), &hash]),
        (Format::Table, [&sha256[..12], "journal 13"]),
    ] {
        let told = render::render(&history, format).unwrap();
        for expected in expected {
            assert!(told.contains(expected), "{expected:?} is missing in\n{told}");
        }
    }
    let known = build(&story.0, &asked(None, Some("2026-12-30T00:00:00Z")));
    assert_eq!(known.entries[0].evidence.journal, None, "when it was entered is no part of what was known");
}
