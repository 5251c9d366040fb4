#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-07-{text}:00Z").parse().unwrap()
}

fn wall(text: &str) -> NaiveDateTime {
    wall_clock(at(text))
}

fn period(from: &str, until: Option<&str>, code: Option<i64>) -> HoldingPeriod {
    let pom = |code| Pom {
        prison: "LEI".parse().unwrap(),
        staff_code: code,
        forename: "ADA".into(),
        surname: format!("BYRON{code}"),
        email: None,
    };
    HoldingPeriod {
        from: at(from),
        until: until.map(at),
        stated_at: at(from),
        holder: code.map(|code| Holder::from(&pom(code))),
        sequences: vec![],
    }
}

fn row(from: &str, until: Option<&str>, code: i64) -> HeldPeriod {
    HeldPeriod {
        holder: CurrentHolder {
            provider: "N03".into(),
            prison: Some("LEI".into()),
            team: "POM".into(),
            forename: "Ada".into(),
            surname: format!("Byron{code}"),
            unallocated: false,
            since: wall(from),
            email: None,
        },
        until: until.map(wall),
    }
}

/// From when to when there is a gap, and who was recorded.
fn found(
    recorded: &[HoldingPeriod],
    held: &[HeldPeriod],
) -> Vec<(DateTime<Utc>, Option<NaiveDateTime>, Option<i64>)> {
    let gaps = gaps(recorded, held, wall("30T12:00"));
    gaps.into_iter().map(|gap| (gap.at, gap.until, gap.recorded.map(|pom| pom.staff_code))).collect()
}

#[test]
fn rows_that_say_what_was_recorded_leave_no_gap() {
    let recorded = [period("01T09:00", Some("05T09:00"), Some(1)), period("05T09:00", None, Some(2))];
    assert_eq!(found(&recorded, &[row("01T09:00", Some("05T09:00"), 1), row("05T09:00", None, 2)]), []);
    // One POM in two rows that follow each other is one period.
    let twice = [
        row("01T09:00", Some("03T09:00"), 1),
        row("03T09:00", Some("05T09:00"), 1),
        row("05T09:00", None, 2),
    ];
    assert_eq!(found(&recorded, &twice), []);
}

#[test]
fn a_row_that_was_ended_by_hand_leaves_a_gap_from_where_it_was_ended() {
    let recorded = [period("01T09:00", Some("05T09:00"), Some(1)), period("05T09:00", None, Some(2))];
    let ended = [row("01T09:00", Some("03T09:00"), 1), row("05T09:00", None, 2)];
    assert_eq!(found(&recorded, &ended), [(at("03T09:00"), Some(wall("05T09:00")), Some(1))]);
    let open = [row("01T09:00", Some("05T09:00"), 1), row("05T09:00", Some("06T09:00"), 2)];
    assert_eq!(found(&recorded, &open), [(at("06T09:00"), None, Some(2))]);
}

#[test]
fn a_row_of_somebody_else_in_the_past_is_a_gap_of_its_own_length() {
    let recorded = [period("01T09:00", None, Some(1))];
    let held = [
        row("01T09:00", Some("03T09:00"), 1),
        row("03T09:00", Some("04T09:00"), 7),
        row("04T09:00", None, 1),
    ];
    assert_eq!(found(&recorded, &held), [(at("03T09:00"), Some(wall("04T09:00")), Some(1))]);
}

#[test]
fn somebody_where_nobody_was_recorded_is_a_gap() {
    let recorded = [period("01T09:00", Some("05T09:00"), Some(1)), period("05T09:00", None, None)];
    assert_eq!(found(&recorded, &[row("01T09:00", None, 1)]), [(at("05T09:00"), None, None)]);
    assert_eq!(found(&recorded, &[row("01T09:00", Some("05T09:00"), 1)]), []);
}

#[test]
fn in_the_hour_that_comes_twice_the_order_of_what_happened_counts() {
    let utc = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let mut first = period("01T09:00", None, Some(1));
    let mut second = period("01T09:00", None, Some(2));
    // 01:45 in summer time, then 01:15 in winter time.
    (first.from, first.until) = (utc("2026-10-25T00:45:00Z"), Some(utc("2026-10-25T01:15:00Z")));
    second.from = utc("2026-10-25T01:15:00Z");
    let mut held = row("01T09:00", None, 2);
    held.holder.since = wall_clock(utc("2026-10-25T00:45:00Z"));
    assert_eq!(gaps(&[first, second], &[held], wall_clock(utc("2026-11-01T00:00:00Z"))), []);
}
