//! Which queues can be named, and what is done to whole queues.

use aws_sdk_sqs::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata},
    types::QueueAttributeName,
};
use serde_json::Value;
use sqlx::PgPool;

use crate::case_records;

/// Why a queue-admin request failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueAdminError {
    /// No queue of ours has this name.
    #[error("this service has no queue of this name")]
    Unknown,
    /// SQS allows one purge of a queue a minute.
    #[error("the queue was purged less than a minute ago")]
    PurgeInProgress,
    /// SQS did not answer.
    #[error("SQS did not answer: {0}")]
    Unavailable(String),
    /// The cached case records cannot be dropped, so nothing is purged.
    #[error("the store did not answer: {0}")]
    StoreUnavailable(#[source] sqlx::Error),
    /// No queue is configured.
    #[error("no queue is configured: set QUEUE_URL")]
    NotConfigured,
}

impl QueueAdminError {
    pub(crate) fn of(error: impl std::error::Error) -> Self {
        Self::Unavailable(DisplayErrorContext(&error).to_string())
    }
}

/// A queue and its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveQueue {
    pub(crate) url: String,
    pub(crate) arn: String,
    pub(crate) dead: Option<DeadQueue>,
}

/// A dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadQueue {
    pub(crate) url: String,
    pub(crate) name: String,
}

/// Administers the configured queues.
#[derive(Clone)]
pub struct QueueAdmin {
    pub(crate) sqs: Client,
    store: PgPool,
    urls: Vec<String>,
}

impl QueueAdmin {
    /// Over the queues with these URLs. A purge drops the cached case records in `store`.
    pub fn new(sqs: Client, store: PgPool, urls: impl IntoIterator<Item = String>) -> Self {
        Self { sqs, store, urls: urls.into_iter().collect() }
    }

    /// The configured queues, as they are set up at the moment.
    pub(crate) async fn live(&self) -> Result<Vec<LiveQueue>, QueueAdminError> {
        if self.urls.is_empty() {
            return Err(QueueAdminError::NotConfigured);
        }
        let mut live = vec![];
        for url in &self.urls {
            let names = [QueueAttributeName::RedrivePolicy, QueueAttributeName::QueueArn];
            let attributes = self
                .sqs
                .get_queue_attributes()
                .queue_url(url)
                .set_attribute_names(Some(names.to_vec()))
                .send()
                .await
                .map_err(QueueAdminError::of)?;
            let of = |name| attributes.attributes().and_then(|all| all.get(&name)).cloned();
            let dead = match of(QueueAttributeName::RedrivePolicy).as_deref().and_then(dead_letter_arn) {
                Some(arn) => Some(self.dead(&arn).await?),
                None => None,
            };
            let arn = of(QueueAttributeName::QueueArn).unwrap_or_default();
            live.push(LiveQueue { url: url.clone(), arn, dead });
        }
        Ok(live)
    }

    async fn dead(&self, arn: &str) -> Result<DeadQueue, QueueAdminError> {
        let mut parts = arn.rsplit(':');
        let name = parts.next().unwrap_or_default().to_owned();
        let account = parts.next().filter(|account| !account.is_empty()).map(str::to_owned);
        let found = self
            .sqs
            .get_queue_url()
            .queue_name(&name)
            .set_queue_owner_aws_account_id(account)
            .send()
            .await
            .map_err(QueueAdminError::of)?;
        Ok(DeadQueue { url: found.queue_url.unwrap_or_default(), name })
    }

    /// How many messages wait in a queue, about.
    pub(crate) async fn count(&self, url: &str) -> Result<u64, QueueAdminError> {
        let attributes = self
            .sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .send()
            .await
            .map_err(QueueAdminError::of)?;
        let count = attributes
            .attributes()
            .and_then(|all| all.get(&QueueAttributeName::ApproximateNumberOfMessages))
            .and_then(|count| count.parse().ok());
        Ok(count.unwrap_or_default())
    }

    /// Purges a queue or dead-letter queue; returns about how many messages it held. Messages of the change feed may be
    /// among them, so no cached case record is trusted for some minutes.
    ///
    /// # Errors
    /// When no queue of ours has the name, the case records cannot be dropped, or SQS does not do it.
    pub async fn purge(&self, name: &str) -> Result<u64, QueueAdminError> {
        let live = self.live().await?;
        let dead = live.iter().filter_map(|queue| queue.dead.as_ref());
        let url = live
            .iter()
            .find(|queue| name_of(&queue.url) == name)
            .map(|queue| &queue.url)
            .or_else(|| dead.into_iter().find(|dead| dead.name == name).map(|dead| &dead.url))
            .ok_or(QueueAdminError::Unknown)?;
        let found = self.count(url).await?;
        // Before the purge: a failure in between costs some reads of Delius, and never serves an outdated record. For
        // every queue: the process that serves the API need not know which one carries the change feed.
        case_records::distrust_after_purge(&self.store, name)
            .await
            .map_err(QueueAdminError::StoreUnavailable)?;
        let purged = self.sqs.purge_queue().queue_url(url).send().await;
        purged.map_err(|error| match error.code() {
            Some(code) if code.contains("PurgeQueueInProgress") => QueueAdminError::PurgeInProgress,
            _ => QueueAdminError::of(error),
        })?;
        Ok(found)
    }
}

/// The last part of a queue's URL.
fn name_of(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn dead_letter_arn(redrive_policy: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(redrive_policy).ok()?;
    Some(policy.get("deadLetterTargetArn")?.as_str()?.to_owned())
}
