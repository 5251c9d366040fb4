//! From a failed attempt on a message of the queue to a message that waits in the store, or is parked.

use std::time::Duration;

use chrono::Utc;

use super::{
    accept::{Disposition, Ingest, NotAccepted, Sender},
    attempt::seen,
    message::{Delivery, parse},
    route::outdated,
    waiting::{self, Attempts, Treatment, Waiting, treat},
};
use crate::{
    breakers::{Breakers, SNS},
    case_records,
    database::in_time,
};

impl Ingest {
    /// Commits what becomes of a message after its first attempt failed. Then it may be deleted from the queue.
    ///
    /// # Errors
    /// When the store is unavailable: the message stays in flight.
    pub async fn keep_waiting(
        &self,
        delivery: &Delivery,
        failure: &NotAccepted,
        breakers: &Breakers,
    ) -> sqlx::Result<Disposition> {
        let mut attempts = Attempts::default();
        let seen = seen(breakers, failure, &delivery.item());
        match treat(&mut attempts, failure, seen, Utc::now()) {
            Treatment::Park(parking) => {
                let (message_id, _) = parse(delivery);
                self.park_delivery(delivery, &message_id, parking.clone()).await?;
                Ok(Disposition::Parked(parking))
            }
            Treatment::Wait { after } => self.keep(delivery, failure, attempts, after).await,
        }
    }

    /// Commits a message that was not tried, or not to the end, because the service stops. It is due at once. One that SNS
    /// has to have signed is still to be verified.
    ///
    /// # Errors
    /// When the store is unavailable: the message has to be returned to the queue.
    pub async fn keep_untried(&self, delivery: &Delivery, sender: Sender) -> sqlx::Result<Disposition> {
        let reason = "the service stopped before the attempt ended".to_owned();
        let stopped = match sender {
            Sender::Sns if self.verifies() => NotAccepted::Unavailable { dependency: SNS, reason },
            Sender::Sns | Sender::Trusted => NotAccepted::Fault(reason),
        };
        self.keep(delivery, &stopped, Attempts::default(), Duration::ZERO).await
    }

    async fn keep(
        &self,
        delivery: &Delivery,
        failure: &NotAccepted,
        attempts: Attempts,
        after: Duration,
    ) -> sqlx::Result<Disposition> {
        let (message_id, parsed) = parse(delivery);
        let parsed = parsed.ok();
        // The feed counts the message as handled from here on, so the records have to be dropped by now.
        let outdated = parsed.as_ref().map(outdated).unwrap_or_default();
        if !outdated.is_empty() {
            in_time(case_records::invalidate(self.store().pool(), &outdated)).await?;
        }
        let noms = parsed.as_ref().and_then(|parsed| parsed.event.noms().ok());
        let reason = failure.to_string();
        let waiting = Waiting {
            message_id: &message_id,
            event_type: parsed.as_ref().and_then(|parsed| parsed.event_type.as_deref()),
            case_id: noms.as_ref().map(|noms| noms.as_str()),
            delivery,
            attempts,
            after,
            dependency: failure.dependency(),
            last_answer: &reason,
        };
        in_time(waiting::keep(self.store().pool(), &waiting)).await?;
        Ok(Disposition::Waiting { reason })
    }
}
