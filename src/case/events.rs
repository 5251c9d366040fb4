//! The facts of a case, as they are stored. An event is never changed: a new shape is a new version, and the
//! older one is lifted by an upcaster of the event store.

use std::ops::Not;

use chrono::{DateTime, NaiveDate, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use super::{
    Crn, DeliusWrite, HandoverAnswer, Holder, IdentityChange, Pom, PrisonCode, Provenance, WriteChange,
    WriteOutcome, WriteState,
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
    /// What is recorded is written once more, because Delius lacks it or a former number of the person gave more of it.
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
pub(super) struct HoldingEvent {
    pub(super) at: DateTime<Utc>,
    pub(super) holder: Option<Holder>,
    pub(super) overtaken: bool,
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

// Every match below names every event: a new one does not compile until each question about it is answered.
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
            | Self::IdentifierLinked { provenance, .. }
            | Self::IdentityChanged { provenance, .. } => Some(provenance),
            Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// When it happened in the world; `None` for what only happened in this service.
    pub fn valid_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::PomAllocated { at, .. }
            | Self::PomDeallocated { at, .. }
            | Self::AllocationNotReady { at, .. }
            | Self::AllocationSuperseded { at, .. } => Some(*at),
            Self::HandoverDatesChanged { provenance, .. }
            | Self::HandoverNotFound { provenance }
            | Self::MessageNotApplicable { provenance, .. }
            | Self::IdentifierLinked { provenance, .. }
            | Self::IdentityChanged { provenance, .. } => Some(provenance.occurred_at),
            Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// What it says about who holds the case. Whoever was replaced before we could ask for the name held the case all
    /// the same.
    pub(super) fn holding(&self) -> Option<HoldingEvent> {
        match self {
            Self::PomAllocated { at, pom, named_by, .. } => Some(HoldingEvent {
                at: *at,
                holder: Some(Holder::from(pom)),
                // The answer named somebody else, or nobody.
                overtaken: *named_by == NameSource::Directory,
            }),
            Self::PomDeallocated { provenance, at, .. } => Some(HoldingEvent {
                at: *at,
                holder: None,
                overtaken: provenance.fetched.iter().any(|fetched| fetched.staff.is_some()),
            }),
            Self::AllocationSuperseded { at, prison, staff_code, .. } => Some(HoldingEvent {
                at: *at,
                holder: Some(Holder::unnamed(prison, *staff_code)),
                overtaken: true,
            }),
            Self::AllocationNotReady { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// The answer on the handover dates that it records, with its valid time; `None` for a dry run.
    pub fn handover(&self) -> Option<(DateTime<Utc>, HandoverAnswer)> {
        match self {
            Self::HandoverDatesChanged { provenance, handover_date, handover_start_date, dry_run: false } => {
                let (handover_date, handover_start_date) = (*handover_date, *handover_start_date);
                let dates = HandoverAnswer::Dates { handover_date, handover_start_date };
                Some((provenance.occurred_at, dates))
            }
            Self::HandoverNotFound { provenance } => Some((provenance.occurred_at, HandoverAnswer::NotFound)),
            Self::HandoverDatesChanged { dry_run: true, .. }
            | Self::PomAllocated { .. }
            | Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::AllocationSuperseded { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// Whether it says anything about who holds the case.
    pub fn states_holder(&self) -> bool {
        self.holding().is_some()
    }

    /// The holding that it states, as it is written to Delius.
    pub fn stated_holding(&self) -> Option<Holding> {
        let HoldingEvent { at, holder, overtaken } = self.holding()?;
        let pom = match holder {
            Some(holder) => Some(holder.pom()?),
            None => None,
        };
        Some(Holding { at, pom, overtaken })
    }

    /// What it does to a write that was derived from an earlier event.
    pub fn write_change(&self) -> Option<(WriteRef, WriteChange<'_>)> {
        match self {
            Self::DeliusUpdated(result) => {
                Some((result.write, WriteChange::Settled(WriteState::Applied, result)))
            }
            Self::DeliusUnchanged(result) => {
                Some((result.write, WriteChange::Settled(WriteState::Unchanged, result)))
            }
            Self::DeliusWriteRefused(result) => {
                Some((result.write, WriteChange::Settled(WriteState::Refused, result)))
            }
            Self::DeliusWriteParked { write, attempts, .. } => {
                Some((*write, WriteChange::Parked { attempts: *attempts }))
            }
            Self::DeliusWriteRetried { write, released, .. } if released.is_empty() => {
                Some((*write, WriteChange::Resumed))
            }
            Self::DeliusWriteRetried { write, .. } => Some((*write, WriteChange::Released)),
            Self::DeliusWriteSkipped { write, .. } => Some((*write, WriteChange::Skipped)),
            Self::PomAllocated { .. }
            | Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::AllocationSuperseded { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::WritesReasserted { .. } => None,
        }
    }

    /// The result of a write, for the events that record one.
    pub fn write_result(&self) -> Option<&WriteResult> {
        match self.write_change() {
            Some((_, WriteChange::Settled(_, result))) => Some(result),
            _ => None,
        }
    }

    /// Whether an allocation begins or ends to wait for the name behind its staff code.
    pub fn waits_for_name(&self) -> Option<NameWait> {
        match self {
            Self::AllocationSuperseded { staff_code, .. } => {
                Some(NameWait::Begins { staff_code: *staff_code })
            }
            Self::PomAllocated { reflects, .. } => reflects.map(|reflects| NameWait::Ends { reflects }),
            Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// Gives the events that it refers to other sequences, for a reading over several streams.
    pub fn renumber(&mut self, place: &dyn Fn(u64) -> u64) {
        match self {
            Self::PomAllocated { reflects, .. } => *reflects = reflects.map(place),
            Self::DeliusUpdated(result)
            | Self::DeliusUnchanged(result)
            | Self::DeliusWriteRefused(result) => {
                result.write.sequence = place(result.write.sequence);
            }
            Self::DeliusWriteParked { write, .. }
            | Self::DeliusWriteRetried { write, .. }
            | Self::DeliusWriteSkipped { write, .. } => write.sequence = place(write.sequence),
            Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::AllocationSuperseded { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::WritesReasserted { .. } => {}
        }
    }

    /// Who decided and why, for an operator's decision.
    pub fn decision(&self) -> Option<(&str, &str)> {
        match self {
            Self::DeliusWriteRetried { by, why, .. }
            | Self::WritesReasserted { by, why, .. }
            | Self::DeliusWriteSkipped { by, why, .. } => Some((by, why)),
            Self::PomAllocated { .. }
            | Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::AllocationSuperseded { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. } => None,
        }
    }

    /// Name of the outcome of an event that means no write, where telemetry knows one.
    pub fn outcome(&self) -> Option<&'static str> {
        matches!(self, Self::AllocationNotReady { .. }).then_some("NotReadyToAllocate")
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
            Self::IdentityChanged { .. } => "IdentityChanged",
            Self::DeliusUpdated(_) => "DeliusUpdated",
            Self::DeliusUnchanged(_) => "DeliusUnchanged",
            Self::DeliusWriteRefused(_) => "DeliusWriteRefused",
            Self::DeliusWriteParked { .. } => "DeliusWriteParked",
            Self::DeliusWriteRetried { .. } => "DeliusWriteRetried",
            Self::WritesReasserted { .. } => "WritesReasserted",
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
