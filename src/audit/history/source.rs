//! What a history is made from: everything that the store holds about one person.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    case::{CaseEvent, DeliusWrite, NomsNumber, WriteRef},
    ingest::waiting::WaitingSummary,
    operations::erasure::Erasure,
};

/// Position and leaf hash of the entries in the journal, by the sequence of the event.
pub(crate) type JournalPlaces = BTreeMap<u64, (i64, String)>;

/// Everything that the store holds about one person.
#[derive(Debug, Clone)]
pub struct CaseFile {
    /// The number that the person has now.
    pub noms: NomsNumber,
    /// The streams that it was read from, each with the journal places of its events.
    pub streams: Vec<(NomsNumber, JournalPlaces)>,
    /// The time of the store's clock when the file was read.
    pub read_at: DateTime<Utc>,
    /// Start of the oldest transaction that could still add events with an earlier time of recording; `None`
    /// when there was none.
    pub unsettled_since: Option<DateTime<Utc>>,
    /// The events of all streams, in the order of recording.
    pub events: Vec<StoredEvent>,
    /// The receipts of messages about the case, in the order in which they were recorded.
    pub receipts: Vec<ReceiptOfCase>,
    /// The derived writes as they stand now.
    pub outbox: Vec<WriteOfCase>,
    /// Messages about the case that could not become events.
    pub parked: Vec<ParkedOfCase>,
    /// Messages about the case that could not be accepted yet, as they stand now.
    pub waiting: Vec<WaitingSummary>,
    /// What was erased under this number: nothing of that time is held any more.
    pub erasures: Vec<Erasure>,
    /// By sequence of the event: its position in the journal and the hash there, once it is entered.
    pub journal: BTreeMap<u64, (i64, String)>,
}

impl CaseFile {
    /// Whether nothing but the record of an erasure is held.
    pub fn is_erased(&self) -> bool {
        let holds_nothing = self.events.is_empty()
            && self.receipts.is_empty()
            && self.parked.is_empty()
            && self.waiting.is_empty();
        holds_nothing && !self.erasures.is_empty()
    }
}

/// An event as stored.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Place among the events of the person, from 1.
    pub sequence: u64,
    /// The stream that it is stored in.
    pub noms: NomsNumber,
    /// Place in that stream, from 1.
    pub stream_sequence: u64,
    /// When it was recorded, by the clock of the store.
    pub recorded_at: DateTime<Utc>,
    /// The trace that it belongs to, as log lines show it.
    pub trace_id: Option<String>,
    /// The fact.
    pub event: CaseEvent,
}

/// One receipt of a message: SQS delivers at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptOfCase {
    /// SNS `MessageId` (else `sqs:…` or `sha256:…`).
    pub message_id: String,
    /// What became of this delivery.
    pub disposition: String,
    /// SHA-256 of the body as delivered.
    pub body_sha256: String,
    /// How often SQS had delivered it by then.
    pub receive_count: u32,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// When the receipt was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// A derived write as it stands now.
#[derive(Debug, Clone)]
pub struct WriteOfCase {
    /// Stable identity of the write.
    pub id: Uuid,
    /// The stream that it was derived from.
    pub noms: NomsNumber,
    /// Which write; by the place of its event among those of the person.
    pub write: WriteRef,
    /// What is to be written.
    pub intent: DeliusWrite,
    /// `pending`, `done`, `parked` or `skipped`.
    pub state: String,
    /// Attempts so far.
    pub attempt: u32,
    /// The attempts that failed.
    pub failures: Vec<FailedAttempt>,
}

/// An attempt to apply a write that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailedAttempt {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it failed.
    pub at: DateTime<Utc>,
    /// The error, without personal data.
    pub error: String,
}

/// A message about the case that could not become an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedOfCase {
    /// Its number in the list of parked messages.
    pub id: i64,
    /// SNS `MessageId` (else `sqs:…` or `sha256:…`).
    pub message_id: String,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Each time that it was parked, oldest first: it may be for another reason when it is retried.
    pub parkings: Vec<ParkingOfCase>,
    /// What operators decided since: decision, who, why and when.
    pub decisions: Vec<(String, String, String, DateTime<Utc>)>,
}

/// One parking of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkingOfCase {
    /// Event type it was routed by, when it had one.
    pub event_type: Option<String>,
    /// Why it was parked.
    pub reason: String,
    /// What exactly is wrong, without personal data.
    pub detail: String,
    /// When it was parked.
    pub at: DateTime<Utc>,
}
