//! The role `ingest`: consumers of the queues.

use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        Failure,
        queue_depths::QueueDepths,
        settings::{
            self,
            check::{both, given, queue, required},
            tuning::Tuning,
        },
        start_up,
        tasks::Tasks,
    },
    breakers::Breakers,
    delius::Delius,
    event_store::CaseStore,
    ingest::{
        Ingest,
        feed::FeedWatch,
        reflector,
        sns::SnsVerifier,
        sqs::{Consumer, ConsumerConfig},
        waiting,
    },
    operations::queue_admin::QueueAdmin,
};

/// Settings of the queues.
#[derive(Debug, Clone, Args)]
pub(crate) struct QueueSettings {
    /// SQS queue of domain events (role ingest)
    #[arg(long, env = "QUEUE_URL")]
    queue_url: Option<String>,
    /// Second queue for the change feed; without it the feed is read from QUEUE_URL (role ingest)
    #[arg(long, env = "CHANGE_FEED_QUEUE_URL")]
    change_feed_queue_url: Option<String>,
    /// Queue of the bulk handover update; without it a bulk run works its messages off by itself (role ingest)
    #[arg(long, env = "BULK_QUEUE_URL")]
    bulk_queue_url: Option<String>,
    /// Verify the SNS signature of every message of QUEUE_URL and CHANGE_FEED_QUEUE_URL; a message that does not pass is
    /// parked as InvalidSignature. Needs subscriptions without raw message delivery, and https access to
    /// sns.REGION.amazonaws.com (role ingest)
    #[arg(long, env = "VERIFY_SNS")]
    verify_sns: bool,
    /// Topics whose messages pass VERIFY_SNS, separated by commas; without it those of any topic, and anybody with an AWS
    /// account has one (role ingest)
    #[arg(long, env = "SNS_TOPIC_ARNS", value_delimiter = ',')]
    sns_topic_arns: Vec<String>,
}

/// What a queue carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries {
    Events,
    EventsAndFeed,
    Feed,
    Bulk,
}

impl Carries {
    fn feed(self) -> bool {
        matches!(self, Self::EventsAndFeed | Self::Feed)
    }

    fn config(self, url: &str, tuning: &Tuning) -> ConsumerConfig {
        match self {
            Self::Events => tuning.consumer(ConsumerConfig::of(url)),
            Self::EventsAndFeed => tuning.consumer(ConsumerConfig::of_feed(url)),
            Self::Feed => tuning.consumer(ConsumerConfig::of_feed(url).feed_alone()),
            Self::Bulk => tuning.consumer(ConsumerConfig::of(url)).in_the_background(),
        }
    }
}

impl QueueSettings {
    /// Whether the settings can be the addresses of queues.
    pub(crate) fn checked(&self) -> Result<(), Failure> {
        let optional = |name, url: &Option<String>| {
            given(url.as_deref()).map(|url| queue(name, Some(url)).map(|_| ())).transpose()
        };
        let live = queue("QUEUE_URL", self.queue_url.as_deref());
        let feed = optional("CHANGE_FEED_QUEUE_URL", &self.change_feed_queue_url);
        let bulk = optional("BULK_QUEUE_URL", &self.bulk_queue_url);
        both(live, both(feed, both(bulk, self.bulk_is_apart()))).map(|_| ())
    }

    /// Messages of our own have no signature.
    fn bulk_is_apart(&self) -> Result<(), Failure> {
        let bulk = given(self.bulk_queue_url.as_deref());
        if self.verify_sns && bulk.is_some() && bulk == given(self.queue_url.as_deref()) {
            let reason =
                "is QUEUE_URL, and VERIFY_SNS refuses what SNS has not signed; use a queue of its own";
            return Err(Failure::setting("BULK_QUEUE_URL", reason));
        }
        Ok(())
    }

    fn verifier(&self) -> Result<Option<SnsVerifier>, Failure> {
        if !self.verify_sns {
            return Ok(None);
        }
        let topics =
            self.sns_topic_arns.iter().map(|arn| arn.trim().to_owned()).filter(|arn| !arn.is_empty());
        let topics: Vec<String> = topics.collect();
        if topics.is_empty() {
            tracing::warn!("VERIFY_SNS without SNS_TOPIC_ARNS: a message of anybody's topic passes");
        }
        SnsVerifier::new(topics).map(Some).map_err(|error| anyhow::Error::new(error).into())
    }

    /// Each queue to consume: its setting, its URL and what it carries.
    fn consumed(&self) -> Result<Vec<(&'static str, &str, Carries)>, Failure> {
        let live = required("QUEUE_URL", self.queue_url.as_deref())?;
        let feed = given(self.change_feed_queue_url.as_deref()).filter(|feed| *feed != live);
        let carries = if feed.is_some() { Carries::Events } else { Carries::EventsAndFeed };
        let mut queues = vec![("QUEUE_URL", live, carries)];
        queues.extend(feed.map(|feed| ("CHANGE_FEED_QUEUE_URL", feed, Carries::Feed)));
        let bulk = given(self.bulk_queue_url.as_deref()).filter(|bulk| *bulk != live);
        queues.extend(bulk.map(|bulk| ("BULK_QUEUE_URL", bulk, Carries::Bulk)));
        Ok(queues)
    }

    /// The configured queues, for those who look after them over HTTP.
    pub(crate) async fn admin(&self, store: &sqlx::PgPool) -> QueueAdmin {
        let sqs = aws_sdk_sqs::Client::new(&settings::aws().await);
        let queues = self.known();
        if queues.is_empty() {
            tracing::warn!("no queue is configured: the queue-admin routes answer 503; set QUEUE_URL");
        }
        QueueAdmin::new(sqs, store.clone(), queues.into_iter().map(str::to_owned))
    }

    /// The configured queues, each under what it carries, for metrics and health.
    pub(crate) async fn depths(&self) -> QueueDepths {
        let (live, feed, bulk) = (&self.queue_url, &self.change_feed_queue_url, &self.bulk_queue_url);
        let mut queues: Vec<(&'static str, String)> = vec![];
        for (label, url) in [("events", live), ("change_feed", feed), ("bulk", bulk)] {
            let url = given(url.as_deref()).filter(|url| !queues.iter().any(|(_, known)| known == url));
            queues.extend(url.map(|url| (label, url.to_owned())));
        }
        QueueDepths::new(aws_sdk_sqs::Client::new(&settings::aws().await), queues)
    }

    /// Each queue once, whether this process consumes it or not.
    fn known(&self) -> Vec<&str> {
        let mut known = vec![];
        for url in [&self.queue_url, &self.change_feed_queue_url, &self.bulk_queue_url] {
            known.extend(given(url.as_deref()).filter(|url| !known.contains(url)));
        }
        known
    }

    pub(crate) async fn start(
        &self,
        store: &Arc<CaseStore>,
        delius: &Delius,
        breakers: &Arc<Breakers>,
        worker: &str,
        tuning: &Tuning,
        (tasks, stop): (&Tasks, &CancellationToken),
    ) -> Result<(), Failure> {
        let sqs = aws_sdk_sqs::Client::new(&settings::aws().await);
        let ingest = Ingest::new(Arc::clone(store), delius.clone()).verifying(self.verifier()?);
        let ingest = Arc::new(ingest);
        for (setting, url, carries) in self.consumed()? {
            start_up::queue(&sqs, setting, url).await?;
            let config = carries.config(url, tuning);
            let feed = carries.feed().then(|| FeedWatch::new(store.pool().clone(), worker.to_owned()));
            let (ingest, breakers) = (Arc::clone(&ingest), Arc::clone(breakers));
            tasks.spawn(
                "consumer",
                Consumer::new(sqs.clone(), ingest, breakers, feed, config).run(stop.clone()),
            );
        }
        let waiting = waiting::Worker::new(ingest, Arc::clone(breakers), tuning.waiting(worker.to_owned()));
        tasks.spawn("waiting", waiting.run(stop.clone()));
        let (store, stop) = (Arc::clone(store), stop.clone());
        tasks.spawn("reflector", async move { reflector::run(&store, stop).await });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn settings(live: &str, feed: Option<&str>, bulk: Option<&str>) -> QueueSettings {
        QueueSettings {
            queue_url: Some(live.into()),
            change_feed_queue_url: feed.map(Into::into),
            bulk_queue_url: bulk.map(Into::into),
            verify_sns: false,
            sns_topic_arns: vec![],
        }
    }

    #[test]
    fn each_queue_is_consumed_once_and_the_feed_is_read_from_one_of_them() {
        let all = ("QUEUE_URL", "live", Carries::EventsAndFeed);
        assert_eq!(settings("live", None, None).consumed().unwrap(), [all]);
        assert_eq!(settings("live", Some(" "), Some("")).consumed().unwrap(), [all]);
        assert_eq!(settings("live", Some("live"), Some("live")).consumed().unwrap(), [all]);
        let three = settings("live", Some("feed"), Some("bulk"));
        let expected = [
            ("QUEUE_URL", "live", Carries::Events),
            ("CHANGE_FEED_QUEUE_URL", "feed", Carries::Feed),
            ("BULK_QUEUE_URL", "bulk", Carries::Bulk),
        ];
        assert_eq!(three.consumed().unwrap(), expected);
    }

    #[test]
    fn messages_of_our_own_do_not_share_a_queue_whose_messages_sns_has_to_sign() {
        let shared = settings("https://sqs.example/live", None, Some("https://sqs.example/live"));
        assert!(shared.checked().is_ok());
        assert!(QueueSettings { verify_sns: true, ..shared }.checked().is_err());
    }

    #[test]
    fn a_process_that_consumes_none_looks_after_each_queue_that_it_is_told_of() {
        assert_eq!(settings("live", Some(" "), Some("bulk")).known(), ["live", "bulk"]);
        assert_eq!(settings("live", Some("live"), Some("live")).known(), ["live"]);
        let without_live = QueueSettings { queue_url: None, ..settings("", Some("feed"), Some("bulk")) };
        assert_eq!(without_live.known(), ["feed", "bulk"]);
        let none = QueueSettings { queue_url: None, ..settings("", None, Some("")) };
        assert_eq!(none.known(), [""; 0]);
    }
}
