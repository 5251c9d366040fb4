//! What can be asked of a case.

use chrono::{DateTime, Utc};

use super::{
    Crn, DeliusWrite, DetailAddress, Evidence, FetchError, Fetched, IdentityChange, IdentityRole, Inherited,
    NomsNumber, PrisonCode, Provenance, StaffMember, WriteOutcome, WriteRef, provenance::CODE_VERSION,
    whole_second,
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
    /// The number that the message named, where the fact is recorded under another number of the same person.
    pub under: Option<NomsNumber>,
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
            under: self.under.clone(),
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
        noms: NomsNumber,
        message: Message,
        /// What it states itself.
        stated: StatedAllocation,
        /// Which detail to fetch.
        address: DetailAddress,
    },
    /// A message says that handover dates changed or may now fit.
    RecordHandover {
        noms: NomsNumber,
        message: Message,
        /// Which detail to fetch.
        address: DetailAddress,
        /// Compare only.
        dry_run: bool,
    },
    /// A Delius case got this NOMS number.
    LinkIdentifier {
        noms: NomsNumber,
        /// The CRN that the message names.
        crn: Option<Crn>,
        message: Message,
    },
    /// An identifier of the person changed.
    ChangeIdentity {
        /// The number of this stream.
        noms: NomsNumber,
        message: Message,
        change: IdentityChange,
        /// What the change means for the number of this stream.
        role: IdentityRole,
        /// What was recorded under the former number, for the number that continues with it.
        inherited: Inherited,
    },
    /// What is recorded is to be written once more.
    Reassert {
        /// The writes that Delius lacks.
        writes: Vec<DeliusWrite>,
        /// What a former number of the person gave, or the ledger in Delius.
        inherited: Inherited,
        by: String,
        why: String,
    },
    /// A message does not concern us as things stand.
    RecordNotApplicable { message: Message, reason: String },
    /// A staff code became known: allocations that waited for it are recorded at their own dates.
    ReflectAllocations {
        /// Who the code belongs to.
        staff: StaffMember,
    },
    /// The relay settled a write.
    RecordOutcome {
        write: WriteRef,
        /// What was to be written.
        intent: DeliusWrite,
        /// The attempt that settled it.
        attempt: u32,
        /// The outcome of the attempt.
        outcome: WriteOutcome,
    },
    /// The relay gave a write up after this many attempts.
    ParkWrite {
        write: WriteRef,
        /// The attempts made.
        attempts: u32,
        /// The last error, without personal data.
        error: String,
    },
    /// An operator has a refused or parked write tried again.
    RetryWrite { write: WriteRef, by: String, why: String },
    /// An operator gives a parked write up.
    SkipWrite { write: WriteRef, by: String, why: String },
}

impl CaseCommand {
    /// The message that the command carries, when it came from one.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::RecordAllocation { message, .. }
            | Self::RecordHandover { message, .. }
            | Self::LinkIdentifier { message, .. }
            | Self::ChangeIdentity { message, .. }
            | Self::RecordNotApplicable { message, .. } => Some(message),
            Self::Reassert { .. }
            | Self::ReflectAllocations { .. }
            | Self::RecordOutcome { .. }
            | Self::ParkWrite { .. }
            | Self::RetryWrite { .. }
            | Self::SkipWrite { .. } => None,
        }
    }

    /// Number and time of a fact about the person, which belongs to whoever had the number at that time.
    pub(super) fn fact(&self) -> Option<(&NomsNumber, DateTime<Utc>)> {
        match self {
            Self::RecordAllocation { noms, message, .. } | Self::RecordHandover { noms, message, .. } => {
                Some((noms, message.valid_from()))
            }
            Self::LinkIdentifier { .. }
            | Self::ChangeIdentity { .. }
            | Self::RecordNotApplicable { .. }
            | Self::Reassert { .. }
            | Self::ReflectAllocations { .. }
            | Self::RecordOutcome { .. }
            | Self::ParkWrite { .. }
            | Self::RetryWrite { .. }
            | Self::SkipWrite { .. } => None,
        }
    }

    /// The same fact for the number that the person has now. Its present state is asked for, as the former number has
    /// none any more.
    #[must_use]
    pub fn moved_to(mut self, heir: &NomsNumber) -> Self {
        if let Self::RecordAllocation { noms, message, address, .. }
        | Self::RecordHandover { noms, message, address, .. } = &mut self
        {
            message.under.get_or_insert_with(|| noms.clone());
            *noms = heir.clone();
            *address = DetailAddress::OfCase;
        }
        self
    }
}

/// Why a case could not decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// The detail could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The person has another number: the command belongs to that one.
    #[error("the person has the NOMS number {to} now")]
    Moved { to: NomsNumber },
    /// An operator asked for something that the write's state does not allow.
    #[error("write {}.{}: {reason}", write.sequence, write.ordinal)]
    NotAllowed { write: WriteRef, reason: &'static str },
}
