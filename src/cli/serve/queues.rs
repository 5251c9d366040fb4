//! The role `ingest`: consumers of the queues.

use std::sync::Arc;

use aws_sdk_sqs::types::QueueAttributeName;
use clap::Args;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Failure;
use crate::{
    cli::settings,
    delius::Delius,
    event_store::CaseStore,
    ingest::{Consumer, ConsumerConfig, Ingest, breaker::Breakers, feed::FeedWatch, reflector},
    queue_admin::QueueAdmin,
};

/// Settings of the queues.
#[derive(Debug, Clone, Args)]
pub(super) struct QueueSettings {
    /// SQS queue of domain events (role ingest)
    #[arg(long, env = "QUEUE_URL")]
    queue_url: Option<String>,
    /// Second queue for the change feed; without it the feed is read from QUEUE_URL (role ingest)
    #[arg(long, env = "CHANGE_FEED_QUEUE_URL")]
    change_feed_queue_url: Option<String>,
    /// Queue of the bulk handover update; without it a bulk run works its messages off by itself (role ingest)
    #[arg(long, env = "BULK_QUEUE_URL")]
    bulk_queue_url: Option<String>,
}

fn given(url: Option<&String>) -> Option<&str> {
    url.map(|url| url.trim()).filter(|url| !url.is_empty())
}

impl QueueSettings {
    /// The setting and the configuration of each consumer, and whether it carries the change feed.
    fn consumers(&self) -> Result<Vec<(&'static str, ConsumerConfig, bool)>, Failure> {
        let live = settings::required("QUEUE_URL", self.queue_url.as_deref())?;
        let feed = given(self.change_feed_queue_url.as_ref()).filter(|feed| *feed != live);
        let mut consumers = vec![match feed {
            Some(_) => ("QUEUE_URL", ConsumerConfig::of(live), false),
            None => ("QUEUE_URL", ConsumerConfig::of_feed(live), true),
        }];
        consumers.extend(feed.map(|feed| ("CHANGE_FEED_QUEUE_URL", ConsumerConfig::of_feed(feed), true)));
        let bulk = given(self.bulk_queue_url.as_ref()).filter(|bulk| *bulk != live);
        consumers.extend(bulk.map(|bulk| ("BULK_QUEUE_URL", ConsumerConfig::of_bulk(bulk), false)));
        Ok(consumers)
    }

    /// The configured queues, for those who look after them over HTTP.
    pub(super) async fn admin(&self) -> QueueAdmin {
        let sqs = aws_sdk_sqs::Client::new(&settings::aws().await);
        let consumers = self.consumers().unwrap_or_default();
        QueueAdmin::new(sqs, consumers.into_iter().map(|(_, config, _)| config.queue_url))
    }

    pub(super) async fn start(
        &self,
        store: &Arc<CaseStore>,
        delius: &Delius,
        breakers: &Arc<Breakers>,
        worker: &str,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Result<(), Failure> {
        let sqs = aws_sdk_sqs::Client::new(&settings::aws().await);
        let ingest = Arc::new(Ingest::new(Arc::clone(store), delius.clone()));
        for (setting, config, carries_feed) in self.consumers()? {
            warn_of_timeouts(setting, &config);
            check(&sqs, setting, &config.queue_url).await?;
            let feed = carries_feed.then(|| FeedWatch::new(store.pool().clone(), worker.to_owned()));
            let (ingest, breakers) = (Arc::clone(&ingest), Arc::clone(breakers));
            tasks.spawn(Consumer::new(sqs.clone(), ingest, breakers, feed, config).run(stop.clone()));
        }
        let (store, stop) = (Arc::clone(store), stop.clone());
        tasks.spawn(async move { reflector::run(&store, stop).await });
        Ok(())
    }
}

/// The queue is there; one without a dead-letter queue is warned of.
pub(in crate::cli) async fn check(
    sqs: &aws_sdk_sqs::Client,
    setting: &str,
    queue_url: &str,
) -> Result<(), Failure> {
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(queue_url)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await;
    let attributes = attributes.map_err(|error| {
        let why = match error.as_service_error() {
            Some(answer) => answer.to_string(),
            None => "SQS cannot be reached".to_owned(),
        };
        let remedy = "check the URL, AWS_ENDPOINT_URL, AWS_REGION and the credentials";
        Failure::setting(setting, format!("the queue {queue_url} cannot be read: {why}; {remedy}"))
    })?;
    let policy = attributes.attributes().and_then(|all| all.get(&QueueAttributeName::RedrivePolicy));
    if policy.is_none() {
        tracing::warn!(
            setting,
            "the queue has no dead-letter queue: a message that we cannot handle comes for ever"
        );
    }
    Ok(())
}

fn warn_of_timeouts(setting: &str, config: &ConsumerConfig) {
    if config.visibility < config.handler_timeout {
        tracing::warn!(
            setting,
            "the visibility timeout is shorter than the handler timeout: expect duplicates"
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn consumed(live: &str, feed: Option<&str>, bulk: Option<&str>) -> Vec<(String, bool)> {
        let settings = QueueSettings {
            queue_url: Some(live.into()),
            change_feed_queue_url: feed.map(Into::into),
            bulk_queue_url: bulk.map(Into::into),
        };
        let consumers = settings.consumers().unwrap_or_default();
        consumers.into_iter().map(|(_, config, feed)| (config.queue_url, feed)).collect()
    }

    #[test]
    fn each_queue_is_consumed_once_and_the_feed_is_read_from_one_of_them() {
        let of = |url: &str, feed| (url.to_owned(), feed);
        assert_eq!(consumed("live", None, None), [of("live", true)]);
        assert_eq!(consumed("live", Some(" "), Some("")), [of("live", true)]);
        assert_eq!(consumed("live", Some("live"), Some("live")), [of("live", true)]);
        assert_eq!(
            consumed("live", Some("feed"), Some("bulk")),
            [of("live", false), of("feed", true), of("bulk", false)]
        );
    }
}
