//! London time: the wall clock that Delius stores without a zone, and times as people in England and Wales read them.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Europe::London;

/// The wall clock of London at an instant, cut to whole seconds: how Delius stores a time.
///
/// In the hour that the clocks repeat in autumn two instants an hour apart have the same wall-clock time, and an
/// event of the second pass can get an earlier time than one of the first. Whoever writes or compares rows of one case
/// has to keep their order; see [`is_second_pass`].
pub fn wall_clock(at: DateTime<Utc>) -> NaiveDateTime {
    let offset = at.with_timezone(&London).offset().fix();
    // At the ends of the calendar there is no room for the offset.
    let local = at.naive_utc().checked_add_offset(offset).unwrap_or(at.naive_utc());
    local.with_nanosecond(0).unwrap_or(local)
}

/// Whether the wall clock showed the same time an hour before, because the clocks had gone back.
pub fn is_second_pass(at: DateTime<Utc>) -> bool {
    match London.from_local_datetime(&wall_clock(at)) {
        LocalResult::Ambiguous(_, second) => at >= second,
        LocalResult::Single(_) | LocalResult::None => false,
    }
}

/// `dd/MM/yyyy HH:mm:ss`, as notes and telemetry print a time.
pub fn wall_date_time(time: NaiveDateTime) -> String {
    time.format("%d/%m/%Y %H:%M:%S").to_string()
}

/// `dd/MM/yyyy`, as notes print a date.
pub fn wall_date(time: NaiveDateTime) -> String {
    time.format("%d/%m/%Y").to_string()
}

/// `01/07/2026 10:00:00`, by the clock in London.
pub fn date_time(at: DateTime<Utc>) -> String {
    at.with_timezone(&London).format("%d/%m/%Y %H:%M:%S").to_string()
}

/// `01/07/2026 10:00:00 BST`: with the name of the clock, which distinguishes the hour that occurs twice in autumn.
pub fn date_time_zone(at: DateTime<Utc>) -> String {
    at.with_timezone(&London).format("%d/%m/%Y %H:%M:%S %Z").to_string()
}

/// `01/07/2026`, by the clock in London.
pub fn date_of(at: DateTime<Utc>) -> String {
    at.with_timezone(&London).format("%d/%m/%Y").to_string()
}

/// `01/07/2026`.
pub fn date(date: NaiveDate) -> String {
    date.format("%d/%m/%Y").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn printed(instant: &str) -> String {
        wall_date_time(wall_clock(instant.parse().unwrap()))
    }

    #[test]
    fn summer_is_an_hour_ahead_and_winter_is_not() {
        assert_eq!(printed("2026-07-01T09:00:00Z"), "01/07/2026 10:00:00");
        assert_eq!(printed("2026-12-01T09:00:00Z"), "01/12/2026 09:00:00");
        assert_eq!(printed("2026-06-30T23:30:00Z"), "01/07/2026 00:30:00");
    }

    #[test]
    fn fractions_of_a_second_are_cut_and_not_rounded() {
        assert_eq!(printed("2026-12-01T09:00:59.999999999Z"), "01/12/2026 09:00:59");
    }

    #[test]
    fn no_instant_is_too_early_or_too_late() {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert_eq!(wall_date(wall_clock(at)), wall_date(at.naive_utc()));
        }
    }

    #[test]
    fn the_clock_jumps_in_spring_and_repeats_an_hour_in_autumn() {
        assert_eq!(printed("2026-03-29T00:59:59Z"), "29/03/2026 00:59:59");
        assert_eq!(printed("2026-03-29T01:00:00Z"), "29/03/2026 02:00:00");
        assert_eq!(printed("2026-10-25T00:30:00Z"), "25/10/2026 01:30:00");
        assert_eq!(printed("2026-10-25T01:30:00Z"), "25/10/2026 01:30:00");
        for (at, second) in [
            ("2026-10-25T00:30:00Z", false),
            ("2026-10-25T01:00:00Z", true),
            ("2026-10-25T01:59:59Z", true),
            ("2026-10-25T02:00:00Z", false),
            ("2026-07-01T01:30:00Z", false),
        ] {
            assert_eq!(is_second_pass(at.parse().unwrap()), second, "{at}");
        }
    }

    #[test]
    fn summer_times_are_an_hour_ahead_of_utc_and_winter_times_are_not() {
        assert_eq!(date_time("2026-07-01T09:00:00Z".parse().unwrap()), "01/07/2026 10:00:00");
        assert_eq!(date_time("2026-12-01T09:00:00Z".parse().unwrap()), "01/12/2026 09:00:00");
        assert_eq!(date_of("2026-07-01T23:30:00Z".parse().unwrap()), "02/07/2026");
    }

    #[test]
    fn no_instant_is_too_early_or_too_late_to_print() {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert!(!date_time(at).is_empty() && !date_time_zone(at).is_empty() && !date_of(at).is_empty());
        }
    }

    #[test]
    fn the_hour_that_comes_twice_in_autumn_is_told_apart() {
        assert_eq!(date_time_zone("2026-10-25T00:30:00Z".parse().unwrap()), "25/10/2026 01:30:00 BST");
        assert_eq!(date_time_zone("2026-10-25T01:30:00Z".parse().unwrap()), "25/10/2026 01:30:00 GMT");
    }
}
