//! Tells the readers how current the change feed is: a cached record may be served only while every consumer of
//! the feed polls and none has an old message in hand.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{case_records, database::in_time};

/// What one consumer has in hand of the change feed.
pub struct FeedWatch {
    store: PgPool,
    consumer: String,
    in_hand: Mutex<HashMap<String, InHand>>,
}

#[derive(Clone, Copy)]
struct InHand {
    sent_at: DateTime<Utc>,
    /// Set when it was put back: by then somebody has received it again and has it in hand.
    forget_at: Option<Instant>,
}

/// A message put back is received again this long after it becomes visible, by whoever polls.
const RECEIVED_AGAIN: Duration = Duration::from_secs(30);

impl FeedWatch {
    /// A watch that reports under the consumer's name, which is unique to the process.
    pub fn new(store: PgPool, consumer: String) -> Self {
        Self { store, consumer, in_hand: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, InHand>) -> T) -> T {
        act(&mut self.in_hand.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// A message of the feed was received.
    pub(super) fn received(&self, message_id: &str, sent_at: DateTime<Utc>) {
        let entry = InHand { sent_at, forget_at: None };
        self.with(|in_hand| in_hand.insert(message_id.to_owned(), entry));
    }

    /// It was worked through.
    pub(super) fn finished(&self, message_id: &str) {
        self.with(|in_hand| in_hand.remove(message_id));
    }

    /// It was put back, hidden for this long.
    pub(super) fn put_back(&self, message_id: &str, hidden: Duration) {
        let forget_at = Some(Instant::now() + hidden + RECEIVED_AGAIN);
        self.with(|in_hand| {
            if let Some(entry) = in_hand.get_mut(message_id) {
                entry.forget_at = forget_at;
            }
        });
    }

    fn lag(&self) -> Duration {
        let now = Instant::now();
        let oldest = self.with(|in_hand| {
            in_hand.retain(|_, entry| entry.forget_at.is_none_or(|forget_at| forget_at > now));
            in_hand.values().map(|entry| entry.sent_at).min()
        });
        oldest.and_then(|sent_at| (Utc::now() - sent_at).to_std().ok()).unwrap_or_default()
    }

    /// A poll succeeded: says so, with the age of the oldest message in hand.
    pub(super) async fn polled(&self) {
        if let Err(error) =
            in_time(case_records::feed::heartbeat(&self.store, &self.consumer, self.lag())).await
        {
            tracing::warn!(%error, "could not report the change feed's lag; readers go to Delius meanwhile");
        }
    }

    /// The consumer stops with nothing in hand.
    pub(super) async fn leave(&self) {
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
