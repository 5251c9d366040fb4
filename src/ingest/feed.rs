//! Tells the readers how current the change feed is: a cached record may be served only while every consumer of
//! the feed polls, none has an old message in hand, and none may have left an old one unseen in the queue.
//!
//! SQS gives messages in no order: while younger ones come, an old one may wait. That nothing waits is known from a
//! long poll that came back empty, because it asks every server of the queue, and as far as SQS counts from an
//! `ApproximateNumberOfMessages` of zero. It is not known from a poll that brought fewer messages than it asked for
//! (SQS gives what it finds first), nor from a short poll (it asks some servers), nor from a small count (the one that
//! waits may be the old one). A queue that is never drained makes the feed lag, and readers go to Delius.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{case_records, database::in_time};

/// What one consumer has in hand of the change feed.
pub struct FeedWatch {
    store: PgPool,
    consumer: String,
    began: Instant,
    in_hand: Mutex<HashMap<String, InHand>>,
    /// When nothing waited in the queue, and when its count was last asked for.
    drained: Mutex<(Option<Instant>, Option<Instant>)>,
}

#[derive(Clone, Copy)]
struct InHand {
    sent_at: DateTime<Utc>,
    /// Set when it was put back: by then it does no harm to this consumer's knowledge any more.
    forget_at: Option<Instant>,
}

/// A message put back is received again this long after it becomes visible, by whoever polls.
const RECEIVED_AGAIN: Duration = Duration::from_secs(30);
/// A queue that was drained within this time counts as drained; more than readers allow a message to wait.
const DRAINED_WITHIN: Duration = Duration::from_secs(2);
/// The count is asked for no more often, and only while polls bring messages.
const ASK_EVERY: Duration = Duration::from_secs(1);

impl FeedWatch {
    /// A watch that reports under the consumer's name, which is unique to the process.
    pub fn new(store: PgPool, consumer: String) -> Self {
        let began = Instant::now();
        Self { store, consumer, began, in_hand: Mutex::default(), drained: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, InHand>) -> T) -> T {
        act(&mut self.in_hand.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A message of the feed was received.
    pub(crate) fn received(&self, message_id: &str, sent_at: DateTime<Utc>) {
        let entry = InHand { sent_at, forget_at: None };
        self.with(|in_hand| in_hand.insert(message_id.to_owned(), entry));
    }

    /// It was worked through.
    pub(crate) fn finished(&self, message_id: &str) {
        self.with(|in_hand| in_hand.remove(message_id));
    }

    /// It was put back, hidden for this long. One that drops records may have been received for the last time and go to
    /// the dead-letter queue: it counts until every record that it would have dropped is too old by itself.
    pub(crate) fn put_back(&self, message_id: &str, hidden: Duration, drops_records: bool) {
        let counts = if drops_records { case_records::OUTLIVED } else { RECEIVED_AGAIN };
        let forget_at = Some(Instant::now() + hidden + counts);
        self.with(|in_hand| {
            if let Some(entry) = in_hand.get_mut(message_id) {
                entry.forget_at = forget_at;
            }
        });
    }

    /// Nothing waited in the queue at that time.
    pub(crate) fn drained(&self, at: Instant) {
        self.knowledge().0 = Some(at);
    }

    /// Whether the queue's count should be asked for.
    pub(crate) fn should_ask(&self, now: Instant) -> bool {
        let mut knowledge = self.knowledge();
        let due = knowledge.1.is_none_or(|asked| now.duration_since(asked) >= ASK_EVERY);
        if due {
            knowledge.1 = Some(now);
        }
        due
    }

    fn knowledge(&self) -> MutexGuard<'_, (Option<Instant>, Option<Instant>)> {
        self.drained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long a message may have been waiting in the queue unseen.
    fn unseen(&self, now: Instant) -> Duration {
        match self.knowledge().0.map(|at| now.duration_since(at)) {
            Some(ago) if ago <= DRAINED_WITHIN => Duration::ZERO,
            Some(ago) => ago,
            None => DRAINED_WITHIN + now.duration_since(self.began),
        }
    }

    fn lag(&self, now: Instant) -> Duration {
        let oldest = self.with(|in_hand| {
            in_hand.retain(|_, entry| entry.forget_at.is_none_or(|forget_at| forget_at > now));
            in_hand.values().map(|entry| entry.sent_at).min()
        });
        let in_hand = oldest.and_then(|sent_at| (Utc::now() - sent_at).to_std().ok()).unwrap_or_default();
        in_hand.max(self.unseen(now))
    }

    /// A poll succeeded: says so, with the age that the oldest message not worked through may have.
    pub(crate) async fn polled(&self) {
        let lag = self.lag(Instant::now());
        if let Err(error) = in_time(case_records::feed::heartbeat(&self.store, &self.consumer, lag)).await {
            tracing::warn!(%error, "could not report the change feed's lag; readers go to Delius meanwhile");
        }
    }

    /// The consumer stops with nothing in hand.
    pub(crate) async fn leave(&self) {
        let in_hand = self.with(|in_hand| in_hand.len());
        if in_hand > 0 {
            tracing::info!(
                in_hand,
                "stopping with messages in hand; readers go to Delius until they are received again"
            );
            return;
        }
        if let Err(error) = case_records::feed::leave(&self.store, &self.consumer).await {
            tracing::warn!(%error, "could not sign off from the change feed; readers go to Delius for a while");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn watch() -> FeedWatch {
        FeedWatch::new(PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap(), "test".into())
    }

    fn drained() -> FeedWatch {
        let watch = watch();
        watch.drained(Instant::now());
        watch
    }

    const S: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn the_feed_lags_until_the_queue_was_drained_and_again_when_it_was_not_for_a_while() {
        let (watch, now) = (watch(), Instant::now());
        assert!(watch.lag(now) >= DRAINED_WITHIN, "nothing is known of what waits");
        watch.drained(now);
        assert_eq!(watch.lag(now + 2 * S), Duration::ZERO);
        assert_eq!(watch.lag(now + 3 * S), 3 * S);
        watch.drained(now + 3 * S);
        assert_eq!(watch.lag(now + 4 * S), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_count_is_asked_for_once_a_second_at_most() {
        let (watch, now) = (watch(), Instant::now());
        let asked = [0, 999, 1_000, 1_500, 2_000].map(|ms| watch.should_ask(now + Duration::from_millis(ms)));
        assert_eq!(asked, [true, false, true, false, true]);
    }

    #[tokio::test]
    async fn a_message_that_drops_records_and_was_put_back_counts_until_they_are_too_old_by_themselves() {
        for (drops_records, counts) in [(true, case_records::OUTLIVED), (false, RECEIVED_AGAIN)] {
            let watch = drained();
            watch.received("m", Utc::now() - chrono::Duration::hours(1));
            watch.put_back("m", 10 * S, drops_records);
            let lags = |watch: &FeedWatch, after: Duration| {
                let then = Instant::now() + after;
                watch.drained(then);
                watch.lag(then) > Duration::ZERO
            };
            assert!(lags(&watch, 9 * S + counts), "{drops_records}");
            assert!(!lags(&watch, 11 * S + counts), "{drops_records}");
        }
    }
}
