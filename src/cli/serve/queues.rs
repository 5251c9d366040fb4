//! The role `ingest`: consumers of the queues.

use std::sync::Arc;

use aws_sdk_sqs::types::QueueAttributeName;
use clap::Args;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Failure, tuning::Tuning};
use crate::{
    breakers::Breakers,
    cli::settings,
    delius::Delius,
    event_store::CaseStore,
    ingest::{Consumer, ConsumerConfig, Ingest, feed::FeedWatch, reflector},
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
}

impl QueueSettings {
    pub(super) async fn start(
        &self,
        store: &Arc<CaseStore>,
        delius: &Delius,
        breakers: &Arc<Breakers>,
        worker: &str,
        tuning: &Tuning,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Result<(), Failure> {
        let queue_url = settings::required("QUEUE_URL", self.queue_url.as_deref())?;
        let feed_url = self.change_feed_queue_url.as_deref().filter(|url| !url.trim().is_empty());
        let sqs = aws_sdk_sqs::Client::new(&settings::aws().await);
        let ingest = Arc::new(Ingest::new(Arc::clone(store), delius.clone()));
        let queues = [("QUEUE_URL", Some(queue_url)), ("CHANGE_FEED_QUEUE_URL", feed_url)];
        for (setting, url) in queues.into_iter().filter_map(|(setting, url)| Some((setting, url?))) {
            let carries_feed = feed_url.is_none_or(|feed_url| feed_url == url);
            let config = match carries_feed {
                true if url == queue_url => ConsumerConfig::of_feed(url),
                true => ConsumerConfig::of_feed(url).feed_alone(),
                false => ConsumerConfig::of(url),
            };
            let config = tuning.consumer(config);
            check(&sqs, setting, &config).await?;
            let feed = carries_feed.then(|| FeedWatch::new(store.pool().clone(), worker.to_owned()));
            let (ingest, breakers) = (Arc::clone(&ingest), Arc::clone(breakers));
            tasks.spawn(Consumer::new(sqs.clone(), ingest, breakers, feed, config).run(stop.clone()));
        }
        let (store, stop) = (Arc::clone(store), stop.clone());
        tasks.spawn(async move { reflector::run(&store, stop).await });
        Ok(())
    }
}

/// The queue is there, and its settings fit ours.
async fn check(sqs: &aws_sdk_sqs::Client, setting: &str, config: &ConsumerConfig) -> Result<(), Failure> {
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(&config.queue_url)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await;
    let attributes = attributes.map_err(|error| {
        let why = match error.as_service_error() {
            Some(answer) => answer.to_string(),
            None => "SQS cannot be reached".to_owned(),
        };
        let remedy = "check the URL, AWS_ENDPOINT_URL, AWS_REGION and the credentials";
        Failure::setting(setting, format!("the queue {} cannot be read: {why}; {remedy}", config.queue_url))
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
