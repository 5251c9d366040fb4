//! One message from receipt to its end: case events, parked, or left in the queue.
//!
//! Architecture invariant: a message may be deleted from the queue only when this returned a disposition, and it
//! returns one only after what the message led to is committed.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;

use super::{
    message::{Delivery, parse},
    parked,
    route::{ParkReason, Parking, Route, route},
};
use crate::{
    breakers::{AUTH, DELIUS, MPC, STORE},
    case::{
        CaseCommand, CaseError, Crn, DetailAddress, Evidence, FetchError, Message, NomsNumber, PersonId,
        sha256_hex,
    },
    case_records,
    database::{self, in_time},
    delius::{Delius, DeliusError, LiveCustody},
    event_store::{
        CaseStore, ExecuteError,
        receipts::{self, Receipt},
    },
};

/// So often an unexplained 404 is tried before the message is parked.
pub const UNEXPLAINED_TRIES: u32 = 5;

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
        dependency: &'static str,
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
    store: Arc<CaseStore>,
    delius: Delius,
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
        let (message_id, parsed) = parse(delivery);
        if in_time(parked::is_parked(self.pool(), &message_id)).await? {
            let receipt = receipt(delivery, message_id, None);
            in_time(receipts::insert(self.pool(), &receipt.duplicate(None))).await?;
            return Ok(Disposition::Duplicate);
        }
        self.accept_parsed(delivery, message_id, parsed).await
    }

    /// Accepts a parked message once more.
    pub async fn retry(&self, delivery: &Delivery) -> Result<Disposition, NotAccepted> {
        let (message_id, parsed) = parse(delivery);
        self.accept_parsed(delivery, message_id, parsed).await
    }

    async fn accept_parsed(
        &self,
        delivery: &Delivery,
        message_id: String,
        parsed: Result<super::message::Parsed, super::message::Malformed>,
    ) -> Result<Disposition, NotAccepted> {
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(malformed) => {
                let receipt = receipt(delivery, message_id, None);
                return self
                    .park(delivery, receipt, None, ParkReason::InvalidMessage.because(malformed.0))
                    .await;
            }
        };
        let receipt = receipt(delivery, message_id, parsed.event_type.clone());
        let noms = parsed.event.noms().ok();
        // The body was parsed as UTF-8, so nothing is replaced here.
        let evidence = Evidence::of(String::from_utf8_lossy(&delivery.body));
        match route(&parsed, evidence, delivery.received_at) {
            Route::Command(noms, command) => self.command(delivery, receipt, noms, command).await,
            Route::Linked(noms, crn, command) => {
                // The record is found by either identifier, and both may be new to it.
                let people: Vec<PersonId> =
                    crn.map(PersonId::Crn).into_iter().chain([PersonId::Noms(noms.clone())]).collect();
                in_time(case_records::invalidate(self.pool(), &people)).await?;
                self.command(delivery, receipt, noms, command).await
            }
            Route::SentenceChanged(crn, message) => {
                self.drop_records(&crn, noms.as_ref()).await?;
                self.sentence_changed(delivery, receipt, &crn, message).await
            }
            Route::ChangeFeed(crn) => {
                self.drop_records(&crn, noms.as_ref()).await?;
                let duplicate = in_time(receipts::is_accounted(self.pool(), &receipt.message_id)).await?;
                let accounted = if duplicate {
                    receipt.duplicate(noms.as_ref())
                } else {
                    receipt.change_feed(crn.to_string())
                };
                in_time(receipts::insert(self.pool(), &accounted)).await?;
                Ok(if duplicate { Disposition::Duplicate } else { Disposition::ChangeFeed(crn) })
            }
            Route::Park(parking) => self.park(delivery, receipt, noms.as_ref(), parking).await,
        }
    }

    async fn command(
        &self,
        delivery: &Delivery,
        receipt: Receipt,
        noms: NomsNumber,
        command: CaseCommand,
    ) -> Result<Disposition, NotAccepted> {
        match self.store.execute(&noms, command, receipt.metadata()).await {
            Ok(appended) if appended.is_empty() => {
                in_time(receipts::insert(self.pool(), &receipt.duplicate(Some(&noms)))).await?;
                Ok(Disposition::Duplicate)
            }
            Ok(appended) => {
                let events = appended.iter().map(|event| event.payload.name()).collect();
                Ok(Disposition::Recorded { noms, events })
            }
            Err(ExecuteError::Case(CaseError::Fetch(error))) => {
                let parking = parking(error, delivery.receive_count)?;
                self.park(delivery, receipt, Some(&noms), parking).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Handover dates may fit now, where the person has a NOMS number and exactly one live custody.
    async fn sentence_changed(
        &self,
        delivery: &Delivery,
        receipt: Receipt,
        crn: &Crn,
        message: Message,
    ) -> Result<Disposition, NotAccepted> {
        let custody = tokio::time::timeout(DELIUS_ANSWER, self.delius.live_custody(crn));
        let custody =
            custody.await.unwrap_or_else(|_| Err(DeliusError::timeout("while looking up a live custody")));
        match custody? {
            LiveCustody::One(noms) => {
                let address = DetailAddress::OfCase;
                let command =
                    CaseCommand::RecordHandover { noms: noms.clone(), message, address, dry_run: false };
                self.command(delivery, receipt, noms, command).await
            }
            LiveCustody::NotApplicable { noms: Some(noms), reason } => {
                let command = CaseCommand::RecordNotApplicable { message, reason };
                self.command(delivery, receipt, noms, command).await
            }
            LiveCustody::NotApplicable { noms: None, reason } => {
                if in_time(receipts::is_accounted(self.pool(), &receipt.message_id)).await? {
                    in_time(receipts::insert(self.pool(), &receipt.duplicate(None))).await?;
                    return Ok(Disposition::Duplicate);
                }
                in_time(receipts::insert(self.pool(), &receipt.not_applicable(reason.clone()))).await?;
                Ok(Disposition::NotApplicable(reason))
            }
        }
    }

    async fn park(
        &self,
        delivery: &Delivery,
        receipt: Receipt,
        noms: Option<&NomsNumber>,
        parking: Parking,
    ) -> Result<Disposition, NotAccepted> {
        in_time(parked::park(self.pool(), receipt, delivery, noms, &parking)).await?;
        Ok(Disposition::Parked(parking))
    }

    /// By both identifiers: a NOMS number that moved to this person outdates whoever had it before.
    async fn drop_records(&self, crn: &Crn, noms: Option<&NomsNumber>) -> Result<(), NotAccepted> {
        let by_noms = noms.cloned().map(PersonId::Noms);
        let people: Vec<PersonId> = by_noms.into_iter().chain([PersonId::Crn(crn.clone())]).collect();
        Ok(in_time(case_records::invalidate(self.pool(), &people)).await?)
    }

    fn pool(&self) -> &PgPool {
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

/// What a failed fetch means for the message: parked for the reason, or not accepted.
fn parking(error: FetchError, receive_count: u32) -> Result<Parking, NotAccepted> {
    let detail = error.to_string();
    let reason = match error {
        FetchError::Unavailable { dependency, reason } => {
            return Err(NotAccepted::Unavailable { dependency, reason });
        }
        FetchError::Unexplained { .. } if receive_count < UNEXPLAINED_TRIES => {
            return Err(NotAccepted::Unexplained(detail));
        }
        FetchError::Unexplained { .. } => ParkReason::DetailNotFound,
        FetchError::ForeignUrl { .. } => ParkReason::ForeignDetailUrl,
        FetchError::IdentifierMismatch => ParkReason::IdentifierMismatch,
        FetchError::InvalidAnswer { .. } => ParkReason::InvalidDetail,
    };
    Ok(reason.because(detail))
}

impl Disposition {
    /// The dependencies that must have answered for a message of this type to end so.
    pub fn proves(&self, event_type: Option<&str>) -> &'static [&'static str] {
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
            ExecuteError::Unavailable(reason) => Self::Unavailable { dependency: STORE, reason },
            error => Self::Fault(error.to_string()),
        }
    }
}
