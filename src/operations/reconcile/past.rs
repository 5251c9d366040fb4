//! The recorded timeline against the rows in Delius, at every date: where Delius has somebody else than was recorded.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Europe::London;

use crate::{
    case::{DeliusWrite, Holder, Holding, HoldingPeriod, Pom},
    delius::{CurrentHolder, HeldPeriod},
    london::wall_clock,
    operations::reconcile::compare::is_held,
};

/// A period in which Delius has somebody else than was recorded, or nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// From when, and by the clock in London, as Delius writes it.
    pub at: DateTime<Utc>,
    pub from: NaiveDateTime,
    /// `None` = to this day.
    pub until: Option<NaiveDateTime>,
    /// Who was recorded; `None` = nobody.
    pub recorded: Option<Pom>,
    pub held: Option<CurrentHolder>,
}

impl Gap {
    /// The recorded holding from the beginning of the gap on. Whatever row starts there gives way to it.
    pub fn write(&self) -> DeliusWrite {
        DeliusWrite::from(Holding { at: self.at, pom: self.recorded.clone(), overtaken: false })
    }
}

/// The gaps, in order of time. Periods that begin in the future are not compared.
pub(super) fn gaps(recorded: &[HoldingPeriod], held: &[HeldPeriod], now: NaiveDateTime) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = vec![];
    // In the hour that comes twice the later of two periods may have the earlier time by the clock.
    let mut begun = NaiveDateTime::MIN;
    for period in recorded {
        let from = wall_clock(period.from).max(begun);
        let until = period.until.map(|until| wall_clock(until).max(from));
        begun = from;
        let pom = period.holder.as_ref().and_then(Holder::pom);
        for (start, end) in pieces(from, until, held, now) {
            let holder = holder_at(held, start);
            if is_held(pom.as_ref(), holder) {
                continue;
            }
            let joins = |last: &Gap| last.until == Some(start) && last.recorded == pom && start > from;
            match gaps.last_mut().filter(|last| joins(last) && last.held.as_ref() == holder) {
                Some(last) => last.until = end,
                None => gaps.push(Gap {
                    at: utc(start).max(period.from),
                    from: start,
                    until: end,
                    recorded: pom.clone(),
                    held: holder.cloned(),
                }),
            }
        }
    }
    gaps
}

/// When the last recorded period begins by the clock in London, which an earlier period may have shown already.
pub(super) fn begin(recorded: &[HoldingPeriod]) -> Option<NaiveDateTime> {
    recorded.iter().map(|period| wall_clock(period.from)).max()
}

/// Since when Delius has had the holder without a break: a row that was ended by hand and the row that continues it are one
/// holding.
pub(super) fn held_since(holder: &CurrentHolder, held: &[HeldPeriod]) -> NaiveDateTime {
    let same = |row: &HeldPeriod| {
        let (since, email) = (holder.since, holder.email.clone());
        CurrentHolder { since, email, ..row.holder.clone() } == *holder
    };
    let mut since = holder.since;
    while let Some(before) =
        held.iter().find(|row| row.until == Some(since) && row.holder.since < since && same(row))
    {
        since = before.holder.since;
    }
    since
}

/// The period cut at every start and end of a row, up to now.
fn pieces(
    from: NaiveDateTime,
    until: Option<NaiveDateTime>,
    held: &[HeldPeriod],
    now: NaiveDateTime,
) -> Vec<(NaiveDateTime, Option<NaiveDateTime>)> {
    let inside = |at: &NaiveDateTime| *at > from && until.is_none_or(|until| *at < until) && *at <= now;
    let mut cuts: Vec<NaiveDateTime> =
        held.iter().flat_map(|row| [Some(row.holder.since), row.until]).flatten().filter(inside).collect();
    if from <= now && until.is_none_or(|until| from < until) {
        cuts.push(from);
    }
    cuts.sort();
    cuts.dedup();
    let ends = cuts.iter().skip(1).map(|at| Some(*at)).chain([until]);
    cuts.iter().copied().zip(ends.collect::<Vec<_>>()).collect()
}

/// Who has the case in Delius: the row that started last of those that cover the time.
fn holder_at(held: &[HeldPeriod], at: NaiveDateTime) -> Option<&CurrentHolder> {
    let covers = |row: &&HeldPeriod| row.holder.since <= at && row.until.is_none_or(|until| at < until);
    held.iter().rfind(covers).map(|row| &row.holder)
}

/// The first time with this reading of the clock in London.
pub(super) fn utc(wall: NaiveDateTime) -> DateTime<Utc> {
    London.from_local_datetime(&wall).earliest().map_or_else(|| wall.and_utc(), |at| at.with_timezone(&Utc))
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = |at: NaiveDateTime| at.format("%Y-%m-%d %H:%M:%S").to_string();
        let until = self.until.map_or_else(|| "now".to_owned(), wall);
        let recorded = self
            .recorded
            .as_ref()
            .map_or_else(|| "nobody".to_owned(), |pom| format!("staff {} in {}", pom.staff_code, pom.prison));
        let held = match &self.held {
            Some(held) if !held.unallocated => {
                format!("an officer of {}", held.prison.as_deref().unwrap_or(&held.provider))
            }
            _ => "nobody".to_owned(),
        };
        write!(f, "from {} to {until} recorded is {recorded}, Delius holds {held}", wall(self.from))
    }
}

#[cfg(test)]
#[path = "past_tests.rs"]
mod tests;
