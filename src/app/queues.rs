//! The role `ingest`: consumers of the queues.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        Failure,
        queue_depths::QueueDepths,
        settings::{
            self,
            check::{given, required},
            queues::QueueSettings,
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
        sqs::{Consumer, ConsumerConfig},
        waiting,
    },
    operations::queue_admin::QueueAdmin,
};

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
}
