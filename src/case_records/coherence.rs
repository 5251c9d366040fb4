//! What this replica knows of its own freshness: which invalidations it received, whether it would receive the next
//! one, and whether the change feed is current.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::future::Cache;

use super::{CaseRecordsConfig, FeedHealth, feed::ConsumerReport};
use crate::case::{Crn, NomsNumber};

/// Number of a LISTEN connection; zero is "none". A record cached under another connection may have missed an
/// invalidation and is not served from memory.
pub(super) type ListenConnection = u64;

/// State shared by the listener, which updates it, and the readers.
#[derive(Debug)]
pub(super) struct Coherence {
    config: CaseRecordsConfig,
    born: Instant,
    connection: AtomicU64,
    connections: AtomicU64,
    invalidations_seen: AtomicU64,
    /// Milliseconds since creation, plus one, at which the latest returned token was sent; zero is "never".
    proven: AtomicU64,
    feed: Mutex<(FeedHealth, Option<Instant>)>,
    dropped: Cache<Crn, i64>,
    /// By NOMS number: the count of invalidations at its last one.
    dropped_numbers: Cache<NomsNumber, u64>,
}

/// What an invalidation names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InvalidatedId {
    /// A case, and the generation of the invalidation.
    Case(Crn, i64),
    /// A NOMS number, whichever case has it.
    Number(NomsNumber),
    /// Something that this version does not understand.
    Unclear,
}

impl Coherence {
    pub(super) fn new(config: CaseRecordsConfig) -> Self {
        Self {
            born: Instant::now(),
            connection: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            invalidations_seen: AtomicU64::new(0),
            proven: AtomicU64::new(0),
            feed: Mutex::new((FeedHealth::Unknown, None)),
            dropped: Cache::builder().time_to_live(config.stale_limit).build(),
            dropped_numbers: Cache::builder().time_to_live(config.stale_limit).build(),
            config,
        }
    }

    // Updated by the listener.

    pub(super) fn connected(&self) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        self.connection.store(number, Ordering::SeqCst);
    }

    pub(super) fn disconnected(&self) {
        self.connection.store(0, Ordering::SeqCst);
        self.proven.store(0, Ordering::SeqCst);
        self.invalidations_seen.fetch_add(1, Ordering::SeqCst);
    }

    /// An invalidation was received.
    pub(super) async fn invalidated(&self, named: InvalidatedId) {
        if let InvalidatedId::Case(crn, generation) = &named {
            let known = self.dropped.get(crn).await.unwrap_or(i64::MIN);
            self.dropped.insert(crn.clone(), known.max(*generation)).await;
        }
        if let InvalidatedId::Number(noms) = named {
            self.dropped_numbers.insert(noms, self.invalidations_seen() + 1).await;
        }
        // Last, so that whoever sees the new count also finds the entry.
        self.invalidations_seen.fetch_add(1, Ordering::SeqCst);
    }

    /// A token sent at `said` came back on the connection: everything committed before it was received.
    pub(super) fn confirm_listening(&self, said: Instant) {
        let stamp = u64::try_from(said.saturating_duration_since(self.born).as_millis()).unwrap_or(0) + 1;
        self.proven.fetch_max(stamp, Ordering::SeqCst);
    }

    pub(super) fn observe(&self, heartbeats: Option<&[ConsumerReport]>) {
        let health = heartbeats.map_or(FeedHealth::Unknown, |it| FeedHealth::judge(it, &self.config));
        *self.feed.lock().unwrap_or_else(PoisonError::into_inner) = (health, Some(Instant::now()));
    }

    // Asked by the readers.

    /// How current the change feed is, as far as this replica knows.
    pub(super) fn feed(&self) -> FeedHealth {
        match *self.feed.lock().unwrap_or_else(PoisonError::into_inner) {
            (health, Some(at)) if at.elapsed() <= self.config.coherence_limit => health,
            _ => FeedHealth::Unknown,
        }
    }

    /// Whether invalidations reach this replica, confirmed within the limit.
    pub(super) fn receives_invalidations(&self) -> bool {
        let proven = self.proven.load(Ordering::SeqCst);
        proven > 0
            && self.born.elapsed().saturating_sub(Duration::from_millis(proven - 1))
                <= self.config.coherence_limit
    }

    /// Whether what this replica holds in memory may be served as current.
    pub(super) fn may_serve_from_memory(&self) -> bool {
        self.receives_invalidations() && self.feed() == FeedHealth::Current
    }

    pub(super) fn connection(&self) -> ListenConnection {
        self.connection.load(Ordering::SeqCst)
    }

    /// Number of invalidations received so far; a broken connection counts as one.
    pub(super) fn invalidations_seen(&self) -> u64 {
        self.invalidations_seen.load(Ordering::SeqCst)
    }

    /// Whether an answer that contains the invalidations up to `generation` is not outdated by a later one.
    pub(super) async fn contains_all(&self, crn: &Crn, generation: i64) -> bool {
        self.dropped.get(crn).await.is_none_or(|dropped| dropped <= generation)
    }

    /// Whether a read that began at this count of invalidations is not outdated by a later one of its NOMS number.
    pub(super) async fn contains_all_of_number(
        &self,
        noms: Option<&NomsNumber>,
        invalidations_seen: u64,
    ) -> bool {
        let Some(noms) = noms else { return true };
        self.dropped_numbers.get(noms).await.is_none_or(|dropped| dropped <= invalidations_seen)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn current(coherence: &Coherence) {
        coherence.observe(Some(&[ConsumerReport { age: Duration::ZERO, lag: Duration::ZERO }]));
    }

    #[test]
    fn memory_is_trusted_only_with_a_current_feed_and_a_proof_of_hearing() {
        let coherence = Coherence::new(CaseRecordsConfig::default());
        assert!(!coherence.may_serve_from_memory(), "nothing is known yet");
        coherence.connected();
        current(&coherence);
        assert!(!coherence.may_serve_from_memory(), "connected, and nothing heard yet");
        coherence.confirm_listening(Instant::now());
        assert!(coherence.may_serve_from_memory());
        coherence.observe(None);
        assert!(!coherence.may_serve_from_memory(), "the store did not answer");
        current(&coherence);
        coherence.disconnected();
        assert!(!coherence.may_serve_from_memory(), "the connection broke");
    }

    #[test]
    fn an_old_proof_is_none() {
        let config = CaseRecordsConfig { coherence_limit: Duration::ZERO, ..CaseRecordsConfig::default() };
        let mut coherence = Coherence::new(config);
        coherence.born = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        coherence.connected();
        coherence.confirm_listening(coherence.born);
        assert!(!coherence.receives_invalidations());
    }

    #[tokio::test]
    async fn an_answer_is_outdated_by_a_later_invalidation_of_its_case_alone() {
        let coherence = Coherence::new(CaseRecordsConfig::default());
        let crn: Crn = "X000001".parse().unwrap();
        assert!(coherence.contains_all(&crn, 1).await);
        coherence.invalidated(InvalidatedId::Case(crn.clone(), 7)).await;
        coherence.invalidated(InvalidatedId::Case(crn.clone(), 5)).await;
        assert!(!coherence.contains_all(&crn, 6).await);
        assert!(
            coherence.contains_all(&crn, 7).await,
            "the read began after the invalidation had its number"
        );
        assert!(coherence.contains_all(&"X000002".parse().unwrap(), 1).await);
    }

    #[tokio::test]
    async fn a_read_is_outdated_by_an_invalidation_of_its_number_that_is_heard_after_it_began() {
        let coherence = Coherence::new(CaseRecordsConfig::default());
        let (noms, other): (NomsNumber, NomsNumber) =
            ("A0001AA".parse().unwrap(), "A0002AA".parse().unwrap());
        let before = coherence.invalidations_seen();
        coherence.invalidated(InvalidatedId::Number(noms.clone())).await;
        assert!(!coherence.contains_all_of_number(Some(&noms), before).await);
        assert!(coherence.contains_all_of_number(Some(&noms), coherence.invalidations_seen()).await);
        assert!(coherence.contains_all_of_number(Some(&other), before).await);
        assert!(coherence.contains_all_of_number(None, before).await);
    }
}
