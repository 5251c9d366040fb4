//! What the POM rows of a person say about one instant.

use chrono::NaiveDateTime;

use super::rows::{DeliusHolder, PomRow};

/// The rows around an instant `at`, as positions in the list they were found in.
///
/// Soft-deleted rows and rows of zero length are ignored. Where the rows overlap (which Delius
/// does not rule out) the one that started last is the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowsAtTime {
    at: NaiveDateTime,
    /// Holds the case at `at`.
    pub(crate) current: Option<usize>,
    /// All rows that cover `at`, the current one among them.
    pub(crate) covering: Vec<usize>,
    /// Those of them that start exactly at `at`: an earlier event of the same second wrote them.
    pub(crate) tied: Vec<usize>,
    /// Held the case just before `at`.
    pub(crate) before: Option<usize>,
    /// The first row after `at` that has begun by now: history, which is kept.
    pub(crate) next_begun: Option<usize>,
    /// Rows that start in the future: plans that an allocation replaces. Empty when rows have begun after `at`,
    /// because then it is not the present allocation, and the plans were made by those who knew the present one.
    pub(crate) plans: Vec<usize>,
}

impl RowsAtTime {
    pub(crate) fn of(rows: &[PomRow], at: NaiveDateTime, now: NaiveDateTime) -> Self {
        let mut order: Vec<usize> = (0..rows.len())
            .filter(|i| !rows[*i].soft_deleted && rows[*i].end.is_none_or(|end| end > rows[*i].start))
            .collect();
        order.sort_by_key(|i| rows[*i].start);
        let those = |matching: &dyn Fn(&PomRow) -> bool| -> Vec<usize> {
            order.iter().copied().filter(|i| matching(&rows[*i])).collect()
        };

        let covering = those(&|row| row.covers(at));
        let present = now.max(at);
        let next_begun = those(&|row| row.start > at && row.start <= present).first().copied();
        Self {
            at,
            current: covering.last().copied(),
            tied: those(&|row| row.covers(at) && row.start == at),
            covering,
            before: those(&|row| row.start < at && row.end.is_none_or(|end| end >= at)).last().copied(),
            next_begun,
            plans: match next_begun {
                Some(_) => Vec::new(),
                None => those(&|row| row.start > present),
            },
        }
    }

    /// Where a row that starts at `at` ends: where the row it splits ends and at the latest where the next row that
    /// has begun starts; with plans replaced, where the last of them ends; open when nothing ends it.
    pub(crate) fn end(&self, rows: &[PomRow]) -> Option<NaiveDateTime> {
        let split = self.current.and_then(|current| rows[current].end);
        match self.next_begun {
            Some(next) => Some(split.map_or(rows[next].start, |split| split.min(rows[next].start))),
            None => self.end_of_plans(rows).unwrap_or(split),
        }
    }

    /// The end of the last plan (itself perhaps open), when there are plans.
    pub(crate) fn end_of_plans(&self, rows: &[PomRow]) -> Option<Option<NaiveDateTime>> {
        self.plans.last().map(|last| rows[*last].end)
    }

    /// The row that held the case until `at` for the same holder who holds it from `at` on. With a row that starts
    /// at `at` the two are one period: either an event of the same second that had replaced the holder is undone by a
    /// later one, or a late event put the same holder before an event that is now asserted again.
    pub(crate) fn continued(&self, rows: &[PomRow], holder: &DeliusHolder) -> Option<usize> {
        self.before.filter(|before| !self.tied.is_empty() && rows[*before].holder.is(holder))
    }

    /// Whose unallocated placeholder takes over from `at` when the case is deallocated; `None` when nobody holds it.
    ///
    /// That is the provider which holds the case. A placeholder that starts at this very instant is an earlier
    /// application of a deallocation and not its own predecessor: the provider is that of the row before it, unless
    /// the placeholder replaced an allocation of the same second in its own provider (which left a soft-deleted row).
    pub(crate) fn provider_to_deallocate<'a>(&self, rows: &'a [PomRow]) -> Option<&'a DeliusHolder> {
        let current = &rows[self.current?];
        let own_second = |row: &PomRow| {
            row.soft_deleted
                && row.start == self.at
                && !row.holder.placeholder
                && row.holder.provider.id == current.holder.provider.id
        };
        let applied_before = current.start == self.at && current.holder.placeholder;
        match self.before {
            Some(before) if applied_before && !rows.iter().any(own_second) => Some(&rows[before].holder),
            _ => Some(&current.holder),
        }
    }
}
