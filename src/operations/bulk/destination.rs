//! Where the messages of a run go: to the bulk queue, or straight into this process.

use std::time::Duration;

use aws_sdk_sqs::error::DisplayErrorContext;
use tokio_util::sync::CancellationToken;

use crate::{
    breakers::SQS,
    ingest::{Delivery, Ingest, NotAccepted},
    operations::InternalMessage,
    retry::Backoff,
};

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// The destination of a run's messages.
pub enum Destination {
    /// The queue of bulk runs, which running services consume.
    Queue {
        /// Client of SQS.
        sqs: aws_sdk_sqs::Client,
        /// The queue's URL.
        url: String,
    },
    /// Accepted here.
    Here(Ingest),
}

/// Why a message was not enqueued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// The run was stopped meanwhile.
    #[error("the run was stopped")]
    Stopped,
    /// A fault of this message; the run continues with the next one.
    #[error("{0}")]
    Fault(String),
}

impl Destination {
    /// Enqueues one message. While a dependency is down it tries again, until the run is stopped.
    pub(crate) async fn enqueue(
        &self,
        message: &InternalMessage,
        stop: &CancellationToken,
    ) -> Result<(), EnqueueError> {
        let delivery = message.delivery();
        let mut attempts = 0;
        loop {
            let reason = match self.attempt(&delivery).await {
                Ok(()) => return Ok(()),
                Err(fault @ (NotAccepted::Fault(_) | NotAccepted::Unknown { .. })) => {
                    return Err(EnqueueError::Fault(fault.to_string()));
                }
                Err(transient) => transient.to_string(),
            };
            attempts += 1;
            let pause = BACKOFF.at_least_half(attempts);
            tracing::warn!(reason, noms = %message.noms, pause_ms = pause.as_millis(), "trying again");
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Err(EnqueueError::Stopped);
            }
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<(), NotAccepted> {
        match self {
            Self::Here(ingest) => ingest.accept_now(delivery).await.map(|_| ()),
            Self::Queue { sqs, url } => {
                let body = String::from_utf8_lossy(&delivery.body);
                let sent = sqs.send_message().queue_url(url).message_body(body).send().await;
                sent.map(|_| ()).map_err(|error| NotAccepted::Unavailable {
                    dependency: SQS,
                    reason: DisplayErrorContext(&error).to_string(),
                })
            }
        }
    }
}
