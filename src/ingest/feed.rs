//! Reports how current the change feed is: a cached record may be served only while every consumer of the feed polls,
//! none has an old message in flight, and none may have left an old one unseen in the queue.
//!
//! SQS gives messages in no order: while younger ones come, an old one may wait. That nothing waits is known from a
//! long poll that came back empty, because it asks every server of the queue, and as far as SQS counts from an
//! `ApproximateNumberOfMessages` of zero. It is not known from a poll that brought fewer messages than it asked for
//! (SQS gives what it finds first), nor from a short poll (it asks some servers), nor from a small count (the one that
//! waits may be the old one). A queue that is never drained makes the feed lag, and readers go to Delius.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{case_records, database::in_time};

/// What one consumer has in flight of the change feed.
pub struct FeedWatch {
    store: PgPool,
    consumer: String,
    began: Instant,
    in_flight: Mutex<HashMap<String, FeedEntry>>,
    /// When nothing waited in the queue, and when its count was last asked for.
    drained: Mutex<(Option<Instant>, Option<Instant>)>,
}

#[derive(Clone, Copy)]
struct FeedEntry {
    sent_at: DateTime<Utc>,
    /// Set when the message was returned: by then it does no harm to this consumer's knowledge any more.
    forget_at: Option<Instant>,
}

/// A message of the feed, until it is finished or returned. Dropped otherwise (its task panicked), it counts as
/// returned, so that the feed does not lag for ever.
pub(crate) struct FeedMessage {
    watch: Arc<FeedWatch>,
    message_id: String,
    ended: bool,
}

/// A returned message is received again this long after it becomes visible, by whoever polls.
const RECEIVED_AGAIN: Duration = Duration::from_secs(30);
/// A queue that was drained within this time counts as drained; more than readers allow a message to wait.
const DRAINED_WITHIN: Duration = Duration::from_secs(2);
/// The count is asked for no more often, and only while polls bring messages.
const ASK_EVERY: Duration = Duration::from_secs(1);

impl FeedMessage {
    /// It was handled, or is kept in the store with the records dropped.
    pub(crate) fn finished(mut self) {
        self.ended = true;
        self.watch.with(|in_flight| in_flight.remove(&self.message_id));
    }

    /// It was returned to the queue, invisible for this long.
    pub(crate) fn returned(mut self, invisible: Duration, drops_records: bool) {
        self.ended = true;
        self.watch.returned(&self.message_id, invisible, drops_records);
    }
}

impl Drop for FeedMessage {
    fn drop(&mut self) {
        if !self.ended {
            self.watch.returned(&self.message_id, Duration::ZERO, true);
        }
    }
}

impl FeedWatch {
    /// A watch that reports under the consumer's name, which is unique to the process.
    pub fn new(store: PgPool, consumer: String) -> Self {
        let began = Instant::now();
        Self { store, consumer, began, in_flight: Mutex::default(), drained: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, FeedEntry>) -> T) -> T {
        act(&mut self.in_flight.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A message was received.
    pub(crate) fn received(self: &Arc<Self>, message_id: &str, sent_at: DateTime<Utc>) -> FeedMessage {
        let entry = FeedEntry { sent_at, forget_at: None };
        self.with(|in_flight| in_flight.insert(message_id.to_owned(), entry));
        FeedMessage { watch: Arc::clone(self), message_id: message_id.to_owned(), ended: false }
    }

    /// One that drops records may have been received for the last time and go to the dead-letter queue: it counts until
    /// every record that it would have dropped is too old by itself.
    fn returned(&self, message_id: &str, invisible: Duration, drops_records: bool) {
        let counts = if drops_records { case_records::OUTLIVED } else { RECEIVED_AGAIN };
        let forget_at = Some(Instant::now() + invisible + counts);
        self.with(|in_flight| {
            if let Some(entry) = in_flight.get_mut(message_id) {
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

    /// For how long a message may have been waiting in the queue without being noticed.
    fn longest_undetected_wait(&self, now: Instant) -> Duration {
        match self.knowledge().0.map(|at| now.duration_since(at)) {
            Some(ago) if ago <= DRAINED_WITHIN => Duration::ZERO,
            Some(ago) => ago,
            None => DRAINED_WITHIN + now.duration_since(self.began),
        }
    }

    /// When the oldest message was sent that is not worked through.
    fn oldest(&self, now: Instant) -> Option<DateTime<Utc>> {
        self.with(|in_flight| {
            in_flight.retain(|_, entry| entry.forget_at.is_none_or(|forget_at| forget_at > now));
            in_flight.values().map(|entry| entry.sent_at).min()
        })
    }

    /// A poll succeeded: says so, with what may be waiting.
    pub(crate) async fn polled(&self) {
        let now = Instant::now();
        let (undetected, oldest) = (self.longest_undetected_wait(now), self.oldest(now));
        let heartbeat = case_records::feed::heartbeat(&self.store, &self.consumer, undetected, oldest);
        if let Err(error) = in_time(heartbeat).await {
            tracing::warn!(%error, "could not report the change feed's lag; readers go to Delius meanwhile");
        }
    }

    /// The consumer stops. With nothing in flight, readers need not wait for it any more.
    pub(crate) async fn sign_off(&self) {
        let in_flight = self.with(|in_flight| in_flight.len());
        if in_flight > 0 {
            tracing::info!(
                in_flight,
                "stopping with messages in flight; readers go to Delius until they are received again"
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

    fn watch() -> Arc<FeedWatch> {
        let nowhere = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
        Arc::new(FeedWatch::new(nowhere, "test".into()))
    }

    const S: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn the_feed_lags_until_the_queue_was_drained_and_again_when_it_was_not_for_a_while() {
        let (watch, now) = (watch(), Instant::now());
        let wait = |after: Duration| watch.longest_undetected_wait(now + after);
        assert!(wait(Duration::ZERO) >= DRAINED_WITHIN, "nothing is known of what waits");
        watch.drained(now);
        assert_eq!(wait(2 * S), Duration::ZERO);
        assert_eq!(wait(3 * S), 3 * S);
        watch.drained(now + 3 * S);
        assert_eq!(wait(4 * S), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_count_is_asked_for_once_a_second_at_most() {
        let (watch, now) = (watch(), Instant::now());
        let asked = [0, 999, 1_000, 1_500, 2_000].map(|ms| watch.should_ask(now + Duration::from_millis(ms)));
        assert_eq!(asked, [true, false, true, false, true]);
    }

    #[tokio::test]
    async fn a_message_that_drops_records_and_was_returned_counts_until_they_are_too_old_by_themselves() {
        for (drops_records, counts) in [(true, case_records::OUTLIVED), (false, RECEIVED_AGAIN)] {
            let watch = watch();
            let message = watch.received("m", Utc::now() - chrono::Duration::hours(1));
            message.returned(10 * S, drops_records);
            let lags = |watch: &FeedWatch, after: Duration| watch.oldest(Instant::now() + after).is_some();
            assert!(lags(&watch, 9 * S + counts), "{drops_records}");
            assert!(!lags(&watch, 11 * S + counts), "{drops_records}");
        }
    }

    #[tokio::test]
    async fn a_message_whose_task_panicked_does_not_make_the_feed_lag_for_ever() {
        let watch = watch();
        let message = watch.received("m", Utc::now() - chrono::Duration::hours(1));
        let panicked = tokio::spawn(async move {
            let _message = message;
            panic!("a bug");
        });
        assert!(panicked.await.is_err());
        assert_eq!(watch.oldest(Instant::now() + case_records::OUTLIVED + S), None);
    }
}
