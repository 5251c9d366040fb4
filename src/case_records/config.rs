//! How long records are cached, and when the cache is trusted.

use std::time::Duration;

/// Bounds of the cache.
#[derive(Debug, Clone)]
pub struct CaseRecordsConfig {
    /// A cached record older than this is read again although no message invalidated it: the bound on how long a
    /// change that Delius publishes no message for (a renamed team) can go unseen. Default 5 minutes. An e-mail
    /// address may be twice as old: the directory's answers are cached for as long.
    pub max_age: Duration,
    /// While Delius does not answer, a cached record may be served, marked as stale, up to this age. Default 4 hours.
    pub stale_limit: Duration,
    /// How long "no such person" is cached. Default 2 seconds: less than the 3 seconds after which Manage POM Cases
    /// reads a case after an event.
    pub negative_age: Duration,
    /// A consumer of the change feed must have polled within this time, or the feed counts as unknown. Default
    /// 5 seconds: it polls every 2.
    pub feed_poll_limit: Duration,
    /// The oldest unprocessed message of the feed may be this old. Default 1 second.
    pub feed_lag_limit: Duration,
    /// A consumer that stopped reporting without signing off may still have a message in flight: until this time has
    /// passed, the feed counts as unknown. Must exceed the queue's visibility timeout. Default 5 minutes.
    pub feed_forget_after: Duration,
    /// How old the last confirmation may be that invalidations reach this replica. Default 2 seconds.
    pub coherence_limit: Duration,
    /// How often that is confirmed. Default 500 milliseconds.
    pub coherence_interval: Duration,
    /// One read of Delius may take this long. Default 5 seconds.
    pub load_timeout: Duration,
    /// Records held in memory. Default 50 000.
    pub memory_entries: u64,
}

impl Default for CaseRecordsConfig {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(300),
            stale_limit: Duration::from_secs(4 * 3600),
            negative_age: Duration::from_secs(2),
            feed_poll_limit: Duration::from_secs(5),
            feed_lag_limit: Duration::from_secs(1),
            feed_forget_after: Duration::from_secs(300),
            coherence_limit: Duration::from_secs(2),
            coherence_interval: Duration::from_millis(500),
            load_timeout: Duration::from_secs(5),
            memory_entries: 50_000,
        }
    }
}
