//! The items for which a dependency fails while it answers others.

use std::collections::{BTreeMap, BTreeSet};

/// An item that failed in so many intervals between successes of others is at fault itself. One is not enough: when an
/// outage ends, everything that failed in it has failed in the interval that the first success ends.
const STRIKES: u32 = 2;

/// Items beyond this number are not remembered; they count as failures of the dependency again.
const MAX_ITEMS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct FaultyItems {
    strikes: BTreeMap<String, u32>,
}

impl FaultyItems {
    pub(super) fn contains(&self, item: &str) -> bool {
        self.strikes.get(item).is_some_and(|strikes| *strikes >= STRIKES)
    }

    /// The item succeeded.
    pub(super) fn remove(&mut self, item: &str) {
        self.strikes.remove(item);
    }

    /// The dependency answered others after it had failed for these items.
    pub(super) fn answered_others(&mut self, failed: BTreeSet<String>) {
        for item in failed {
            if self.strikes.len() >= MAX_ITEMS && !self.strikes.contains_key(&item) {
                continue;
            }
            let strikes = self.strikes.entry(item).or_default();
            *strikes = strikes.saturating_add(1);
        }
    }
}
