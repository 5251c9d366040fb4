//! What the consumer does with one message: accepts it, or keeps it in the store until it can be accepted, and deletes
//! it from the queue.
//!
//! Only while the store itself is away does a message stay in flight, because nothing can be kept then. No failed attempt
//! costs a receive: the queue moves a message to its dead-letter queue after three.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_sqs::types::Message as SqsMessage;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    breakers::{SNS, STORE},
    ingest::{
        accept::{Disposition, NotAccepted},
        attempt::{attempt, tell_breakers},
        feed::FeedMessage,
        message::{Delivery, parse},
        report, route,
        sqs::{consumer::Consumer, deleter::PendingDelete, in_flight::InFlightMessage, received::delivery},
        traced,
    },
    retry::Backoff,
};

/// SQS keeps a message invisible for twelve hours at most from its receipt on, however often that is extended.
const LONGEST_IN_FLIGHT: Duration = Duration::from_secs(11 * 60 * 60);
/// Between attempts while the store is away. Its breaker adds longer pauses.
const STORE_AGAIN: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
/// At shutdown the store has this long to take what was not finished.
const KEEP_AT_SHUTDOWN: Duration = Duration::from_secs(2);

/// When to let go of a message.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown {
    /// The service stops: nothing new is begun.
    pub(crate) stop: CancellationToken,
    /// The time to drain is over: what is not finished is kept for later.
    pub(crate) abandon: CancellationToken,
}

/// A message with all that has to be released when its work ends.
pub(crate) struct MessageInProgress {
    pub(crate) message: SqsMessage,
    pub(crate) in_flight: InFlightMessage,
    pub(crate) feed: Option<FeedMessage>,
}

/// How the work on a message ended.
enum WorkEnd {
    /// It may be deleted.
    Accounted,
    /// It has to be received again.
    Returned,
}

impl Consumer {
    pub(crate) async fn work(
        &self,
        in_progress: MessageInProgress,
        deletes: &mpsc::Sender<PendingDelete>,
        shutdown: &Shutdown,
    ) {
        let MessageInProgress { message, in_flight, feed } = in_progress;
        let (delivery, in_flight) = (delivery(&message), Arc::new(in_flight));
        let heartbeat = self.visibility.extend(&in_flight, self.config.visibility);
        let end = traced(&delivery, self.accept(&delivery, shutdown)).await;
        // Before anything is decided on the visibility: a beat under way must not come after it.
        heartbeat.stop().await;
        match end {
            WorkEnd::Accounted => {
                if let Some(feed) = feed {
                    feed.finished();
                }
                if deletes.send(PendingDelete { in_flight }).await.is_err() {
                    tracing::error!(
                        "the deleter is gone; the message is delivered again and changes nothing"
                    );
                }
            }
            WorkEnd::Returned => {
                metrics::counter!("ingest_returned_total").increment(1);
                if let Some(feed) = feed {
                    feed.returned(Duration::ZERO, drops_records(&delivery));
                }
                self.visibility.set(&in_flight, Duration::ZERO).await;
            }
        }
    }

    /// Works on a message until it may be deleted, or has to be returned.
    async fn accept(&self, delivery: &Delivery, shutdown: &Shutdown) -> WorkEnd {
        let (since, mut failures) = (Instant::now(), 0);
        loop {
            if shutdown.stop.is_cancelled() && failures == 0 {
                return self.keep_untried(delivery).await;
            }
            let failure = tokio::select! {
                end = self.accept_or_keep(delivery) => match end {
                    Ok(()) => return WorkEnd::Accounted,
                    Err(failure) => failure,
                },
                () = shutdown.abandon.cancelled() => return self.keep_untried(delivery).await,
            };
            if since.elapsed() > LONGEST_IN_FLIGHT {
                return WorkEnd::Returned;
            }
            if failures == 0 {
                tracing::warn!(%failure, "message stays in flight until the event store answers again");
            }
            failures += 1;
            let allowed = async {
                tokio::time::sleep(STORE_AGAIN.at_least_half(failures)).await;
                self.breakers.wait_until_allowed(STORE).await;
            };
            tokio::select! {
                () = allowed => {}
                () = shutdown.stop.cancelled() => return WorkEnd::Returned,
            }
        }
    }

    /// One attempt, and what becomes of the message when it fails. The error is always that of the store.
    async fn accept_or_keep(&self, delivery: &Delivery) -> Result<(), NotAccepted> {
        let (message_id, _) = parse(delivery);
        let accepting = self.ingest.accept_from(delivery, self.config.sender);
        let failure = match attempt(self.config.handler_timeout, accepting).await {
            Ok(disposition) => {
                failpoint!("accepted");
                let event_type = report(delivery, &message_id, &disposition);
                self.breakers.succeeded(disposition.proves(event_type.as_deref()), &delivery.item());
                self.breakers.answered(&[SNS]);
                return Ok(());
            }
            Err(failure) => failure,
        };
        tell_breakers(&self.breakers, &failure, &delivery.item());
        if failure.store_is_away() {
            return Err(failure);
        }
        match self.ingest.keep_waiting(delivery, &failure, &self.breakers).await {
            Ok(disposition) => {
                if let Disposition::Waiting { .. } = disposition {
                    report(delivery, &message_id, &disposition);
                }
                self.breakers.answered(&[STORE]);
                Ok(())
            }
            Err(error) => {
                self.breakers.unreachable(STORE, Instant::now());
                Err(NotAccepted::Unavailable { dependency: STORE, reason: error.to_string() })
            }
        }
    }

    /// The service stops: a message that is not finished waits in the store for another process, so that it needs no
    /// further receive.
    async fn keep_untried(&self, delivery: &Delivery) -> WorkEnd {
        match tokio::time::timeout(KEEP_AT_SHUTDOWN, self.ingest.keep_untried(delivery, self.config.sender))
            .await
        {
            Ok(Ok(_)) => WorkEnd::Accounted,
            _ => WorkEnd::Returned,
        }
    }
}

fn drops_records(delivery: &Delivery) -> bool {
    let event_type = parse(delivery).1.ok().and_then(|parsed| parsed.event_type);
    event_type.is_some_and(|event_type| route::drops_records(&event_type))
}
