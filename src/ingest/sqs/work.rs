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
        consumer::{Backoff, Consumer},
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
        let end = self.accept(&message, leave).await;
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
    async fn accept(&self, message: &SqsMessage, leave: &Leave) -> End {
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
                    self.breakers.succeeded(disposition.proves(event_type.as_deref()));
                    return End::Accounted;
                }
                Ok(Err(error)) => error,
                Err(_) => NotAccepted::Fault("not finished within the handler timeout".into()),
            };
            let receive_count = delivery.receive_count;
            if let NotAccepted::Unavailable { dependency, .. } = error {
                self.breakers.failed(dependency, Instant::now());
                if self.breakers.is_open(dependency) && since.elapsed() < LONGEST_HOLD {
                    tracing::info!(%error, receive_count, "message held until the dependency is back");
                    tokio::select! {
                        () = self.breakers.wait_for_turn(dependency) => continue,
                        () = leave.stop.cancelled() => return End::PutBack(Duration::ZERO),
                    }
                }
            }
            let delay = self.config.backoff.after(receive_count);
            let delay_s = delay.as_secs();
            tracing::warn!(%error, receive_count, delay_s, "message not accepted; it stays in the queue");
            metrics::counter!("ingest_put_back_total").increment(1);
            return End::PutBack(delay);
        }
    }
}

impl Backoff {
    /// Full jitter under a ceiling that doubles with every receive.
    pub(crate) fn after(&self, receive_count: u32) -> Duration {
        let doublings = receive_count.saturating_sub(1).min(16);
        let ceiling = self.longest.min(self.first.saturating_mul(1 << doublings));
        // Visibility is set in whole seconds; none at all would be no pause.
        Duration::from_secs(fastrand::u64(1..=ceiling.as_secs().max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_of_the_backoff_doubles_and_ends() {
        let backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_secs(900) };
        for (receives, ceiling) in [(0, 10), (1, 10), (2, 20), (4, 80), (8, 900), (1000, 900)] {
            let longest = (0..2000).map(|_| backoff.after(receives).as_secs()).max().unwrap_or_default();
            assert!(longest <= ceiling && longest > ceiling / 2, "{receives} receives: {longest}");
        }
    }
}
