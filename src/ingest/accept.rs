//! One message from receipt to its end: case events, parked, or waiting.
//!
//! Architecture invariant: a message may be deleted from the queue only when [`Ingest::accept`] or
//! [`Ingest::keep_waiting`] returned a disposition, and they return one only after what the message led to is committed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;

pub use super::{disposition::Disposition, not_accepted::NotAccepted};
use super::{
    known,
    message::{Delivery, Malformed, Parsed, parse},
    not_accepted::undocumented,
    note_case, parked,
    route::{ParkReason, Parking, Route, drops_again, outdated, route},
    traced,
    waiting::MAX_UNDOCUMENTED,
};
use crate::{
    case::{
        CaseCommand, CaseError, CaseEvent, Crn, DetailAddress, Evidence, FetchError, IdentityChange,
        IdentityReason, Message, NomsNumber, PersonId, UndocumentedAnswer, sha256_hex,
    },
    case_records,
    database::in_time,
    delius::{Delius, DeliusError, LiveCustody},
    event_store::{
        CaseStore, Cause, ExecuteError, Standing,
        receipts::{self, Receipt},
    },
};

/// How long to wait for an answer of Delius.
const DELIUS_ANSWER: Duration = Duration::from_secs(10);

/// Accepts messages.
pub struct Ingest {
    pub(super) store: Arc<CaseStore>,
    pub(super) delius: Delius,
}

/// How often a message follows a person from one number to the next.
const MAX_MOVES: u32 = 10;

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Queue,
    Waiting,
    /// Somebody waits for the end of the message.
    Operator,
}

/// When a record is dropped that is out of date before Delius has the new value.
const DROP_AGAIN: Duration = Duration::from_secs(30);

/// A message on its way to its end.
pub(super) struct InWork<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) receipt: Receipt,
    origin: Origin,
}

impl Ingest {
    /// Accepts messages into the store.
    pub fn new(store: Arc<CaseStore>, delius: Delius) -> Self {
        Self { store, delius }
    }

    /// The store that messages are accepted into.
    pub fn store(&self) -> &CaseStore {
        &self.store
    }

    /// Makes one attempt to accept a delivery from the queue.
    pub async fn accept(&self, delivery: &Delivery) -> Result<Disposition, NotAccepted> {
        let began = Instant::now();
        let disposition = traced(delivery, self.accept_untimed(delivery)).await?;
        metrics::histogram!("ingest_message_duration_seconds").record(began.elapsed());
        Ok(disposition)
    }

    async fn accept_untimed(&self, delivery: &Delivery) -> Result<Disposition, NotAccepted> {
        let (message_id, parsed) = parse(delivery);
        let noms = parsed.as_ref().ok().and_then(|parsed| parsed.event.noms().ok());
        if self.store.standing(&message_id, noms.as_ref()).await? != Standing::New
            && let Some(end) = self.known(delivery, &message_id, parsed.as_ref().ok(), Origin::Queue).await?
        {
            return Ok(end);
        }
        self.accept_parsed(delivery, message_id, parsed, Origin::Queue).await
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
    ) -> Result<Disposition, NotAccepted> {
        let (_, parsed) = parse(delivery);
        if let Some(end) = self.known(delivery, message_id, parsed.as_ref().ok(), Origin::Waiting).await? {
            return Ok(end);
        }
        self.accept_parsed(delivery, message_id.to_owned(), parsed, Origin::Waiting).await
    }

    /// Accepts a parked message once more, under the id that it was parked with.
    pub async fn retry(&self, delivery: &Delivery, message_id: &str) -> Result<Disposition, NotAccepted> {
        let (_, parsed) = parse(delivery);
        let accepted = self.accept_parsed(delivery, message_id.to_owned(), parsed, Origin::Operator);
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
        origin: Origin,
    ) -> Result<Option<Disposition>, NotAccepted> {
        let known = in_time(known::find(self.pool(), message_id, origin == Origin::Waiting)).await?;
        let Some(known) = known else { return Ok(None) };
        let event_type = parsed.and_then(|parsed| parsed.event_type.clone());
        let receipt = receipt(delivery, message_id.to_owned(), event_type);
        let same = known.is_same(self.pool(), message_id, delivery, &receipt.body_sha256);
        if in_time(same).await? {
            return self.duplicate(receipt, known.noms.as_ref()).await.map(Some);
        }
        let parking = ParkReason::MessageIdReused.because(
            "another message with the same id and another content was accounted for before; retry it when both are \
             true, or skip it",
        );
        // Under an id of its own, so that neither message hides the other.
        let message_id = format!("{message_id}#{}", &receipt.body_sha256[..16]);
        let receipt = Receipt { message_id, ..receipt };
        if in_time(known::find(self.pool(), &receipt.message_id, false)).await?.is_some() {
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
        in_time(parked::park(self.pool(), receipt, delivery, noms.as_ref(), &parking)).await?;
        super::report(delivery, message_id, &Disposition::Parked(parking));
        Ok(())
    }

    async fn accept_parsed(
        &self,
        delivery: &Delivery,
        message_id: String,
        parsed: Result<Parsed, Malformed>,
        origin: Origin,
    ) -> Result<Disposition, NotAccepted> {
        let event_type = parsed.as_ref().ok().and_then(|parsed| parsed.event_type.clone());
        let in_work = InWork { delivery, receipt: receipt(delivery, message_id, event_type), origin };
        let parsed = match parsed {
            // The id of the attempt, where the message was parked under one of its own.
            Ok(parsed) => Parsed { message_id: in_work.receipt.message_id.clone(), ..parsed },
            Err(malformed) => {
                return self.park(in_work, None, ParkReason::InvalidMessage.because(malformed.0)).await;
            }
        };
        let outdated = outdated(&parsed);
        if !outdated.is_empty() {
            in_time(case_records::invalidate(self.pool(), &outdated)).await?;
        }
        let noms = parsed.event.noms().ok();
        // The body was parsed as UTF-8, so nothing is replaced here.
        let evidence = Evidence::of(String::from_utf8_lossy(&delivery.body));
        let now = if origin == Origin::Operator { chrono::Utc::now() } else { delivery.received_at };
        match route(&parsed, evidence, delivery.received_at, now) {
            Route::Command(noms, command) => self.command(in_work, noms, command).await,
            Route::Linked { crn, former, message } => self.linked(in_work, crn, former, message).await,
            Route::Identity { change, message } => self.identity_changed(in_work, change, message).await,
            Route::SentenceChanged(crn, message) => self.sentence_changed(in_work, &crn, message).await,
            Route::ChangeFeed(_) if origin == Origin::Queue && drops_again(parsed.event_type.as_deref()) => {
                Err(NotAccepted::Again { after: DROP_AGAIN })
            }
            Route::ChangeFeed(crn) => {
                let accounted = in_work.receipt.change_feed(crn.to_string());
                in_time(receipts::insert(self.pool(), &accounted)).await?;
                Ok(Disposition::ChangeFeed(crn))
            }
            Route::ErasureRequested(crn, at) => self.erasure_requested(in_work, crn, at).await,
            Route::Park(parking) => self.park(in_work, noms.as_ref(), parking).await,
        }
    }

    async fn command(
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
            Ok(appended) => {
                let events = appended.iter().map(CaseEvent::name).collect();
                Ok(Disposition::Recorded { noms, events })
            }
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
    async fn undocumented(
        &self,
        in_work: InWork<'_>,
        noms: Option<&NomsNumber>,
        failure: NotAccepted,
    ) -> Result<Disposition, NotAccepted> {
        match failure {
            NotAccepted::Undocumented { parking, .. } if in_work.origin == Origin::Operator => {
                self.park(in_work, noms, parking).await
            }
            failure => Err(failure),
        }
    }

    /// The message gives a CRN and no NOMS number. Delius has had the number since before it was sent, though what we
    /// read may be a moment behind.
    async fn linked(
        &self,
        in_work: InWork<'_>,
        crn: Crn,
        former: Option<NomsNumber>,
        message: Message,
    ) -> Result<Disposition, NotAccepted> {
        let noms = answer_of_delius("while looking up a NOMS number", self.delius.noms_of(&crn)).await?;
        if let Some(noms) = noms {
            note_case(&noms);
            if let Some(former) = former.filter(|former| *former != noms) {
                let (from, to) = (PersonId::Noms(former), PersonId::Noms(noms));
                let change =
                    IdentityChange { from, to, reason: IdentityReason::NumberReplaced, crn: Some(crn) };
                return self.identity_changed(in_work, change, message).await;
            }
            let command = CaseCommand::LinkIdentifier { noms: noms.clone(), crn: Some(crn), message };
            return self.command(in_work, noms, command).await;
        }
        let parking = ParkReason::MissingIdentifier.because(
            "the event names no NOMS number, and Delius has none for its CRN; retry it once Delius has one, or skip it",
        );
        // No outage of anything, however many messages it happens to.
        let failure =
            NotAccepted::Undocumented { dependency: None, answer: "no NOMS number".into(), parking };
        self.undocumented(in_work, None, failure).await
    }

    /// Handover dates may fit now, where the person has a NOMS number and exactly one live custody.
    async fn sentence_changed(
        &self,
        in_work: InWork<'_>,
        crn: &Crn,
        message: Message,
    ) -> Result<Disposition, NotAccepted> {
        let custody =
            answer_of_delius("while looking up a live custody", self.delius.live_custody(crn)).await?;
        match custody {
            LiveCustody::One(noms) => {
                note_case(&noms);
                let address = DetailAddress::OfCase;
                let command =
                    CaseCommand::RecordHandover { noms: noms.clone(), message, address, dry_run: false };
                self.command(in_work, noms, command).await
            }
            LiveCustody::NotApplicable { noms: Some(noms), reason } => {
                note_case(&noms);
                let command = CaseCommand::RecordNotApplicable { message, reason };
                self.command(in_work, noms, command).await
            }
            LiveCustody::NotApplicable { noms: None, reason } => {
                let accounted = in_work.receipt.not_applicable(reason.clone());
                in_time(receipts::insert(self.pool(), &accounted)).await?;
                Ok(Disposition::NotApplicable(reason))
            }
        }
    }

    pub(super) async fn duplicate(
        &self,
        receipt: Receipt,
        noms: Option<&NomsNumber>,
    ) -> Result<Disposition, NotAccepted> {
        in_time(receipts::insert(self.pool(), &receipt.duplicate(noms))).await?;
        Ok(Disposition::Duplicate)
    }

    async fn park(
        &self,
        in_work: InWork<'_>,
        noms: Option<&NomsNumber>,
        parking: Parking,
    ) -> Result<Disposition, NotAccepted> {
        let InWork { delivery, receipt, .. } = in_work;
        in_time(parked::park(self.pool(), receipt, delivery, noms, &parking)).await?;
        Ok(Disposition::Parked(parking))
    }

    pub(super) fn pool(&self) -> &PgPool {
        self.store.pool()
    }
}

pub(super) async fn answer_of_delius<T>(
    during: &'static str,
    answer: impl Future<Output = Result<T, DeliusError>>,
) -> Result<T, DeliusError> {
    let answer = tokio::time::timeout(DELIUS_ANSWER, answer);
    answer.await.unwrap_or_else(|_| Err(DeliusError::timeout(during)))
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
