//! Deletes messages that are accounted for, in batches. A message whose delete fails comes again and changes
//! nothing.

use std::time::Duration;

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use tokio::sync::mpsc;

const BATCH: usize = 10;
/// How long a delete waits for company.
const LINGER: Duration = Duration::from_millis(50);
const TRIES: u32 = 5;

/// The latest receipt handle of a message to delete.
#[derive(Debug)]
pub(super) struct Deletable {
    pub(super) handle: String,
}

/// Deletes until every sender is gone and all is flushed.
pub(super) async fn run(sqs: aws_sdk_sqs::Client, queue_url: String, mut queued: mpsc::Receiver<Deletable>) {
    while let Some(first) = queued.recv().await {
        let mut batch = vec![first.handle];
        let full = async {
            while batch.len() < BATCH
                && let Some(next) = queued.recv().await
            {
                batch.push(next.handle);
            }
        };
        // Whether full or late, the batch goes out as it is.
        let _ = tokio::time::timeout(LINGER, full).await;
        delete(&sqs, &queue_url, batch).await;
    }
}

async fn delete(sqs: &aws_sdk_sqs::Client, queue_url: &str, mut handles: Vec<String>) {
    for attempt in 1..=TRIES {
        // Ids are positions: results are told by them, and two entries never share one.
        let entries: Result<Vec<_>, _> = handles
            .iter()
            .enumerate()
            .map(|(position, handle)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(position.to_string())
                    .receipt_handle(handle)
                    .build()
            })
            .collect();
        let Ok(entries) = entries else { return };
        let answer = sqs.delete_message_batch().queue_url(queue_url).set_entries(Some(entries)).send().await;
        match answer {
            Ok(answer) if answer.failed.is_empty() => return,
            Ok(answer) => {
                let retryable: Vec<String> = answer
                    .failed
                    .iter()
                    .filter(|failed| !failed.sender_fault)
                    .filter_map(|failed| handles.get(failed.id.parse::<usize>().ok()?).cloned())
                    .collect();
                let given_up = answer.failed.len() - retryable.len();
                if given_up > 0 {
                    tracing::warn!(given_up, "SQS refused to delete messages; they come again");
                }
                handles = retryable;
            }
            Err(error) => {
                let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
                tracing::warn!(reason, attempt, "could not delete a batch; trying again");
            }
        }
        if handles.is_empty() {
            return;
        }
        let ceiling = 200_u64 << attempt;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..=ceiling))).await;
    }
    tracing::warn!(
        messages = handles.len(),
        "messages could not be deleted; they come again and change nothing"
    );
}
