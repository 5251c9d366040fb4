//! The SQS consumer: long polls, accepts with bounded concurrency, deletes what is accounted for and puts back
//! what is not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName};
use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    accept::{Disposition, Ingest, NotAccepted},
    breaker::{Admission, Breakers},
    deleter::{self, Deletable},
    feed::FeedWatch,
    message::Delivery,
    route::dates_records,
};

/// How a queue is consumed.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// The queue's URL.
    pub queue_url: String,
    /// Messages worked on at once.
    pub concurrency: u32,
    /// How long a received message stays hidden; renewed while it is worked on.
    pub visibility: Duration,
    /// How long one message may be worked on.
    pub handler_timeout: Duration,
    /// How long a poll waits for messages (at most 20 s).
    pub poll_wait: Duration,
    /// How long messages in work may take after a stop was asked for.
    pub drain: Duration,
}

impl ConsumerConfig {
    /// The usual settings for a queue.
    pub fn of(queue_url: impl Into<String>) -> Self {
        Self {
            queue_url: queue_url.into(),
            concurrency: 16,
            visibility: Duration::from_secs(120),
            handler_timeout: Duration::from_secs(90),
            poll_wait: Duration::from_secs(20),
            drain: Duration::from_secs(25),
        }
    }

    /// The usual settings for a queue that carries the change feed: polled so often that readers can rely on it.
    pub fn of_feed(queue_url: impl Into<String>) -> Self {
        Self { poll_wait: Duration::from_secs(2), ..Self::of(queue_url) }
    }

    /// The usual settings for the queue of a bulk run: it leaves most of the service's hands to live messages.
    pub fn of_bulk(queue_url: impl Into<String>) -> Self {
        Self { concurrency: 4, ..Self::of(queue_url) }
    }
}

/// Consumes one queue.
pub struct Consumer {
    sqs: aws_sdk_sqs::Client,
    ingest: Arc<Ingest>,
    breakers: Arc<Breakers>,
    feed: Option<FeedWatch>,
    config: ConsumerConfig,
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
        Self { sqs, ingest, breakers, feed, config }
    }

    /// Consumes until cancelled, then finishes what is in work, flushes the deletes and gives the rest back.
    pub async fn run(self, stop: CancellationToken) {
        let (deletes, queued) = mpsc::channel(1024);
        let deleter = tokio::spawn(deleter::run(self.sqs.clone(), self.config.queue_url.clone(), queued));
        let this = Arc::new(self);
        let permits = Arc::new(Semaphore::new(this.config.concurrency as usize));
        let tasks = TaskTracker::new();
        let abandon = CancellationToken::new();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                () = Self::poll(&this, &permits, &tasks, &deletes, &abandon) => {}
            }
        }
        tasks.close();
        if tokio::time::timeout(this.config.drain, tasks.wait()).await.is_err() {
            abandon.cancel();
            tasks.wait().await;
        }
        if let Some(feed) = &this.feed {
            feed.leave().await;
        }
        drop(deletes);
        if let Err(error) = deleter.await {
            tracing::error!(%error, "the deleter ended badly; undeleted messages come again and change nothing");
        }
    }

    async fn poll(
        this: &Arc<Self>,
        permits: &Arc<Semaphore>,
        tasks: &TaskTracker,
        deletes: &mpsc::Sender<Deletable>,
        abandon: &CancellationToken,
    ) {
        let at_most = match this.breakers.admission(Instant::now()) {
            Admission::Open => 10,
            Admission::Probe => 1,
            Admission::Paused(pause) => {
                let down = this.breakers.open();
                tracing::warn!(?down, pause_ms = pause.as_millis(), "a dependency is down; polling pauses");
                return tokio::time::sleep(pause).await;
            }
        };
        let Ok(first) = Arc::clone(permits).acquire_owned().await else { return };
        let mut held = vec![first];
        while held.len() < at_most
            && let Ok(more) = Arc::clone(permits).try_acquire_owned()
        {
            held.push(more);
        }
        let received = match this.receive(held.len()).await {
            Ok(received) => received,
            Err(error) => {
                let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
                tracing::warn!(queue_url = this.config.queue_url, reason, "could not poll; trying again");
                return tokio::time::sleep(Duration::from_millis(fastrand::u64(500..3000))).await;
            }
        };
        if let Some(feed) = &this.feed {
            for message in received.iter().filter(|message| is_change_feed(message)) {
                feed.received(message.receipt_handle().unwrap_or_default(), sent_at(message));
            }
            feed.polled().await;
        }
        for (message, permit) in received.into_iter().zip(held) {
            let (this, deletes, abandon) = (Arc::clone(this), deletes.clone(), abandon.clone());
            tasks.spawn(async move {
                this.work(message, &deletes, &abandon).await;
                drop(permit);
            });
        }
    }

    async fn receive(&self, at_most: usize) -> Result<Vec<SqsMessage>, aws_sdk_sqs::Error> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.config.queue_url)
            .max_number_of_messages(i32::try_from(at_most).unwrap_or(10))
            .wait_time_seconds(i32::try_from(self.config.poll_wait.as_secs()).unwrap_or(20))
            .visibility_timeout(seconds(self.config.visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .send()
            .await?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn work(
        &self,
        message: SqsMessage,
        deletes: &mpsc::Sender<Deletable>,
        abandon: &CancellationToken,
    ) {
        let Some(handle) = message.receipt_handle.clone() else {
            tracing::error!("SQS gave a message without a receipt handle; it comes again");
            return;
        };
        let delivery = delivery(&message);
        let accepting = tokio::time::timeout(self.config.handler_timeout, self.ingest.accept(&delivery));
        let outcome = tokio::select! {
            outcome = accepting => outcome.unwrap_or_else(|_| {
                Err(NotAccepted::Fault("not finished within the handler timeout".into()))
            }),
            () = self.keep_hidden(&handle) => return,
            () = abandon.cancelled() => return self.hide(&handle, Duration::ZERO).await,
        };
        match outcome {
            Ok(disposition) => {
                let event_type = report(&delivery, &disposition);
                self.breakers.succeeded(disposition.proves(event_type.as_deref()));
                if let Some(feed) = &self.feed {
                    feed.finished(&handle);
                }
                if deletes.send(Deletable { handle }).await.is_err() {
                    tracing::error!("the deleter is gone; the message comes again and changes nothing");
                }
            }
            Err(error) => {
                if let NotAccepted::Unavailable { dependency, .. } = &error {
                    self.breakers.failed(dependency, Instant::now());
                }
                let delay = backoff(delivery.receive_count);
                let (receive_count, delay_s) = (delivery.receive_count, delay.as_secs());
                tracing::warn!(%error, receive_count, delay_s, "message not accepted; it stays in the queue");
                if let Some(feed) = &self.feed {
                    feed.put_back(&handle, delay);
                }
                self.hide(&handle, delay).await;
            }
        }
    }

    /// Renews the hiding of a message that is worked on. Never returns.
    async fn keep_hidden(&self, handle: &str) {
        loop {
            tokio::time::sleep(self.config.visibility / 3).await;
            self.hide(handle, self.config.visibility).await;
        }
    }

    async fn hide(&self, handle: &str, hidden: Duration) {
        let changed = self
            .sqs
            .change_message_visibility()
            .queue_url(&self.config.queue_url)
            .receipt_handle(handle)
            .visibility_timeout(seconds(hidden))
            .send()
            .await;
        if let Err(error) = changed {
            let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
            tracing::warn!(reason, "could not change the visibility of a message; its own timeout applies");
        }
    }
}

/// Full jitter under a ceiling that doubles with every receive: 10 s, 20 s, … up to 15 minutes.
fn backoff(receive_count: u32) -> Duration {
    let ceiling = 10_u64.saturating_mul(1 << receive_count.saturating_sub(1).min(10)).min(900);
    Duration::from_secs(fastrand::u64(1..=ceiling))
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn is_change_feed(message: &SqsMessage) -> bool {
    let (_, parsed) = super::message::parse(&delivery(message));
    parsed.ok().and_then(|parsed| parsed.event_type).is_some_and(|event_type| dates_records(&event_type))
}

/// When the message was sent to the queue; now, when SQS does not say.
fn sent_at(message: &SqsMessage) -> DateTime<Utc> {
    let sent = message.attributes().and_then(|system| system.get(&MessageSystemAttributeName::SentTimestamp));
    sent.and_then(|ms| DateTime::from_timestamp_millis(ms.parse().ok()?)).unwrap_or_else(Utc::now)
}

fn delivery(message: &SqsMessage) -> Delivery {
    let attributes = message.message_attributes().into_iter().flatten();
    Delivery {
        body: message.body().unwrap_or_default().as_bytes().to_vec(),
        attributes: attributes
            .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())))
            .collect(),
        receive_count: message
            .attributes
            .as_ref()
            .and_then(|system| system.get(&MessageSystemAttributeName::ApproximateReceiveCount))
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        received_at: Utc::now(),
    }
}

/// Logs what became of a message, and answers its event type.
fn report(delivery: &Delivery, disposition: &Disposition) -> Option<String> {
    let (message_id, parsed) = super::message::parse(delivery);
    let event_type = parsed.ok().and_then(|parsed| parsed.event_type);
    super::report(&message_id, event_type.as_deref(), disposition);
    event_type
}
