//! Times in messages: every spelling of RFC 3339, and the local and short ones that Delius writes.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Europe::London;

/// Clocks differ; what lies further ahead of its receipt than this has not happened.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::days(1);

/// No spelling of a time is longer.
const MAX_LENGTH: usize = 40;

/// The days that ended with a leap second (IERS, Bulletin C), as year and whether it was in December.
const LEAP_SECONDS: [(i32, bool); 27] = [
    (1972, false),
    (1972, true),
    (1973, true),
    (1974, true),
    (1975, true),
    (1976, true),
    (1977, true),
    (1978, true),
    (1979, true),
    (1981, false),
    (1982, false),
    (1983, false),
    (1985, false),
    (1987, true),
    (1989, true),
    (1990, true),
    (1992, false),
    (1993, false),
    (1994, false),
    (1995, true),
    (1997, false),
    (1998, true),
    (2005, true),
    (2008, true),
    (2012, false),
    (2015, false),
    (2016, true),
];

/// What is wrong with a time, and the remedy, when nothing of ours can have happened then. Neither database keeps
/// every year that a text can name, and Delius would show the case held since then, or not before.
pub(crate) fn fault(time: DateTime<Utc>, received_at: DateTime<Utc>) -> Option<&'static str> {
    // 1990-01-01, long before either system.
    if time.timestamp() < 631_152_000 {
        Some("lies before 1990-01-01; have it corrected and sent again, and skip this message")
    } else if time > received_at + CLOCKS_DIFFER {
        Some(
            "lies more than a day after the message was received; retry it once that time has come, or have it \
             corrected and sent again, and skip this message",
        )
    } else {
        None
    }
}

/// Parses `2026-07-01T09:00:00Z` with any offset (`Z`, `+01:00`, `+0100`, `+01`), with or without seconds and fraction,
/// in small letters or with a blank in place of the `T`. A time without an offset is Europe/London, as Delius writes
/// them; of an hour that the clocks repeat the first is taken, and a time that the clocks skip does not exist.
///
/// A second 60 is accepted only where there was a leap second.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    // Java prints the name of a zone behind the offset.
    let text = text.split_once('[').map_or(text, |(time, _)| time).trim();
    if text.len() > MAX_LENGTH {
        return None;
    }
    let text = normalised(text)?;
    let time = with_offset(&text).or_else(|| local(&text))?;
    // chrono represents second 60 as a second whose nanoseconds exceed a thousand million.
    let leap = time.nanosecond() >= 1_000_000_000;
    (!leap || was_leap_second(time)).then_some(time)
}

/// The date, a `T`, and the rest without blanks and in capitals.
fn normalised(text: &str) -> Option<String> {
    let (date, time) = (text.get(..10)?, text.get(10..)?);
    let rest = time.strip_prefix(['T', 't', ' ', '_'])?;
    let rest: String = rest.chars().filter(|c| *c != ' ').collect();
    Some(format!("{date}T{}", rest.to_ascii_uppercase().replace(',', ".")))
}

fn with_offset(text: &str) -> Option<DateTime<Utc>> {
    let formats = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
    formats.iter().find_map(|format| DateTime::parse_from_str(text, format).ok()).map(|time| time.to_utc())
}

fn local(text: &str) -> Option<DateTime<Utc>> {
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let local = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    match London.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
        LocalResult::None => None,
    }
}

fn was_leap_second(time: DateTime<Utc>) -> bool {
    LEAP_SECONDS.iter().any(|(year, december)| {
        let (month, day) = if *december { (12, 31) } else { (6, 30) };
        let last = NaiveDate::from_ymd_opt(*year, month, day).and_then(|date| date.and_hms_opt(23, 59, 59));
        last.is_some_and(|last| last.and_utc().timestamp() == time.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

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
            ("2026-07-01t09:00:00z", "2026-07-01T09:00:00Z"),
            ("2026-07-01 09:00:00Z", "2026-07-01T09:00:00Z"),
            ("2026-07-01 09:00:00 +00:00", "2026-07-01T09:00:00Z"),
            ("2026-07-01_09:00:00-00:00", "2026-07-01T09:00:00Z"),
            (" 2026-07-01T09:00:00Z ", "2026-07-01T09:00:00Z"),
            ("2026-02-25T11:24", "2026-02-25T11:24:00Z"),
            ("2026-02-25 11:24", "2026-02-25T11:24:00Z"),
        ] {
            assert_eq!(parse(text), expected.parse().ok(), "{text}");
        }
    }

    #[test]
    fn a_second_60_is_accepted_only_where_there_was_a_leap_second() {
        for real in ["2016-12-31T23:59:60Z", "2017-01-01T00:59:60+01:00", "2015-06-30t23:59:60.5z"] {
            assert!(parse(real).is_some(), "{real}");
        }
        for impossible in [
            "2026-07-01T09:00:60Z",
            "2016-12-31T22:59:60Z",
            "2016-12-31T23:58:60Z",
            "2026-12-31T23:59:60Z",
            "2016-12-31T23:59:60+01:00",
            "2016-12-31T23:59:61Z",
            "2026-07-01T09:00:60",
        ] {
            assert_eq!(parse(impossible), None, "{impossible}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let long = "2".repeat(10_000);
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-07-01",
            "2026-07-01T24:00:00Z",
            "2026-07-01T09:60:00Z",
            "2026-07-01T09:00:00+25:00",
            "2026-03-29T01:30:00", // the clocks skip it
            "Δ026-07-01T09:00:00Z",
            &long,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn digits_of_a_fraction_are_read_up_to_the_length_that_a_time_may_have() {
        let of = |digits: usize| parse(&format!("2026-07-01T09:00:00.{}Z", "0".repeat(digits)));
        assert!(of(19).is_some());
        assert_eq!(of(20), None);
    }

    proptest! {
        #[test]
        fn every_spelling_of_rfc_3339_of_one_moment_is_that_moment(
            seconds in 631_152_000_i64..2_000_000_000,
            nanos in 0_u32..1_000_000_000,
            digits in 0_usize..4,
            offset_minutes in -14 * 60..14 * 60_i32,
            separator in prop::sample::select(vec!["T", "t", " ", "_"]),
            spelled in 0_usize..4,
        ) {
            let nanos = if digits == 0 { 0 } else { nanos };
            let precision = [SecondsFormat::Secs, SecondsFormat::Millis, SecondsFormat::Micros, SecondsFormat::Nanos][digits];
            let moment = DateTime::from_timestamp(seconds, nanos).unwrap();
            let text = match spelled {
                0 => moment.to_rfc3339_opts(precision, true),
                1 => moment.to_rfc3339_opts(precision, true).to_lowercase(),
                _ => {
                    let offset = chrono::FixedOffset::east_opt(offset_minutes * 60).unwrap();
                    moment.with_timezone(&offset).to_rfc3339_opts(precision, false)
                }
            };
            let text = text.replacen(['T', 't'], separator, 1);
            let unit = 10_i64.pow(9 - 3 * digits as u32);
            let expected = DateTime::from_timestamp_nanos(moment.timestamp_nanos_opt().unwrap() / unit * unit);
            prop_assert_eq!(parse(&text), Some(expected), "{}", text);
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "\\PC{0,50}") {
            let _ = parse(&text);
        }
    }
}
