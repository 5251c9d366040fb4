//! How the relay works.

use std::time::Duration;

use crate::{delius::Limits, outbox::table};

/// How the relay works.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Name of this worker, unique to the process.
    pub worker: String,
    /// Writes applied at once, each of another case.
    pub concurrency: u32,
    /// How long a claim holds; renewed while the write is applied.
    pub lease: Duration,
    /// How long to sleep when nothing is due and nobody wakes the relay.
    pub poll: Duration,
    /// After so many attempts that failed for an unknown reason, a write is parked.
    pub park_after: u32,
    /// A write that fails the same way for so long while other writes succeed is parked, although the failure looks like
    /// one that passes.
    pub park_after_failing_for: Duration,
    /// Longest pause between two attempts.
    pub longest_backoff: Duration,
    /// How long writes in work may take after a stop was asked for.
    pub drain: Duration,
}

impl RelayConfig {
    /// The usual settings for a worker.
    pub fn of(worker: impl Into<String>) -> Self {
        Self {
            worker: worker.into(),
            concurrency: 8,
            lease: Duration::from_secs(15),
            poll: Duration::from_secs(1),
            park_after: table::PARK_AFTER,
            park_after_failing_for: Duration::from_secs(60 * 60),
            longest_backoff: Duration::from_secs(60),
            drain: Duration::from_secs(15),
        }
    }

    /// Settings that do not fit together or those of Delius, each with what it leads to.
    pub fn risks(&self, delius: Limits) -> Vec<&'static str> {
        let risks = [
            (
                self.lease <= delius.write,
                "the lease is not longer than a write to Delius may take: a renewal that fails makes two workers try the \
                 same write",
            ),
            (
                self.drain > Duration::from_secs(20),
                "the drain takes so long that a stop may not end within 30 s: leases have to run out",
            ),
        ];
        risks.into_iter().filter_map(|(risky, why)| risky.then_some(why)).collect()
    }
}
