//! What the consumer does with one message: accepts it, and deletes it, holds it through an outage or puts it back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_sqs::types::Message as SqsMessage;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ingest::{
    accept::NotAccepted,
    message, route,
    sqs::{
        consumer::Consumer,
        deleter::Deletable,
        in_flight::Held,
        received::{delivery, report},
    },
};

/// SQS hides a message for twelve hours at most from its receipt on, however often that is renewed.
const LONGEST_HOLD: Duration = Duration::from_secs(11 * 60 * 60);

/// When to let go of a message.
#[derive(Debug, Clone)]
pub(crate) struct Leave {
    /// The service stops: nothing new is begun.
    pub(crate) stop: CancellationToken,
    /// It has to be gone soon: what is not finished is given back.
    pub(crate) abandon: CancellationToken,
}

/// How the work on a message ended.
enum End {
    Accounted,
    PutBack(Duration),
}

impl Consumer {
    pub(crate) async fn work(
        &self,
        message: SqsMessage,
        held: Held,
        deletes: &mpsc::Sender<Deletable>,
        leave: &Leave,
    ) {
        let held = Arc::new(held);
        let heartbeat = self.hiding.keep(&held, self.config.visibility);
        let end = self.accept(&message, &held, leave).await;
        // Before anything is decided on the visibility: a beat in flight must not come after it.
        heartbeat.stop().await;
        match end {
            End::Accounted => {
                if let Some(feed) = &self.feed {
                    feed.finished(held.message_id());
                }
                if deletes.send(Deletable { held }).await.is_err() {
                    tracing::error!("the deleter is gone; the message comes again and changes nothing");
                }
            }
            End::PutBack(delay) => {
                if let Some(feed) = &self.feed {
                    let (_, parsed) = message::parse(&delivery(&message));
                    let event_type = parsed.ok().and_then(|parsed| parsed.event_type);
                    let drops_records = event_type.is_some_and(|it| route::drops_records(&it));
                    feed.put_back(held.message_id(), delay, drops_records);
                }
                self.hiding.hide(&held, delay).await;
            }
        }
    }

    /// Accepts a message. While what it needs is down, it is held, hidden, and tried again when it is its turn: a
    /// message that was put back would be received, and fail, again and again.
    async fn accept(&self, message: &SqsMessage, held: &Held, leave: &Leave) -> End {
        let (delivery, since) = (delivery(message), Instant::now());
        loop {
            let accepting = tokio::time::timeout(self.config.handler_timeout, self.ingest.accept(&delivery));
            let outcome = tokio::select! {
                outcome = accepting => outcome,
                () = leave.abandon.cancelled() => return End::PutBack(Duration::ZERO),
            };
            let error = match outcome {
                Ok(Ok(disposition)) => {
                    failpoint!("accepted");
                    let event_type = report(&delivery, &disposition);
                    self.breakers.succeeded(disposition.proves(event_type.as_deref()), held.message_id());
                    return End::Accounted;
                }
                Ok(Err(error)) => error,
                Err(_) => NotAccepted::Fault("not finished within the handler timeout".into()),
            };
            let receive_count = delivery.receive_count;
            if let NotAccepted::Unavailable { dependency, .. } = error {
                self.breakers.failed(dependency, held.message_id(), Instant::now());
                if self.breakers.is_open(dependency) && since.elapsed() < LONGEST_HOLD {
                    tracing::info!(%error, receive_count, "message held until the dependency is back");
                    tokio::select! {
                        () = self.breakers.wait_until_allowed(dependency) => continue,
                        () = leave.stop.cancelled() => return End::PutBack(Duration::ZERO),
                    }
                }
            }
            // Visibility is set in whole seconds; none at all would be no pause.
            let delay = self.config.backoff.after(receive_count).max(Duration::from_secs(1));
            let delay_s = delay.as_secs();
            tracing::warn!(%error, receive_count, delay_s, "message not accepted; it stays in the queue");
            metrics::counter!("ingest_put_back_total").increment(1);
            return End::PutBack(delay);
        }
    }
}
