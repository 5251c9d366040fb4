//! Times in messages.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Europe::London;

/// Clocks differ; what lies further ahead of its receipt than this has not happened.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::days(1);

/// What is wrong with a time, and the remedy, when nothing of ours can have happened then. Neither database keeps
/// every year that a text can name, and Delius would show the case held since then, or not before.
pub(crate) fn fault(time: DateTime<Utc>, received_at: DateTime<Utc>) -> Option<&'static str> {
    // 1990-01-01, long before either system.
    if time.timestamp() < 631_152_000 {
        Some("lies before 1990-01-01; have it put right and sent again, and skip this message")
    } else if time > received_at + CLOCKS_DIFFER {
        Some(
            "lies more than a day after the message was received; retry it once that time has come, or have it put \
             right and sent again, and skip this message",
        )
    } else {
        None
    }
}

/// Parses `2026-07-01T09:00:00Z` with any offset (`Z`, `+01:00`, `+0100`, `+01`) and up to nine digits of
/// fraction. A time without an offset is Europe/London, as Delius writes them; of an hour that the clocks repeat
/// the first is taken, and a time that the clocks skip is none.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    // Java prints a zone's name behind the offset.
    let text = text.split_once('[').map_or(text, |(time, _)| time);
    if text.len() > 40 {
        return None;
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.to_utc());
        }
    }
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    match London.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
        LocalResult::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_and_fraction_is_understood() {
        for (text, expected) in [
            ("2026-07-01T09:00:00Z", "2026-07-01T09:00:00Z"),
            ("2026-07-01T10:00:00+01:00", "2026-07-01T09:00:00Z"),
            ("2026-07-01T10:00:00+0100", "2026-07-01T09:00:00Z"),
            ("2026-07-01T10:00:00+01", "2026-07-01T09:00:00Z"),
            ("2026-07-01T03:30:00.5-05:30", "2026-07-01T09:00:00.5Z"),
            ("2026-07-01T09:00:00.123456789Z", "2026-07-01T09:00:00.123456789Z"),
            ("2026-07-01T10:00:00.1+01:00[Europe/London]", "2026-07-01T09:00:00.1Z"),
            ("2026-07-01T10:00:00", "2026-07-01T09:00:00Z"),
            ("2026-12-01T10:00:00.25", "2026-12-01T10:00:00.25Z"),
            ("2026-07-01T10:00+01:00", "2026-07-01T09:00:00Z"),
        ] {
            assert_eq!(parse(text), expected.parse().ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let long = "2".repeat(10_000);
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-07-01", &long] {
            assert_eq!(parse(text), None);
        }
    }
}
