//! The facts of a case, as they are stored. An event is never changed: a new shape is a new version, and the
//! older one is lifted by an upcaster of the event store.

use chrono::{DateTime, NaiveDate, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use super::{DeliusWrite, Pom, PrisonCode, Provenance, WriteOutcome};

/// What is recorded of a case. Valid time is `at` (or the provenance's `occurred_at`); the time of recording is
/// kept by the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub enum CaseEvent {
    /// A POM was allocated at `at`.
    PomAllocated {
        /// Where we have it from.
        provenance: Provenance,
        /// Valid time.
        at: DateTime<Utc>,
        /// Who was allocated, where.
        pom: Pom,
        /// Where the name comes from.
        named_by: NameSource,
        /// Sequence of the `AllocationSuperseded` that this event makes good, when it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reflects: Option<u64>,
        /// The next recorded holding in valid time, when this event came late: it is asserted again after this
        /// one, because it may have found nothing to change when it was first written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        followed_by: Option<Holding>,
    },
    /// The POM was removed at `at`.
    PomDeallocated {
        /// Where we have it from.
        provenance: Provenance,
        /// Valid time.
        at: DateTime<Utc>,
        /// As for an allocation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        followed_by: Option<Holding>,
    },
    /// Manage POM Cases says that the case is not ready for allocation: nothing is written.
    AllocationNotReady {
        /// Where we have it from.
        provenance: Provenance,
        /// Valid time.
        at: DateTime<Utc>,
    },
    /// Somebody whose name is not known was allocated at `at` and has been replaced since: nothing can be
    /// written until the staff code is known.
    AllocationSuperseded {
        /// Where we have it from.
        provenance: Provenance,
        /// Valid time.
        at: DateTime<Utc>,
        /// Prison of the allocation.
        prison: PrisonCode,
        /// NOMIS staff code whose name is not known.
        staff_code: i64,
    },
    /// Manage POM Cases told us the handover dates.
    HandoverDatesChanged {
        /// Where we have it from.
        provenance: Provenance,
        /// Handover date (`POM2` in Delius).
        handover_date: Option<NaiveDate>,
        /// Handover start date (`POM1` in Delius).
        handover_start_date: Option<NaiveDate>,
        /// The dates were only compared: nothing is to be written and nothing became known for later decisions.
        #[serde(default)]
        dry_run: bool,
    },
    /// Manage POM Cases holds no handover dates for the case: nothing is written.
    HandoverNotFound {
        /// Where we have it from.
        provenance: Provenance,
    },
    /// A message about the case does not concern us as things stand: nothing is written.
    MessageNotApplicable {
        /// Where we have it from.
        provenance: Provenance,
        /// Why not, in one line.
        reason: String,
    },
    /// The case got its NOMS number in Delius: what was refused for want of the person is written again.
    IdentifierLinked {
        /// Where we have it from, with the present state as fetched.
        provenance: Provenance,
        /// The refused writes, each at its own date, in the order in which they are to be applied.
        released: Vec<DeliusWrite>,
    },
    /// A write changed rows in Delius.
    DeliusUpdated(WriteResult),
    /// A write found nothing to change in Delius (or was a dry run).
    DeliusUnchanged(WriteResult),
    /// Delius cannot take the write as things stand.
    DeliusWriteRefused(WriteResult),
    /// The write failed again and again for a reason we do not know: it waits for an operator, and the later
    /// writes of this case wait behind it.
    DeliusWriteParked {
        /// Which write.
        write: WriteRef,
        /// The attempts made.
        attempts: u32,
        /// The last error, without personal data.
        error: String,
    },
    /// An operator had a refused or parked write tried again.
    DeliusWriteRetried {
        /// Which write.
        write: WriteRef,
        /// For a refused write: what is written again under this event. Empty for a parked one, which simply
        /// goes on in its old place.
        released: Vec<DeliusWrite>,
        /// Who decided.
        by: String,
        /// Why.
        why: String,
    },
    /// An operator gave a parked write up.
    DeliusWriteSkipped {
        /// Which write.
        write: WriteRef,
        /// Who decided.
        by: String,
        /// Why.
        why: String,
    },
}

/// Where the name of an allocated POM comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NameSource {
    /// From the answer that was fetched for the message.
    Answer,
    /// From our directory of staff codes: the answer already spoke of somebody else.
    Directory,
}

/// Who holds a case from a moment on; nobody after a deallocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// From when.
    pub at: DateTime<Utc>,
    /// Who; `None` = nobody.
    pub pom: Option<Pom>,
}

impl From<Holding> for DeliusWrite {
    fn from(Holding { at, pom }: Holding) -> Self {
        match pom {
            Some(pom) => Self::AllocatePom { at, pom },
            None => Self::DeallocatePom { at },
        }
    }
}

/// Which write of a case: the event it was derived from, and its place among the writes of that event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteRef {
    /// Sequence of the event in the stream of its case, from 1.
    pub sequence: u64,
    /// Place among the writes derived from that event, from 0.
    pub ordinal: u32,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteResult {
    /// Which write.
    pub write: WriteRef,
    /// What was to be written.
    pub intent: DeliusWrite,
    /// The attempt that settled it, from 1.
    pub attempt: u32,
    /// What came of it.
    pub outcome: WriteOutcome,
    /// Version of the code that applied it.
    pub code_version: String,
}

impl CaseEvent {
    /// The provenance of an event that came from a message.
    pub fn provenance(&self) -> Option<&Provenance> {
        match self {
            Self::PomAllocated { provenance, .. }
            | Self::PomDeallocated { provenance, .. }
            | Self::AllocationNotReady { provenance, .. }
            | Self::AllocationSuperseded { provenance, .. }
            | Self::HandoverDatesChanged { provenance, .. }
            | Self::HandoverNotFound { provenance }
            | Self::MessageNotApplicable { provenance, .. }
            | Self::IdentifierLinked { provenance, .. } => Some(provenance),
            _ => None,
        }
    }

    /// The result of a write, for the events that record one.
    pub fn write_result(&self) -> Option<&WriteResult> {
        match self {
            Self::DeliusUpdated(result)
            | Self::DeliusUnchanged(result)
            | Self::DeliusWriteRefused(result) => Some(result),
            _ => None,
        }
    }

    /// Name of the outcome of an event that means no write: what nothing else would say.
    pub fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::AllocationNotReady { .. } => Some("NotReadyToAllocate"),
            _ => None,
        }
    }

    /// The event's name, as stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PomAllocated { .. } => "PomAllocated",
            Self::PomDeallocated { .. } => "PomDeallocated",
            Self::AllocationNotReady { .. } => "AllocationNotReady",
            Self::AllocationSuperseded { .. } => "AllocationSuperseded",
            Self::HandoverDatesChanged { .. } => "HandoverDatesChanged",
            Self::HandoverNotFound { .. } => "HandoverNotFound",
            Self::MessageNotApplicable { .. } => "MessageNotApplicable",
            Self::IdentifierLinked { .. } => "IdentifierLinked",
            Self::DeliusUpdated(_) => "DeliusUpdated",
            Self::DeliusUnchanged(_) => "DeliusUnchanged",
            Self::DeliusWriteRefused(_) => "DeliusWriteRefused",
            Self::DeliusWriteParked { .. } => "DeliusWriteParked",
            Self::DeliusWriteRetried { .. } => "DeliusWriteRetried",
            Self::DeliusWriteSkipped { .. } => "DeliusWriteSkipped",
        }
    }
}

/// Version of the shape of the events that this code writes.
pub const EVENT_VERSION: &str = "1.0.0";

impl DomainEvent for CaseEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        EVENT_VERSION.to_owned()
    }
}
