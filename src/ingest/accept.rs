//! One message from receipt to its end: case events, parked, or left in the queue.
//!
//! Architecture invariant: a message may be deleted from the queue only when this returned a disposition, and it
//! returns one only after what the message led to is committed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;

use super::{
    message::{Delivery, Malformed, Parsed, parse},
    parked,
    route::{ParkReason, Parking, Route, outdated, route},
    unexplained::{self, UNEXPLAINED_TRIES},
};
use crate::{
    breakers::{AUTH, DELIUS, Dependency, MPC, STORE},
    case::{
        CaseCommand, CaseError, CaseEvent, Crn, DetailAddress, Evidence, FetchError, IdentityChange,
        IdentityReason, Message, NomsNumber, PersonId, UndocumentedAnswer, sha256_hex,
    },
    case_records,
    database::{self, in_time},
    delius::{Delius, DeliusError, LiveCustody},
    event_store::{
        CaseStore, Cause, ExecuteError, Standing,
        receipts::{self, Receipt},
    },
};

/// How long to wait for an answer of Delius.
const DELIUS_ANSWER: Duration = Duration::from_secs(10);

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// It became these events of the case.
    Recorded {
        /// Whose case.
        noms: NomsNumber,
        /// Names of the events.
        events: Vec<&'static str>,
    },
    /// It had been accounted for before: nothing changed.
    Duplicate,
    /// It waits for an operator.
    Parked(Parking),
    /// The cached record of the person was dropped.
    ChangeFeed(Crn),
    /// It concerns no case of ours.
    NotApplicable(String),
}

/// Why a message has not been accounted for: it stays in the queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// A dependency is down or busy; try again when it is back.
    #[error("{dependency} is unavailable: {reason}")]
    Unavailable {
        /// Which one.
        dependency: Dependency,
        /// What it said.
        reason: String,
    },
    /// An answer that may be a wrong address; tried a few times before the message is parked.
    #[error("{0}")]
    Unexplained(String),
    /// A fault of ours: left for redelivery, then the dead-letter queue.
    #[error("{0}")]
    Fault(String),
}

/// Accepts messages.
pub struct Ingest {
    pub(super) store: Arc<CaseStore>,
    pub(super) delius: Delius,
}

/// How often a message follows a person from one number to the next.
const MAX_MOVES: u32 = 10;

/// A message on its way to its end.
pub(super) struct InWork<'a> {
    delivery: &'a Delivery,
    pub(super) receipt: Receipt,
    /// Whether an unexplained answer is worth asking again; not where an operator waits for what comes of it.
    patient: bool,
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

    /// Accepts one delivery from the queue or from a file.
    pub async fn accept(&self, delivery: &Delivery) -> Result<Disposition, NotAccepted> {
        let began = Instant::now();
        let disposition = self.accept_now(delivery).await?;
        metrics::histogram!("ingest_message_duration_seconds").record(began.elapsed());
        Ok(disposition)
    }

    async fn accept_now(&self, delivery: &Delivery) -> Result<Disposition, NotAccepted> {
        let (message_id, parsed) = parse(delivery);
        // The case knows its messages too. But which case it is can depend on what Delius says today: the second
        // delivery of a message must not become events of another case.
        let noms = parsed.as_ref().ok().and_then(|parsed| parsed.event.noms().ok());
        match self.store.standing(&message_id, noms.as_ref()).await? {
            Standing::New => self.accept_parsed(delivery, message_id, parsed, true).await,
            Standing::Parked => self.duplicate(receipt(delivery, message_id, None), None).await,
            Standing::Accounted(noms) => {
                let event_type = parsed.ok().and_then(|parsed| parsed.event_type);
                self.duplicate(receipt(delivery, message_id, event_type), noms.as_ref()).await
            }
        }
    }

    /// Accepts a parked message once more.
    pub async fn retry(&self, delivery: &Delivery) -> Result<Disposition, NotAccepted> {
        let (message_id, parsed) = parse(delivery);
        self.accept_parsed(delivery, message_id, parsed, false).await
    }

    async fn accept_parsed(
        &self,
        delivery: &Delivery,
        message_id: String,
        parsed: Result<Parsed, Malformed>,
        patient: bool,
    ) -> Result<Disposition, NotAccepted> {
        let event_type = parsed.as_ref().ok().and_then(|parsed| parsed.event_type.clone());
        let in_work = InWork { delivery, receipt: receipt(delivery, message_id, event_type), patient };
        let parsed = match parsed {
            Ok(parsed) => parsed,
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
        let now = if patient { delivery.received_at } else { chrono::Utc::now() };
        match route(&parsed, evidence, delivery.received_at, now) {
            Route::Command(noms, command) => self.command(in_work, noms, command).await,
            Route::Linked { crn, former, message } => self.linked(in_work, crn, former, message).await,
            Route::Identity { change, message } => self.identity_changed(in_work, change, message).await,
            Route::SentenceChanged(crn, message) => self.sentence_changed(in_work, &crn, message).await,
            Route::ChangeFeed(crn) => {
                let accounted = in_work.receipt.change_feed(crn.to_string());
                in_time(receipts::insert(self.pool(), &accounted)).await?;
                Ok(Disposition::ChangeFeed(crn))
            }
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
                return self.unexplained(in_work, Some(noms), &answer.kind(), parking).await;
            }
            FetchError::ForeignUrl { .. } => ParkReason::ForeignDetailUrl,
            FetchError::IdentifierMismatch => ParkReason::IdentifierMismatch,
            FetchError::InvalidAnswer { .. } => ParkReason::InvalidDetail,
        };
        self.park(in_work, Some(noms), reason.because(detail)).await
    }

    /// An answer that explains nothing may be another one soon, so it is asked for again a few times.
    async fn unexplained(
        &self,
        in_work: InWork<'_>,
        noms: Option<&NomsNumber>,
        answer: &str,
        parking: Parking,
    ) -> Result<Disposition, NotAccepted> {
        let count = unexplained::count(self.pool(), &in_work.receipt.message_id, answer);
        if in_time(count).await? < UNEXPLAINED_TRIES && in_work.patient {
            return Err(NotAccepted::Unexplained(parking.detail));
        }
        self.park(in_work, noms, parking).await
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
        self.unexplained(in_work, None, "no NOMS number", parking).await
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
                let address = DetailAddress::OfCase;
                let command =
                    CaseCommand::RecordHandover { noms: noms.clone(), message, address, dry_run: false };
                self.command(in_work, noms, command).await
            }
            LiveCustody::NotApplicable { noms: Some(noms), reason } => {
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

impl Disposition {
    /// The dependencies that must have answered for a message of this type to end so.
    pub fn proves(&self, event_type: Option<&str>) -> &'static [Dependency] {
        match self {
            Self::Recorded { .. } if event_type == Some("SENTENCE_CHANGED") => &[STORE, DELIUS],
            Self::Recorded { .. } => &[STORE, MPC, AUTH],
            Self::NotApplicable(_) => &[STORE, DELIUS],
            Self::Duplicate | Self::Parked(_) | Self::ChangeFeed(_) => &[STORE],
        }
    }
}

impl From<sqlx::Error> for NotAccepted {
    fn from(error: sqlx::Error) -> Self {
        if database::is_outage(&error) {
            Self::Unavailable { dependency: STORE, reason: error.to_string() }
        } else {
            Self::Fault(error.to_string())
        }
    }
}

impl From<DeliusError> for NotAccepted {
    fn from(error: DeliusError) -> Self {
        if error.is_outage() {
            Self::Unavailable { dependency: DELIUS, reason: error.to_string() }
        } else {
            Self::Fault(error.to_string())
        }
    }
}

impl From<ExecuteError> for NotAccepted {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Unavailable(reason) | ExecuteError::Contended(reason) => {
                Self::Unavailable { dependency: STORE, reason }
            }
            error => Self::Fault(error.to_string()),
        }
    }
}
