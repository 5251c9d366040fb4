//! What an auditor asks: the time in the world and the time of knowing.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Europe::London;

/// Entries listed when nobody asks for another number: a history may have tens of thousands.
pub const PAGE: usize = 1000;

/// The question put to a history. Nothing fixed asks what we know now of all times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Question {
    /// What was true in the world at this time; later facts are left out.
    pub as_of: Option<DateTime<Utc>>,
    /// What was known at this time: only what had been recorded by then counts.
    pub known_at: Option<DateTime<Utc>>,
    /// Only entries after this position are listed: stable paging.
    pub after: u64,
    /// Largest number of entries to list; all when absent.
    pub limit: Option<usize>,
}

/// A moment as people write it.
///
/// ```
/// use manage_pom_cases_and_delius::audit::history::Moment;
/// let utc = |text: &str| text.parse::<Moment>().unwrap().0.to_rfc3339();
/// assert_eq!(utc("2026-07-01T10:00:00Z"), "2026-07-01T10:00:00+00:00");
/// assert_eq!(utc("2026-07-01T10:00"), "2026-07-01T09:00:00+00:00"); // the clock in London
/// assert_eq!(utc("2026-03-03"), "2026-03-03T23:59:59.999999+00:00"); // the end of that day
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTime {
    /// It is written otherwise.
    #[error(
        "not a time: expected 2026-03-03 (the end of that day), 2026-03-03T10:00 (London time) or \
         2026-03-03T10:00:00Z"
    )]
    Unreadable,
    /// The clock in London skipped it.
    #[error(
        "this time does not exist in London, because the clocks went forward; write it with Z or an offset"
    )]
    Skipped,
}

impl FromStr for Moment {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let at = read(text.trim())?;
        // The store does not keep every year that can be written.
        if (0..=9999).contains(&at.year()) { Ok(Self(at)) } else { Err(InvalidTime::Unreadable) }
    }
}

fn read(text: &str) -> Result<DateTime<Utc>, InvalidTime> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let next = date.checked_add_days(Days::new(1)).ok_or(InvalidTime::Unreadable)?;
        let end = in_london(next.and_time(NaiveTime::MIN))?;
        return Ok(end - chrono::TimeDelta::microseconds(1));
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .ok_or(InvalidTime::Unreadable)
        .and_then(in_london)
}

/// An hour that occurs twice in autumn means the later one: what was true at its end.
fn in_london(local: NaiveDateTime) -> Result<DateTime<Utc>, InvalidTime> {
    let at = London.from_local_datetime(&local).latest().ok_or(InvalidTime::Skipped)?;
    Ok(at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_day_ends_at_midnight_in_london() {
        let moment: Moment = "2026-07-01".parse().unwrap();
        assert_eq!(moment.0.to_rfc3339(), "2026-07-01T22:59:59.999999+00:00");
    }

    #[test]
    fn an_hour_that_comes_twice_means_the_later_one() {
        let moment: Moment = "2026-10-25T01:30".parse().unwrap();
        assert_eq!(moment.0.to_rfc3339(), "2026-10-25T01:30:00+00:00");
    }

    #[test]
    fn a_time_that_never_was_is_refused_with_the_remedy() {
        assert_eq!("2026-03-29T01:30".parse::<Moment>(), Err(InvalidTime::Skipped));
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_forms_that_are() {
        for text in ["", "yesterday", "03/03/2026", "2026-13-01", "2026-03-03T25:00"] {
            assert_eq!(text.parse::<Moment>(), Err(InvalidTime::Unreadable), "{text}");
        }
        for text in
            ["+262142-12-30", "-262143-01-01", "-262143-01-01T00:00", "+12026-01-01T10:00", "-0001-01-01"]
        {
            assert_eq!(text.parse::<Moment>(), Err(InvalidTime::Unreadable), "{text}");
        }
    }
}
