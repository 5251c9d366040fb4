//! The facts of a case, as they are stored. An event is never changed: a new shape is a new version, and the
//! older one is lifted by an upcaster of the event store.

mod questions;

use std::ops::Not;

use chrono::{DateTime, NaiveDate, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use super::{
    Crn, DeliusWrite, HandoverAnswer, Holder, IdentityChange, Pom, PrisonCode, Provenance, WriteOutcome,
};

/// What is recorded of a case. Valid time is `at` (or the provenance's `occurred_at`); the time of recording is
/// stored beside the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub enum CaseEvent {
    /// A POM was allocated at `at`.
    PomAllocated {
        provenance: Provenance,
        at: DateTime<Utc>,
        /// Who was allocated, where.
        pom: Pom,
        /// Where the name comes from.
        named_by: NameSource,
        /// Sequence of the `AllocationSuperseded` that this event reflects, when it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reflects: Option<u64>,
        /// The next recorded holding in valid time, when this event came late: it is asserted again after this
        /// one, because it may have found nothing to change when it was first written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        followed_by: Option<Holding>,
    },
    /// The POM was removed at `at`.
    PomDeallocated {
        provenance: Provenance,
        at: DateTime<Utc>,
        /// As for an allocation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        followed_by: Option<Holding>,
    },
    /// Manage POM Cases says that the case is not ready for allocation: nothing is written.
    AllocationNotReady { provenance: Provenance, at: DateTime<Utc> },
    /// Somebody whose name is not known was allocated at `at` and has been replaced since: nothing can be
    /// written until we learn the name behind the staff code.
    AllocationSuperseded {
        provenance: Provenance,
        at: DateTime<Utc>,
        /// Prison of the allocation.
        prison: PrisonCode,
        /// NOMIS staff code whose name is not known.
        staff_code: i64,
    },
    /// Manage POM Cases answered with handover dates.
    HandoverDatesChanged {
        provenance: Provenance,
        /// Handover date (`POM2` in Delius).
        handover_date: Option<NaiveDate>,
        /// Handover start date (`POM1` in Delius).
        handover_start_date: Option<NaiveDate>,
        /// Compare only: nothing is written, and later decisions ignore the event.
        #[serde(default)]
        dry_run: bool,
    },
    /// Manage POM Cases holds no handover dates for the case: nothing is written.
    HandoverNotFound { provenance: Provenance },
    /// A message about the case does not concern us as things stand: nothing is written.
    MessageNotApplicable {
        provenance: Provenance,
        /// Why not, in one line.
        reason: String,
    },
    /// A Delius case got this NOMS number. Writes that Delius refused because it did not know the person are made
    /// again, and what is recorded is asserted once more: the number may belong to another Delius case than before.
    IdentifierLinked {
        /// The message, with the present state as fetched.
        provenance: Provenance,
        /// The CRN that the message names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        crn: Option<Crn>,
        /// The number belonged to somebody else before: what happened before this message is not this person's.
        #[serde(default, skip_serializing_if = "Not::not")]
        new_person: bool,
        /// The writes, each at its own date, in the order in which they are to be applied.
        released: Vec<DeliusWrite>,
    },
    /// An identifier of the person changed. Recorded in the stream of every number concerned.
    IdentityChanged {
        provenance: Provenance,
        #[serde(flatten)]
        change: IdentityChange,
        /// What it means for the number of this stream.
        role: IdentityRole,
        /// The number was given to somebody else at this time: what happened from then on is not this person's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given_on: Option<DateTime<Utc>>,
        /// What was recorded under the former number and continues here, in order of valid time.
        #[serde(default, skip_serializing_if = "Inherited::is_empty")]
        inherited: Inherited,
        /// What is written again for the person, each at its own date, in the order in which it is to be applied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        released: Vec<DeliusWrite>,
    },
    /// A write changed rows in Delius.
    DeliusUpdated(WriteResult),
    /// A write found nothing to change in Delius (or was a dry run).
    DeliusUnchanged(WriteResult),
    /// Delius cannot take the write as things stand.
    DeliusWriteRefused(WriteResult),
    /// The write failed repeatedly for an unknown reason: it waits for an operator, and the later writes of this case
    /// wait behind it.
    DeliusWriteParked {
        write: WriteRef,
        /// The attempts made.
        attempts: u32,
        /// The last error, without personal data.
        error: String,
    },
    /// An operator had a refused or parked write tried again.
    DeliusWriteRetried {
        write: WriteRef,
        /// For a refused write: what is written again under this event. Empty for a parked one, which is tried again
        /// in its old place.
        released: Vec<DeliusWrite>,
        /// Who decided.
        by: String,
        why: String,
    },
    /// What is recorded is written once more, because Delius lacks it or a former number of the person gave more of it; or
    /// what a restored store had forgotten is recorded again.
    WritesReasserted {
        /// The writes, each at its own date, in the order in which they are to be applied.
        released: Vec<DeliusWrite>,
        #[serde(default, skip_serializing_if = "Inherited::is_empty")]
        inherited: Inherited,
        /// Who decided.
        by: String,
        why: String,
    },
    /// An operator skipped a parked write.
    DeliusWriteSkipped {
        write: WriteRef,
        /// Who decided.
        by: String,
        why: String,
    },
}

/// What a change of identity means for the number of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentityRole {
    /// The person has another number now: later facts belong to that one.
    Former,
    /// The person has this number now and keeps what was recorded under the former one.
    Current,
    /// The change is about the person, and not about this number.
    Named,
}

/// What was recorded under a former number when it was replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    pub holdings: Vec<Holding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<HandoverAnswer>,
}

impl Inherited {
    pub fn is_empty(&self) -> bool {
        self.holdings.is_empty() && self.handover.is_none()
    }
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
    /// Within its second it comes before the facts that are not overtaken; see [`Timeline`](super::Timeline).
    #[serde(default, skip_serializing_if = "Not::not")]
    pub overtaken: bool,
}

impl From<Holding> for DeliusWrite {
    fn from(Holding { at, pom, overtaken }: Holding) -> Self {
        match pom {
            Some(pom) => Self::AllocatePom { at, pom, overtaken },
            None => Self::DeallocatePom { at, overtaken },
        }
    }
}

/// Whether an allocation waits for the name behind its staff code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameWait {
    Begins {
        staff_code: i64,
    },
    /// The waiting allocation, by its sequence, is reflected.
    Ends {
        reflects: u64,
    },
}

/// What an event says about who holds the case.
pub(in crate::case) struct HoldingEvent {
    pub(in crate::case) at: DateTime<Utc>,
    pub(in crate::case) holder: Option<Holder>,
    pub(in crate::case) overtaken: bool,
}

/// Which write of a case: the event it was derived from, and its place among the writes of that event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteRef {
    /// Sequence of the event in the stream of its case, from 1.
    pub sequence: u64,
    /// Place among the writes derived from that event, from 0.
    pub ordinal: u32,
}

/// The result of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteResult {
    pub write: WriteRef,
    pub intent: DeliusWrite,
    /// The attempt that settled it, from 1.
    pub attempt: u32,
    pub outcome: WriteOutcome,
    /// Version of the code that applied it.
    pub code_version: String,
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
