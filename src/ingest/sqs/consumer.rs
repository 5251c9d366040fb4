//! The SQS consumer: long polls, works on messages with bounded concurrency, and at shutdown finishes what is begun,
//! keeps the rest in the store and flushes the deletes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_sqs::{
    config::{self, timeout::TimeoutConfig},
    error::DisplayErrorContext,
    types::{Message as SqsMessage, MessageSystemAttributeName},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    breakers::{AUTH, Admission, Breakers, Dependency, MPC, SNS, SQS, STORE},
    ingest::{
        accept::{Ingest, Sender},
        feed::FeedWatch,
        sqs::{
            deleter,
            in_flight::InFlight,
            received::sent_at,
            visibility::{Visibility, seconds},
            work::{MessageInProgress, Shutdown},
        },
    },
    retry::Backoff,
};

/// What most messages need. One that needs Delius as well waits in the store while only that is down.
const NEEDED: &[Dependency] = &[STORE, MPC, AUTH, SNS];
/// The change feed needs only the store, and readers rely on it.
const NEEDED_BY_FEED: &[Dependency] = &[STORE, SNS];

/// After a poll without an answer.
const POLL_AGAIN: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(2));

/// How long the last deletes may take.
const FLUSH: Duration = Duration::from_secs(5);
/// How long signing off from the change feed may take.
const SIGN_OFF: Duration = Duration::from_secs(1);

/// How a queue is consumed.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// The queue's URL.
    pub queue_url: String,
    /// Messages worked on at once.
    pub concurrency: u32,
    /// How long a received message stays invisible to other consumers; extended while it is in progress. After a
    /// crash, messages come again after this time.
    pub visibility: Duration,
    /// How long one message may be worked on.
    pub handler_timeout: Duration,
    /// How long a poll waits for messages (at most 20 s). A stop waits for the poll in flight.
    pub poll_wait: Duration,
    /// How long messages in progress may take after a stop was asked for.
    pub drain: Duration,
    /// Dependencies without which it is not polled.
    pub needed: &'static [Dependency],
    /// Who sends to the queue.
    pub sender: Sender,
}

impl ConsumerConfig {
    /// The usual settings for a queue.
    pub fn of(queue_url: impl Into<String>) -> Self {
        Self {
            queue_url: queue_url.into(),
            concurrency: 16,
            visibility: Duration::from_secs(30),
            handler_timeout: Duration::from_secs(25),
            poll_wait: Duration::from_secs(5),
            drain: Duration::from_secs(15),
            needed: NEEDED,
            sender: Sender::Sns,
        }
    }

    /// The usual settings for a queue that carries the change feed: polled so often that readers can rely on it.
    pub fn of_feed(queue_url: impl Into<String>) -> Self {
        Self { poll_wait: Duration::from_secs(2), ..Self::of(queue_url) }
    }

    /// The queue carries messages of our own, worked off in the background: most of the concurrency is left to live
    /// messages.
    pub fn in_the_background(self) -> Self {
        Self { concurrency: (self.concurrency / 4).max(1), sender: Sender::Trusted, ..self }
    }

    /// The queue carries nothing but the change feed.
    pub fn feed_alone(self) -> Self {
        Self { needed: NEEDED_BY_FEED, ..self }
    }

    /// Settings that do not fit together, each with what it leads to.
    pub fn risks(&self) -> Vec<&'static str> {
        let risks = [
            (
                self.visibility <= self.handler_timeout,
                "the visibility timeout is not longer than the handler timeout: when a heartbeat fails, messages are \
                 delivered twice",
            ),
            (
                self.visibility < Duration::from_secs(3),
                "the visibility timeout is so short that heartbeats may be late: messages are delivered twice",
            ),
            (
                self.visibility > Duration::from_secs(60),
                "the visibility timeout is long: after a crash, messages are delayed by as much",
            ),
            (
                self.poll_wait.max(self.drain) > Duration::from_secs(20),
                "polls or the drain take so long that a shutdown may not end within 30 s: messages are late",
            ),
            (self.poll_wait > Duration::from_secs(20), "SQS refuses polls of more than 20 s"),
        ];
        risks.into_iter().filter_map(|(risky, why)| risky.then_some(why)).collect()
    }
}

/// Consumes one queue.
pub struct Consumer {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) feed: Option<Arc<FeedWatch>>,
    pub(crate) config: ConsumerConfig,
    pub(crate) visibility: Visibility,
    in_flight: InFlight,
}

impl Consumer {
    /// A consumer. `feed` is given when the queue carries the change feed.
    pub fn new(
        sqs: aws_sdk_sqs::Client,
        ingest: Arc<Ingest>,
        breakers: Arc<Breakers>,
        feed: Option<FeedWatch>,
        config: ConsumerConfig,
    ) -> Self {
        let visibility = Visibility { sqs, queue_url: config.queue_url.clone() };
        Self {
            ingest,
            breakers,
            feed: feed.map(Arc::new),
            config,
            visibility,
            in_flight: InFlight::default(),
        }
    }

    /// Consumes until cancelled, then finishes what is in progress, keeps the rest in the store and flushes the deletes.
    pub async fn run(self, stop: CancellationToken) {
        let (deletes, queued) = mpsc::channel(1024);
        let Visibility { sqs, queue_url } = self.visibility.clone();
        let deleter = tokio::spawn(deleter::run(sqs, queue_url, queued));
        let this = Arc::new(self);
        let permits = Arc::new(Semaphore::new(this.config.concurrency as usize));
        let tasks = TaskTracker::new();
        let shutdown = Shutdown { stop: stop.clone(), abandon: CancellationToken::new() };
        // The time to drain begins with the stop and not when the last poll is over.
        let abandon = shutdown.abandon.clone();
        let (asked, drain) = (stop.clone(), this.config.drain);
        let patience = tokio::spawn(async move {
            asked.cancelled().await;
            sleep(drain).await;
            abandon.cancel();
        });
        while !stop.is_cancelled() {
            let Some(at_most) = this.admitted(&stop).await else { continue };
            let Some(free) = this.free(&permits, at_most, &stop).await else { break };
            // Not cut short by a stop: what SQS gives to a caller that is gone has been received for nothing.
            for (in_progress, permit) in this.poll(free).await {
                let (this, deletes, shutdown) = (Arc::clone(&this), deletes.clone(), shutdown.clone());
                tasks.spawn(async move {
                    failpoint!("received");
                    this.work(in_progress, &deletes, &shutdown).await;
                    drop(permit);
                });
            }
        }
        tasks.close();
        tasks.wait().await;
        patience.abort();
        drop(deletes);
        match timeout(FLUSH, deleter).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the deleter panicked; its messages are delivered again")
            }
            Err(_) => {
                tracing::warn!("the last deletes did not get through; those messages are delivered again")
            }
        }
        if let Some(feed) = &this.feed {
            // Readers find out by themselves when this does not get through.
            let _ = timeout(SIGN_OFF, feed.sign_off()).await;
        }
    }

    /// How many messages to poll for at most; `None` after a pause because something that they need is down.
    async fn admitted(&self, stop: &CancellationToken) -> Option<usize> {
        match self.breakers.admission(self.config.needed, Instant::now()) {
            Admission::Open => Some(10),
            Admission::Probe => Some(1),
            Admission::Paused(pause) => {
                let down = self.breakers.open();
                let down = down.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                tracing::warn!(down, pause_ms = pause.as_millis(), "a dependency is down; polling pauses");
                stop.run_until_cancelled(sleep(pause)).await;
                None
            }
        }
    }

    /// Waits until one more message can be worked on, and takes the room for up to so many.
    async fn free(
        &self,
        permits: &Arc<Semaphore>,
        at_most: usize,
        stop: &CancellationToken,
    ) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = stop.run_until_cancelled(Arc::clone(permits).acquire_owned()).await?.ok()?;
        let mut free = vec![first];
        while free.len() < at_most
            && let Ok(more) = Arc::clone(permits).try_acquire_owned()
        {
            free.push(more);
        }
        Some(free)
    }

    /// Polls once. Nothing, after a pause, when SQS does not answer.
    async fn poll(&self, free: Vec<OwnedSemaphorePermit>) -> Vec<(MessageInProgress, OwnedSemaphorePermit)> {
        let received = match self.receive(free.len()).await {
            Ok(received) => received,
            Err(error) => {
                self.breakers.unreachable(SQS, Instant::now());
                let reason = DisplayErrorContext(&error).to_string();
                tracing::warn!(queue_url = self.config.queue_url, reason, "could not poll; trying again");
                sleep(POLL_AGAIN.at_least_half(1)).await;
                return vec![];
            }
        };
        self.breakers.answered(&[SQS]);
        let was_empty = received.is_empty();
        let taken: Vec<_> = received
            .into_iter()
            .zip(free)
            .filter_map(|(message, permit)| Some((self.take(message)?, permit)))
            .collect();
        if let Some(feed) = &self.feed {
            let now = Instant::now();
            let long_poll = self.config.poll_wait >= Duration::from_secs(1);
            let nothing_waits = match was_empty {
                true if long_poll => true,
                _ => feed.should_ask(now) && self.visibility.queue_is_empty().await,
            };
            if nothing_waits {
                feed.drained(now);
            }
            feed.polled().await;
        }
        taken
    }

    /// Takes a received message into the work; `None` for one that is in flight already.
    fn take(&self, message: SqsMessage) -> Option<MessageInProgress> {
        let (Some(id), Some(handle)) = (message.message_id(), message.receipt_handle()) else {
            tracing::error!("SQS gave a message without id or receipt handle; it is delivered again");
            return None;
        };
        let Some(in_flight) = self.in_flight.take(id, handle.to_owned()) else {
            tracing::info!(
                sqs_message_id = id,
                "message delivered again while in progress; the new receipt handle is used"
            );
            metrics::counter!("ingest_redeliveries_total").increment(1);
            return None;
        };
        // Whatever its type: in a queue that others share, an old message in front means that messages of the feed may
        // be waiting, unreceived, behind it. Only for one that is taken: nobody would ever finish the entry of another.
        let feed = self.feed.as_ref().map(|feed| feed.received(id, sent_at(&message)));
        Some(MessageInProgress { message, in_flight, feed })
    }

    async fn receive(&self, at_most: usize) -> Result<Vec<SqsMessage>, aws_sdk_sqs::Error> {
        let wait = self.config.poll_wait;
        // A long poll takes as long as it waits; the limits for other calls would cut it.
        let limits = TimeoutConfig::builder()
            .operation_attempt_timeout(wait + Duration::from_secs(5))
            .operation_timeout(wait + Duration::from_secs(8))
            .build();
        let received = self
            .visibility
            .sqs
            .receive_message()
            .queue_url(&self.config.queue_url)
            .max_number_of_messages(i32::try_from(at_most).unwrap_or(10))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(self.config.visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .customize()
            .config_override(config::Builder::new().timeout_config(limits))
            .send()
            .await?;
        Ok(received.messages.unwrap_or_default())
    }
}
