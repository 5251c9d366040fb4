//! How long a received message stays hidden from everybody else: renewed while it is worked on, and set when it is
//! put back.

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::types::QueueAttributeName;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ingest::sqs::in_flight::Held;

/// What was received waits meanwhile to be worked on.
const COUNTED_WITHIN: Duration = Duration::from_millis(500);

/// One queue, as far as visibility goes.
#[derive(Debug, Clone)]
pub(crate) struct Hiding {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) queue_url: String,
}

impl Hiding {
    /// Hides the message for this long from now on; zero gives it back at once.
    pub(crate) async fn hide(&self, held: &Held, hidden: Duration) {
        let changed = self
            .sqs
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .receipt_handle(held.handle())
            .visibility_timeout(seconds(hidden))
            .send()
            .await;
        if let Err(error) = changed {
            let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
            tracing::warn!(reason, "could not change the visibility of a message; its own timeout applies");
        }
    }

    /// Whether SQS counts no message that waits to be received. No answer in time is none.
    pub(crate) async fn nothing_waits(&self) -> bool {
        let asked = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.queue_url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .send();
        let Ok(Ok(answer)) = tokio::time::timeout(COUNTED_WITHIN, asked).await else { return false };
        let waiting = answer
            .attributes()
            .and_then(|all| all.get(&QueueAttributeName::ApproximateNumberOfMessages)?.parse::<u64>().ok());
        waiting == Some(0)
    }

    /// Keeps the message hidden until the heartbeat is stopped or dropped.
    pub(crate) fn keep(&self, held: &Arc<Held>, visibility: Duration) -> Heartbeat {
        let (hiding, held, stop) = (self.clone(), Arc::clone(held), CancellationToken::new());
        let guard = stop.clone().drop_guard();
        let beats = tokio::spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(visibility / 3)).await.is_some() {
                hiding.hide(&held, visibility).await;
            }
        });
        Heartbeat { guard, beats }
    }
}

/// Renews the hiding of a message. Dropped without being stopped (its owner panicked), it ends after the beat in
/// flight.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    guard: DropGuard,
    beats: JoinHandle<()>,
}

impl Heartbeat {
    /// Stops it and waits for a beat in flight, which would otherwise overtake what is set afterwards.
    pub(crate) async fn stop(self) {
        drop(self.guard);
        if let Err(error) = self.beats.await {
            tracing::error!(%error, "a heartbeat ended badly");
        }
    }
}

pub(crate) fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
