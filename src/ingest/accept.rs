//! One message from receipt to its end: case events, parked, or waiting.
//!
//! Architecture invariant: a message may be deleted from the queue only when [`Ingest::accept`] or
//! [`Ingest::keep_waiting`] returned a disposition, and they return one only after what the message led to is committed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;

use super::{
    attempt::{AttemptOrigin, of_store},
    known,
    message::{Delivery, Malformed, Parsed, parse},
    not_accepted::undocumented,
    parked,
    route::{MessageRoute, ParkReason, Parking, drops_again, outdated, route},
    sns::{RefusedDelivery, SnsVerifier},
    traced,
    waiting::MAX_UNDOCUMENTED,
};
pub use super::{disposition::Disposition, not_accepted::NotAccepted};
use crate::{
    case::{
        CaseCommand, CaseError, CaseEvent, Evidence, FetchError, NomsNumber, UndocumentedAnswer, sha256_hex,
    },
    case_records,
    delius::Delius,
    event_store::{
        CaseStore, Cause, ExecuteError, MessageStanding,
        receipts::{self, Receipt},
    },
};

/// Accepts messages.
pub struct Ingest {
    pub(super) store: Arc<CaseStore>,
    pub(super) delius: Delius,
    /// None = signatures are not verified.
    sns: Option<SnsVerifier>,
}

/// How often a message follows a person from one number to the next.
const MAX_MOVES: u32 = 10;

/// Who may have sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// SNS alone: its signature is verified where that is asked for.
    Sns,
    /// This service or an operator; or SNS, whose signature was verified before.
    Trusted,
}

/// When a record is dropped that is out of date before Delius has the new value.
const DROP_AGAIN: Duration = Duration::from_secs(30);

/// A message on its way to its end.
pub(super) struct InWork<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) receipt: Receipt,
    origin: AttemptOrigin,
}

impl Ingest {
    /// Accepts messages into the store.
    pub fn new(store: Arc<CaseStore>, delius: Delius) -> Self {
        Self { store, delius, sns: None }
    }

    /// Verifies that the messages which SNS has to have signed come from SNS.
    pub fn verifying(self, sns: Option<SnsVerifier>) -> Self {
        Self { sns, ..self }
    }

    pub(super) fn verifies(&self) -> bool {
        self.sns.is_some()
    }

    /// The store that messages are accepted into.
    pub fn store(&self) -> &CaseStore {
        &self.store
    }

    /// Makes one attempt to accept a delivery from the queue.
    pub async fn accept(&self, delivery: &Delivery) -> Result<Disposition, NotAccepted> {
        self.accept_from(delivery, Sender::Trusted).await
    }

    /// The same for a queue of which this is known.
    pub(super) async fn accept_from(
        &self,
        delivery: &Delivery,
        sender: Sender,
    ) -> Result<Disposition, NotAccepted> {
        let began = Instant::now();
        let disposition = traced(delivery, self.accept_untimed(delivery, sender)).await?;
        metrics::histogram!("ingest_message_duration_seconds").record(began.elapsed());
        Ok(disposition)
    }

    async fn accept_untimed(&self, delivery: &Delivery, sender: Sender) -> Result<Disposition, NotAccepted> {
        let (message_id, parsed) = parse(delivery);
        let noms = parsed.as_ref().ok().and_then(|parsed| parsed.event.noms().ok());
        if self.store.standing(&message_id, noms.as_ref()).await? != MessageStanding::New
            && let Some(end) =
                self.known(delivery, &message_id, parsed.as_ref().ok(), AttemptOrigin::Queue).await?
        {
            return Ok(end);
        }
        if let Some(end) = self.not_signed(delivery, &message_id, sender).await? {
            return Ok(end);
        }
        self.accept_parsed(delivery, message_id, parsed, AttemptOrigin::Queue).await
    }

    /// The end of a message that SNS has to have signed and did not. It is parked under an id of its own: the message that
    /// it pretends to be may still come.
    async fn not_signed(
        &self,
        delivery: &Delivery,
        message_id: &str,
        sender: Sender,
    ) -> Result<Option<Disposition>, NotAccepted> {
        let Some(sns) = self.sns.as_ref().filter(|_| sender == Sender::Sns) else { return Ok(None) };
        match sns.verify(delivery).await {
            Ok(()) => Ok(None),
            Err(RefusedDelivery::NotNow(failure)) => Err(failure),
            Err(RefusedDelivery::Never(parking)) => {
                let receipt = receipt(delivery, message_id.to_owned(), None);
                let message_id = format!("{message_id}#{}", &receipt.body_sha256[..16]);
                let in_work = InWork {
                    delivery,
                    receipt: Receipt { message_id, ..receipt },
                    origin: AttemptOrigin::Queue,
                };
                self.park(in_work, None, parking).await.map(Some)
            }
        }
    }

    /// Accepts a message for somebody who waits for its end: what could be different at the next request is asked for
    /// at once, and the message parked when it is not.
    pub async fn accept_now(&self, delivery: &Delivery) -> Result<Disposition, NotAccepted> {
        for _ in 1..MAX_UNDOCUMENTED {
            match self.accept(delivery).await {
                Err(NotAccepted::Undocumented { .. }) => {}
                Err(NotAccepted::Again { .. }) => break,
                end => return end,
            }
        }
        let (message_id, _) = parse(delivery);
        self.retry(delivery, &message_id).await
    }

    /// Makes one attempt to accept a waiting message.
    pub async fn accept_waiting(
        &self,
        delivery: &Delivery,
        message_id: &str,
        sender: Sender,
    ) -> Result<Disposition, NotAccepted> {
        let (_, parsed) = parse(delivery);
        if let Some(end) =
            self.known(delivery, message_id, parsed.as_ref().ok(), AttemptOrigin::Waiting).await?
        {
            return Ok(end);
        }
        if let Some(end) = self.not_signed(delivery, message_id, sender).await? {
            return Ok(end);
        }
        self.accept_parsed(delivery, message_id.to_owned(), parsed, AttemptOrigin::Waiting).await
    }

    /// Accepts a parked message once more, under the id that it was parked with.
    pub async fn retry(&self, delivery: &Delivery, message_id: &str) -> Result<Disposition, NotAccepted> {
        let (_, parsed) = parse(delivery);
        let accepted = self.accept_parsed(delivery, message_id.to_owned(), parsed, AttemptOrigin::Operator);
        traced(delivery, accepted).await
    }

    /// The end of a message whose id is known: a duplicate, or another message under the same id.
    ///
    /// The case knows its messages too. But whose case it is can depend on what Delius says today: the second delivery
    /// of a message must not become events of another case.
    async fn known(
        &self,
        delivery: &Delivery,
        message_id: &str,
        parsed: Option<&Parsed>,
        origin: AttemptOrigin,
    ) -> Result<Option<Disposition>, NotAccepted> {
        let known = of_store(known::find(self.pool(), message_id, origin == AttemptOrigin::Waiting)).await?;
        let Some(known) = known else { return Ok(None) };
        let event_type = parsed.and_then(|parsed| parsed.event_type.clone());
        let receipt = receipt(delivery, message_id.to_owned(), event_type);
        let same = known.is_same(self.pool(), message_id, delivery, &receipt.body_sha256);
        if of_store(same).await? {
            return self.duplicate(receipt, known.noms.as_ref()).await.map(Some);
        }
        let parking = ParkReason::MessageIdReused.because(
            "another message with the same id and another content was accounted for before; retry it when both are \
             true, or skip it",
        );
        // Under an id of its own, so that neither message hides the other.
        let message_id = format!("{message_id}#{}", &receipt.body_sha256[..16]);
        let receipt = Receipt { message_id, ..receipt };
        if of_store(known::find(self.pool(), &receipt.message_id, false)).await?.is_some() {
            return self.duplicate(receipt, known.noms.as_ref()).await.map(Some);
        }
        let in_work = InWork { delivery, receipt, origin };
        self.park(in_work, known.noms.as_ref(), parking).await.map(Some)
    }

    /// Parks a message for a reason that is not found in it.
    pub(super) async fn park_delivery(
        &self,
        delivery: &Delivery,
        message_id: &str,
        parking: Parking,
    ) -> sqlx::Result<()> {
        let (_, parsed) = parse(delivery);
        let parsed = parsed.ok();
        let noms = parsed.as_ref().and_then(|parsed| parsed.event.noms().ok());
        let event_type = parsed.and_then(|parsed| parsed.event_type);
        let receipt = receipt(delivery, message_id.to_owned(), event_type);
        of_store(parked::park(self.pool(), receipt, delivery, noms.as_ref(), &parking)).await?;
        super::report(delivery, message_id, &Disposition::Parked(parking));
        Ok(())
    }

    async fn accept_parsed(
        &self,
        delivery: &Delivery,
        message_id: String,
        parsed: Result<Parsed, Malformed>,
        origin: AttemptOrigin,
    ) -> Result<Disposition, NotAccepted> {
        let event_type = parsed.as_ref().ok().and_then(|parsed| parsed.event_type.clone());
        let in_work = InWork { delivery, receipt: receipt(delivery, message_id, event_type), origin };
        let parsed = match parsed {
            // The id of the attempt, where it was parked under another one.
            Ok(parsed) => Parsed { message_id: in_work.receipt.message_id.clone(), ..parsed },
            Err(malformed) => {
                return self.park(in_work, None, ParkReason::InvalidMessage.because(malformed.0)).await;
            }
        };
        let outdated = outdated(&parsed);
        if !outdated.is_empty() {
            of_store(case_records::invalidate(self.pool(), &outdated)).await?;
        }
        let noms = parsed.event.noms().ok();
        // The body was parsed as UTF-8, so nothing is replaced here.
        let evidence = Evidence::of(String::from_utf8_lossy(&delivery.body));
        let now = if origin == AttemptOrigin::Operator { chrono::Utc::now() } else { delivery.received_at };
        match route(&parsed, evidence, delivery.received_at, now) {
            MessageRoute::Command(noms, command) => self.command(in_work, noms, command).await,
            MessageRoute::Linked { crn, former, message } => self.linked(in_work, crn, former, message).await,
            MessageRoute::Identity { change, message } => {
                self.identity_changed(in_work, change, message).await
            }
            MessageRoute::SentenceChanged(crn, message) => {
                self.sentence_changed(in_work, &crn, message).await
            }
            MessageRoute::ChangeFeed(_)
                if origin == AttemptOrigin::Queue && drops_again(parsed.event_type.as_deref()) =>
            {
                Err(NotAccepted::Again { after: DROP_AGAIN })
            }
            MessageRoute::ChangeFeed(crn) => {
                let accounted = in_work.receipt.change_feed(crn.to_string());
                of_store(receipts::insert(self.pool(), &accounted)).await?;
                Ok(Disposition::ChangeFeed(crn))
            }
            MessageRoute::ErasureRequested(crn, at) => self.erasure_requested(in_work, crn, at).await,
            MessageRoute::Park(parking) => self.park(in_work, noms.as_ref(), parking).await,
        }
    }

    pub(super) async fn command(
        &self,
        in_work: InWork<'_>,
        mut noms: NomsNumber,
        mut command: CaseCommand,
    ) -> Result<Disposition, NotAccepted> {
        // The person may have another number by now, and that one another in turn.
        for _ in 0..MAX_MOVES {
            match self.store.execute(&noms, command.clone(), Cause::Message(in_work.receipt.clone())).await {
                Err(ExecuteError::Case(CaseError::Moved { to })) => {
                    command = command.moved_to(&to);
                    noms = to;
                }
                other => return self.executed(in_work, noms, other).await,
            }
        }
        Err(NotAccepted::Fault("the number of the person changes too fast".into()))
    }

    pub(super) async fn executed(
        &self,
        in_work: InWork<'_>,
        noms: NomsNumber,
        appended: Result<Vec<CaseEvent>, ExecuteError>,
    ) -> Result<Disposition, NotAccepted> {
        match appended {
            Ok(appended) if appended.is_empty() => self.duplicate(in_work.receipt, Some(&noms)).await,
            Ok(events) => Ok(Disposition::Recorded { noms, events }),
            Err(ExecuteError::Case(CaseError::Fetch(error))) => self.not_fetched(in_work, &noms, error).await,
            Err(error) => Err(error.into()),
        }
    }

    /// What a failed fetch means for the message: parked for the reason, or not accepted.
    async fn not_fetched(
        &self,
        in_work: InWork<'_>,
        noms: &NomsNumber,
        error: FetchError,
    ) -> Result<Disposition, NotAccepted> {
        let detail = error.to_string();
        let reason = match error {
            FetchError::Unavailable { dependency, reason } => {
                return Err(NotAccepted::Unavailable { dependency, reason });
            }
            FetchError::Undocumented(answer) => {
                let reason = match answer {
                    UndocumentedAnswer::BareNotFound => ParkReason::DetailNotFound,
                    UndocumentedAnswer::Status(_) | UndocumentedAnswer::Redirect { .. } => {
                        ParkReason::UnexpectedStatus
                    }
                    UndocumentedAnswer::Body { .. } => ParkReason::InvalidDetail,
                };
                let parking = reason.because(detail);
                return self.undocumented(in_work, Some(noms), undocumented(&answer, parking)).await;
            }
            FetchError::ForeignUrl { .. } => ParkReason::ForeignDetailUrl,
            FetchError::IdentifierMismatch => ParkReason::IdentifierMismatch,
            FetchError::InvalidAnswer { .. } => ParkReason::InvalidDetail,
        };
        self.park(in_work, Some(noms), reason.because(detail)).await
    }

    /// An undocumented answer may be another one soon, so the message waits, unless an operator waits for its end.
    pub(super) async fn undocumented(
        &self,
        in_work: InWork<'_>,
        noms: Option<&NomsNumber>,
        failure: NotAccepted,
    ) -> Result<Disposition, NotAccepted> {
        match failure {
            NotAccepted::Undocumented { parking, .. } if in_work.origin == AttemptOrigin::Operator => {
                self.park(in_work, noms, parking).await
            }
            failure => Err(failure),
        }
    }

    pub(super) async fn duplicate(
        &self,
        receipt: Receipt,
        noms: Option<&NomsNumber>,
    ) -> Result<Disposition, NotAccepted> {
        of_store(receipts::insert(self.pool(), &receipt.duplicate(noms))).await?;
        Ok(Disposition::Duplicate)
    }

    async fn park(
        &self,
        in_work: InWork<'_>,
        noms: Option<&NomsNumber>,
        parking: Parking,
    ) -> Result<Disposition, NotAccepted> {
        let InWork { delivery, receipt, .. } = in_work;
        of_store(parked::park(self.pool(), receipt, delivery, noms, &parking)).await?;
        Ok(Disposition::Parked(parking))
    }

    pub(super) fn pool(&self) -> &PgPool {
        self.store.pool()
    }
}

fn receipt(delivery: &Delivery, message_id: String, event_type: Option<String>) -> Receipt {
    Receipt {
        message_id,
        event_type,
        body_sha256: sha256_hex(&delivery.body),
        receive_count: delivery.receive_count,
        received_at: delivery.received_at,
    }
}
