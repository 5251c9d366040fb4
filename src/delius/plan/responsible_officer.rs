//! The responsible officer follows the prison offender manager, if the manager was the responsible officer.

use chrono::NaiveDateTime;

use super::rows::{RoRow, RowRef};

/// How the POM rows of a person changed at an instant.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    /// From when the case is held by `target`.
    pub(crate) at: NaiveDateTime,
    /// Until when, if there is an end.
    pub(crate) until: Option<NaiveDateTime>,
    /// The POM row that holds the case from `at` on.
    pub(crate) target: RowRef,
    /// POM rows that lost `[at, until)` to it and keep what was before.
    pub(crate) shortened: Vec<RowRef>,
    /// POM rows that are gone: they started at `at`, or are plans.
    pub(crate) gone: Vec<RowRef>,
}

/// Who lost the responsibility at the instant of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The manager who is replaced.
    Current,
    /// A planned manager, who was to become responsible later.
    Planned(RowRef),
}

/// Changes the responsible-officer rows accordingly; says who lost the responsibility at `at` to the target, if anybody.
///
/// - If (and only if) the manager who is replaced is responsible at `at`, that row ends at `at` and the new manager is
///   responsible from `at` to where it ended. A row that starts at `at` is pointed at the new manager instead, so that
///   no row without length remains.
/// - A community offender manager's row is never touched, and where nobody is responsible nobody becomes it.
/// - Rows that point at a POM row that is gone, and later rows of the replaced manager within the time that the new
///   one takes over, follow to the POM row that holds the case then. They keep their dates.
/// - Should Delius hold a responsibility that outlives the POM row it points at, the part after `until` stays as it
///   was: a write changes nothing outside the time of its own POM row, and never leaves a person without a
///   responsible officer who had one.
pub(crate) fn follow(rows: &mut Vec<RoRow>, step: &Move) -> Option<Lost> {
    let mut lost = None;
    for i in 0..rows.len() {
        let Some(pom) = rows[i].pom else { continue };
        let covers = rows[i].covers(step.at);
        if step.gone.contains(&pom) {
            lost = lost.or(covers.then_some(Lost::Current));
            rows[i].pom = Some(step.target);
        } else if step.shortened.contains(&pom) {
            let later = rows[i].start > step.at && step.until.is_none_or(|until| rows[i].start < until);
            if covers && rows[i].start < step.at {
                lost = Some(Lost::Current);
                split(rows, i, step);
            } else if covers || later {
                lost = lost.or(covers.then_some(Lost::Current));
                rows[i].pom = Some(step.target);
            }
        }
    }
    lost
}

/// A planned manager who is replaced was to become responsible: where nobody is until then, the new manager is from `at`
/// on. Must be asked before the rows [follow](follow), which forget who was planned.
pub(crate) fn bring_forward(rows: &mut [RoRow], at: NaiveDateTime, plans: &[RowRef]) -> Option<Lost> {
    let planned =
        |row: &RoRow| row.start > at && row.end.is_none() && row.pom.is_some_and(|pom| plans.contains(&pom));
    let i = rows.iter().position(planned)?;
    let until = rows[i].start;
    let somebody = |row: &RoRow| row.start < until && row.end.is_none_or(|end| end > at);
    if rows.iter().any(somebody) {
        return None;
    }
    rows[i].start = at;
    rows[i].pom.map(Lost::Planned)
}

fn split(rows: &mut Vec<RoRow>, i: usize, step: &Move) {
    let old = rows[i].clone();
    let end = match (old.end, step.until) {
        (Some(old), Some(until)) => Some(old.min(until)),
        (old, until) => old.or(until),
    };
    rows[i].end = Some(step.at);

    let inserted = |pom, start, end| RoRow { id: None, version: 0, pom, start, end, ..old.clone() };
    rows.push(inserted(Some(step.target), step.at, end));
    if let Some(end) = end.filter(|_| end != old.end) {
        rows.push(inserted(old.pom, end, old.end));
    }
}
