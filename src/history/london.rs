//! Times as people in England and Wales read them.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Europe::London;

/// `01/07/2026 10:00:00`, by the clock in London.
pub(super) fn date_time(at: DateTime<Utc>) -> String {
    at.with_timezone(&London).format("%d/%m/%Y %H:%M:%S").to_string()
}

/// `01/07/2026 10:00:00 BST`: with the name of the clock, where the hour of the autumn change must be told apart.
pub(super) fn date_time_zone(at: DateTime<Utc>) -> String {
    at.with_timezone(&London).format("%d/%m/%Y %H:%M:%S %Z").to_string()
}

/// `01/07/2026`, by the clock in London.
pub(super) fn date_of(at: DateTime<Utc>) -> String {
    at.with_timezone(&London).format("%d/%m/%Y").to_string()
}

/// `01/07/2026`.
pub(super) fn date(date: NaiveDate) -> String {
    date.format("%d/%m/%Y").to_string()
}

/// A length of time in words, in its two largest units.
pub(super) fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1, _, _) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn summer_times_are_an_hour_ahead_of_utc_and_winter_times_are_not() {
        assert_eq!(date_time("2026-07-01T09:00:00Z".parse().unwrap()), "01/07/2026 10:00:00");
        assert_eq!(date_time("2026-12-01T09:00:00Z".parse().unwrap()), "01/12/2026 09:00:00");
        assert_eq!(date_of("2026-07-01T23:30:00Z".parse().unwrap()), "02/07/2026");
    }

    #[test]
    fn no_instant_is_too_early_or_too_late() {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert!(!date_time(at).is_empty() && !date_time_zone(at).is_empty() && !date_of(at).is_empty());
        }
    }

    #[test]
    fn the_hour_that_comes_twice_in_autumn_is_told_apart() {
        assert_eq!(date_time_zone("2026-10-25T00:30:00Z".parse().unwrap()), "25/10/2026 01:30:00 BST");
        assert_eq!(date_time_zone("2026-10-25T01:30:00Z".parse().unwrap()), "25/10/2026 01:30:00 GMT");
    }

    #[test]
    fn lengths_of_time_are_told_in_their_two_largest_units() {
        for (seconds, text) in
            [(-5, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min"), (90_000, "1 day 1 h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
