//! How long a received message stays invisible to all other consumers: extended while it is in progress, and ended when
//! it is returned.

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::types::QueueAttributeName;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ingest::sqs::in_flight::InFlightMessage;

/// Received messages wait for this answer.
const COUNTED_WITHIN: Duration = Duration::from_millis(500);

/// One queue, as far as visibility goes.
#[derive(Debug, Clone)]
pub(crate) struct Visibility {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) queue_url: String,
}

impl Visibility {
    /// Sets the visibility timeout, from now on; zero returns the message at once.
    pub(crate) async fn set(&self, message: &InFlightMessage, timeout: Duration) {
        let changed = self
            .sqs
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .receipt_handle(message.handle())
            .visibility_timeout(seconds(timeout))
            .send()
            .await;
        if let Err(error) = changed {
            let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
            tracing::warn!(reason, "could not change the visibility of a message; its own timeout applies");
        }
    }

    /// Whether SQS counts no visible message. No answer in time counts as no.
    pub(crate) async fn queue_is_empty(&self) -> bool {
        let asked = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.queue_url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .send();
        let Ok(Ok(answer)) = tokio::time::timeout(COUNTED_WITHIN, asked).await else { return false };
        let visible = answer
            .attributes()
            .and_then(|all| all.get(&QueueAttributeName::ApproximateNumberOfMessages)?.parse::<u64>().ok());
        visible == Some(0)
    }

    /// Keeps the message invisible until the heartbeat is stopped or dropped.
    pub(crate) fn extend(&self, message: &Arc<InFlightMessage>, timeout: Duration) -> VisibilityHeartbeat {
        let (visibility, message, stop) = (self.clone(), Arc::clone(message), CancellationToken::new());
        let guard = stop.clone().drop_guard();
        let beats = tokio::spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(timeout / 3)).await.is_some() {
                visibility.set(&message, timeout).await;
            }
        });
        VisibilityHeartbeat { guard, beats }
    }
}

/// Extends the visibility timeout of a message. Dropped without being stopped (its owner panicked), it ends after the
/// beat that is under way.
#[derive(Debug)]
pub(crate) struct VisibilityHeartbeat {
    guard: DropGuard,
    beats: JoinHandle<()>,
}

impl VisibilityHeartbeat {
    /// Stops it and waits for a beat that is under way, which could otherwise overtake what is set afterwards.
    pub(crate) async fn stop(self) {
        drop(self.guard);
        if let Err(error) = self.beats.await {
            tracing::error!(%error, "a heartbeat panicked");
        }
    }
}

pub(crate) fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
