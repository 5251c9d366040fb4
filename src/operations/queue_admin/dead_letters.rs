//! Dead letters: listed, and redriven to the queue they came from.
//!
//! Architecture invariant: a dead letter is deleted only after its copy was sent. A failure in between leaves it
//! twice, and the second copy changes nothing; in the other order it would be lost.

use std::{collections::HashSet, time::Duration};

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName};
use tokio::time::Instant;

use crate::operations::queue_admin::queues::{DeadQueue, LiveQueue, QueueAdmin, QueueAdminError};

/// Visibility timeout of a dead letter while it is listed or moved.
const HIDDEN_S: i32 = 30;
/// How long one request moves messages; the next one continues.
const BUDGET: Duration = Duration::from_secs(8);

/// A long poll asks all servers of a queue; a short poll asks some of them and misses messages.
const WAIT_S: i32 = 1;
/// After this many receives in a row without a (new) message the queue counts as empty.
const MAX_EMPTY_RECEIVES: u32 = 2;

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its body.
    pub body: String,
    /// Its id in SQS.
    pub id: String,
}

/// What is in a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    /// Approximate number of dead letters.
    pub found: u64,
    /// The dead letters that were read.
    pub letters: Vec<DeadLetter>,
}

impl QueueAdmin {
    /// Reads up to `most` dead letters and leaves them in place.
    ///
    /// # Errors
    /// When no dead-letter queue of ours has the name, or SQS does not answer.
    pub async fn dead_letters(&self, name: &str, most: usize) -> Result<DeadLetters, QueueAdminError> {
        let live = self.live().await?;
        let dead = sources(&live, name)?.0;
        let found = self.count(&dead.url).await?;
        let (mut letters, mut handles, mut seen) = (vec![], vec![], HashSet::new());
        let (until, mut in_vain) = (Instant::now() + BUDGET, 0);
        while letters.len() < most && in_vain < MAX_EMPTY_RECEIVES && Instant::now() < until {
            let received = self.receive(&dead.url, (most - letters.len()).min(10)).await?;
            let mut news = false;
            for Message { message_id, body, receipt_handle, .. } in received {
                handles.extend(receipt_handle);
                let id = message_id.unwrap_or_default();
                if seen.insert(id.clone()) {
                    news = true;
                    letters.push(DeadLetter { body: body.unwrap_or_default(), id });
                }
            }
            in_vain = if news { 0 } else { in_vain + 1 };
        }
        self.show_again(&dead.url, &handles).await;
        Ok(DeadLetters { found: found.max(letters.len() as u64), letters })
    }

    /// Moves the dead letters of one queue back to where they came from; returns about how many there were. Messages that
    /// arrive meanwhile stay, so that one which fails at once does not circulate.
    ///
    /// # Errors
    /// When no dead-letter queue of ours has the name, or SQS fails: what was not moved is still there.
    pub async fn retry(&self, name: &str) -> Result<u64, QueueAdminError> {
        let live = self.live().await?;
        self.move_back(&live, name, Instant::now() + BUDGET).await
    }

    /// The same for every dead-letter queue, in the order of the configured queues.
    ///
    /// # Errors
    /// As for one.
    pub async fn retry_all(&self) -> Result<Vec<u64>, QueueAdminError> {
        let live = self.live().await?;
        let mut names: Vec<&str> = vec![];
        for dead in live.iter().filter_map(|queue| queue.dead.as_ref()) {
            if !names.contains(&dead.name.as_str()) {
                names.push(&dead.name);
            }
        }
        let until = Instant::now() + BUDGET;
        let mut found = vec![];
        for name in names {
            found.push(self.move_back(&live, name, until).await?);
        }
        Ok(found)
    }

    async fn move_back(
        &self,
        live: &[LiveQueue],
        name: &str,
        until: Instant,
    ) -> Result<u64, QueueAdminError> {
        let (dead, sources) = sources(live, name)?;
        let found = self.count(&dead.url).await?;
        // The count is approximate: zero may be out of date.
        let most = found.max(1);
        let (mut moved, mut in_vain) = (0, 0);
        while moved < most && in_vain < MAX_EMPTY_RECEIVES && Instant::now() < until {
            let at_most = usize::try_from(most - moved).unwrap_or(10).min(10);
            let received = self.receive(&dead.url, at_most).await?;
            in_vain = if received.is_empty() { in_vain + 1 } else { 0 };
            for message in received {
                self.move_one(&dead.url, &sources, message).await?;
                moved += 1;
            }
        }
        tracing::info!(queue = name, found, moved, "dead letters moved back");
        Ok(found.max(moved))
    }

    async fn move_one(
        &self,
        dead_url: &str,
        sources: &[&LiveQueue],
        message: Message,
    ) -> Result<(), QueueAdminError> {
        let target = home(sources, &message).ok_or(QueueAdminError::Unknown)?;
        self.sqs
            .send_message()
            .queue_url(&target.url)
            .message_body(message.body.unwrap_or_default())
            .set_message_attributes(message.message_attributes)
            .send()
            .await
            .map_err(QueueAdminError::of)?;
        self.sqs
            .delete_message()
            .queue_url(dead_url)
            .receipt_handle(message.receipt_handle.unwrap_or_default())
            .send()
            .await
            .map_err(QueueAdminError::of)?;
        Ok(())
    }

    async fn receive(&self, url: &str, at_most: usize) -> Result<Vec<Message>, QueueAdminError> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(at_most).unwrap_or(10))
            .visibility_timeout(HIDDEN_S)
            .wait_time_seconds(WAIT_S)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(QueueAdminError::of)?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Makes listed messages visible again. On failure they stay invisible for half a minute.
    async fn show_again(&self, url: &str, handles: &[String]) {
        for chunk in handles.chunks(10) {
            let entry = |(position, handle): (usize, &String)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(position.to_string())
                    .receipt_handle(handle)
                    .visibility_timeout(0)
                    .build()
            };
            let Ok(entries) = chunk.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>() else {
                continue;
            };
            let request = self.sqs.change_message_visibility_batch().queue_url(url);
            if let Err(error) = request.set_entries(Some(entries)).send().await {
                let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
                tracing::warn!(
                    reason,
                    "listed dead letters stay invisible until their visibility timeout ends"
                );
            }
        }
    }
}

/// The dead-letter queue with this name, and the queues whose dead letters it receives.
fn sources<'a>(
    live: &'a [LiveQueue],
    name: &str,
) -> Result<(&'a DeadQueue, Vec<&'a LiveQueue>), QueueAdminError> {
    let is_meant = |queue: &&LiveQueue| queue.dead.as_ref().is_some_and(|dead| dead.name == name);
    let sources: Vec<&LiveQueue> = live.iter().filter(is_meant).collect();
    let dead = sources.first().and_then(|queue| queue.dead.as_ref()).ok_or(QueueAdminError::Unknown)?;
    Ok((dead, sources))
}

/// The queue that a dead letter came from: SQS names it where several queues share one dead-letter queue.
fn home<'a>(sources: &[&'a LiveQueue], message: &Message) -> Option<&'a LiveQueue> {
    let said = message
        .attributes()
        .and_then(|system| system.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn));
    sources.iter().find(|queue| Some(&queue.arn) == said).or_else(|| sources.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str) -> LiveQueue {
        let dead = DeadQueue { url: "https://sqs/dead".into(), name: "dead".into() };
        LiveQueue { url: format!("https://sqs/{name}"), arn: format!("arn:{name}"), dead: Some(dead) }
    }

    #[test]
    fn a_dead_letter_goes_back_to_the_queue_that_sqs_names() {
        let (live, feed) = (queue("live"), queue("feed"));
        let from = |arn: &str| {
            let message = Message::builder();
            message.attributes(MessageSystemAttributeName::DeadLetterQueueSourceArn, arn).build()
        };
        let sources = [&live, &feed];
        assert_eq!(home(&sources, &from("arn:feed")), Some(&feed));
        assert_eq!(home(&sources, &from("arn:another")), Some(&live));
        assert_eq!(home(&sources, &Message::builder().build()), Some(&live));
    }
}
