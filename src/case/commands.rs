//! What can be asked of a case.

use chrono::{DateTime, SubsecRound, Utc};

use super::{
    DeliusWrite, DetailAddress, Evidence, FetchError, Fetched, NomsNumber, PrisonCode, Provenance,
    StaffMember, WriteOutcome, WriteRef, provenance::CODE_VERSION,
};

/// A message about a case, parsed and routed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// SNS `MessageId`, else `sqs:…` (its id in the queue) or `sha256:…` of the body.
    pub id: String,
    /// Event type it was routed by.
    pub event_type: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When we received it.
    pub received_at: DateTime<Utc>,
    /// The body as received.
    pub evidence: Evidence,
}

/// Delius keeps whole seconds, and so does the valid time of a holding: what happened within one second is a tie,
/// which the later event of the stream wins.
pub(super) fn whole_second(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(0)
}

impl Message {
    /// Valid time of what the message tells of.
    pub(super) fn valid_from(&self) -> DateTime<Utc> {
        whole_second(self.occurred_at)
    }

    /// The provenance of a fact that this message and the answers tell of.
    pub fn provenance(&self, fetched: Vec<Fetched>) -> Provenance {
        Provenance {
            message_id: self.id.clone(),
            event_type: self.event_type.clone(),
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            message: self.evidence.clone(),
            fetched,
            code_version: CODE_VERSION.to_owned(),
        }
    }
}

/// What the message itself says of the allocation at the time it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatedAllocation {
    /// Nothing (older messages, identifier events): the answer decides.
    Unstated,
    /// This member of staff was allocated in this prison.
    Allocated {
        /// NOMIS staff code.
        staff_code: i64,
        /// Prison of the allocation.
        prison: PrisonCode,
    },
    /// The POM was removed.
    Deallocated,
}

/// A command to a case.
#[derive(Debug, Clone)]
pub enum CaseCommand {
    /// A message says that the primary POM changed.
    RecordAllocation {
        /// Whose case.
        noms: NomsNumber,
        /// The message.
        message: Message,
        /// What it states itself.
        stated: StatedAllocation,
        /// Which detail to fetch.
        address: DetailAddress,
    },
    /// A message says that handover dates changed or may now fit.
    RecordHandover {
        /// Whose case.
        noms: NomsNumber,
        /// The message.
        message: Message,
        /// Which detail to fetch.
        address: DetailAddress,
        /// Compare only.
        dry_run: bool,
    },
    /// The case got its NOMS number in Delius.
    LinkIdentifier {
        /// Whose case.
        noms: NomsNumber,
        /// The message.
        message: Message,
    },
    /// A message does not concern us as things stand.
    RecordNotApplicable {
        /// The message.
        message: Message,
        /// Why not.
        reason: String,
    },
    /// A staff code became known: allocations that waited for it are recorded at their own dates.
    ReflectAllocations {
        /// Who the code belongs to.
        staff: StaffMember,
    },
    /// The relay settled a write.
    RecordOutcome {
        /// Which write.
        write: WriteRef,
        /// What was to be written.
        intent: DeliusWrite,
        /// The attempt that settled it.
        attempt: u32,
        /// What came of it.
        outcome: WriteOutcome,
    },
    /// The relay gave a write up after this many attempts.
    ParkWrite {
        /// Which write.
        write: WriteRef,
        /// The attempts made.
        attempts: u32,
        /// The last error, without personal data.
        error: String,
    },
    /// An operator has a refused or parked write tried again.
    RetryWrite {
        /// Which write.
        write: WriteRef,
        /// Who decided.
        by: String,
        /// Why.
        why: String,
    },
    /// An operator gives a parked write up.
    SkipWrite {
        /// Which write.
        write: WriteRef,
        /// Who decided.
        by: String,
        /// Why.
        why: String,
    },
}

impl CaseCommand {
    /// The message that the command carries, when it came from one.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::RecordAllocation { message, .. }
            | Self::RecordHandover { message, .. }
            | Self::LinkIdentifier { message, .. }
            | Self::RecordNotApplicable { message, .. } => Some(message),
            _ => None,
        }
    }
}

/// Why a case could not decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// The detail could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An operator asked for something that the write's state does not allow.
    #[error("write {}.{}: {reason}", write.sequence, write.ordinal)]
    NotAllowed {
        /// Which write.
        write: WriteRef,
        /// Why not.
        reason: &'static str,
    },
}
