//! Deletes messages that are accounted for, in batches. While SQS does not answer, deletes wait; one that it refuses again
//! and again is given up, and its message is delivered again and changes nothing.

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use tokio::sync::mpsc;

use crate::{ingest::sqs::in_flight::InFlightMessage, retry::Backoff};

const BATCH: usize = 10;
/// How long a delete waits for others, to share a request.
const LINGER: Duration = Duration::from_millis(50);
/// Answers of SQS that refuse a delete before it is given up.
const TRIES: u32 = 4;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(3));

/// A message to delete. It is in flight until it is deleted, so that its latest receipt handle is used.
#[derive(Debug)]
pub(crate) struct PendingDelete {
    pub(crate) in_flight: Arc<InFlightMessage>,
}

/// Deletes until every sender is gone and all is flushed.
pub(crate) async fn run(
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
    mut queued: mpsc::Receiver<PendingDelete>,
) {
    while let Some(first) = queued.recv().await {
        let mut batch = vec![first.in_flight];
        let full = async {
            while batch.len() < BATCH
                && let Some(next) = queued.recv().await
            {
                batch.push(next.in_flight);
            }
        };
        // Whether full or late, the batch goes out as it is.
        let _ = tokio::time::timeout(LINGER, full).await;
        delete(&sqs, &queue_url, batch).await;
    }
}

async fn delete(sqs: &aws_sdk_sqs::Client, queue_url: &str, mut messages: Vec<Arc<InFlightMessage>>) {
    let (mut attempt, mut answers) = (0, 0);
    while answers < TRIES {
        attempt += 1;
        // Ids are positions: results refer to them, and two entries never share one.
        let entries: Result<Vec<_>, _> = messages
            .iter()
            .enumerate()
            .map(|(position, message)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(position.to_string())
                    .receipt_handle(message.handle())
                    .build()
            })
            .collect();
        let Ok(entries) = entries else { return };
        let answer = sqs.delete_message_batch().queue_url(queue_url).set_entries(Some(entries)).send().await;
        match answer {
            Ok(answer) => {
                answers += 1;
                failpoint!("deleted");
                let retryable: Vec<Arc<InFlightMessage>> = answer
                    .failed
                    .iter()
                    .filter(|failed| !failed.sender_fault)
                    .filter_map(|failed| messages.get(failed.id.parse::<usize>().ok()?).cloned())
                    .collect();
                let given_up = answer.failed.len() - retryable.len();
                if given_up > 0 {
                    tracing::warn!(
                        given_up,
                        "SQS refused to delete messages; they are delivered again and change nothing"
                    );
                }
                messages = retryable;
            }
            // Not given up while SQS is away: its receipt handle is good until the message is received again, and every
            // receive that is saved keeps the message further from the dead-letter queue.
            Err(error) => {
                let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
                tracing::warn!(reason, attempt, "could not delete a batch; trying again");
            }
        }
        if messages.is_empty() {
            return;
        }
        tokio::time::sleep(BACKOFF.at_least_half(attempt)).await;
    }
    tracing::warn!(
        messages = messages.len(),
        "messages could not be deleted; they are delivered again and change nothing"
    );
}
