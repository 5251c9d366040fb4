//! The case: one person in prison, one stream of events.
//!
//! A message becomes a [`CaseCommand`]; [`Case`] decides with the help of its [`CaseServices`] and answers with
//! [`CaseEvent`]s; from those the outbox derives [`DeliusWrite`]s, and the outcome of each is recorded as an event.
//!
//! Architecture invariant: this room knows no other room. It is pure but for its `Services`.

mod aggregate;
mod commands;
mod decide;
mod events;
mod identifiers;
pub mod identity;
mod provenance;
mod services;
#[cfg(test)]
mod tests;
mod timeline;
mod write_state;
mod writes;

pub use aggregate::Case;
pub use commands::{CaseCommand, CaseError, Message, StatedAllocation};
pub use decide::RELEASED_BY;
pub use events::{
    CaseEvent, EVENT_VERSION, Holding, IdentityRole, Inherited, NameSource, NameWait, WriteRef, WriteResult,
};
pub use identifiers::{Crn, InvalidIdentifier, NomsNumber, PersonId, PrisonCode};
pub use identity::{IdentityChange, IdentityReason};
pub use provenance::{CODE_VERSION, Evidence, Fetched, Provenance, StaffMember, sha256_hex};
pub use services::{
    AllocationAnswer, CaseServices, DetailAddress, FetchError, HandoverAnswer, KnownIdentities,
    ManagePomCases, NoIdentityChanges, StaffDirectory, UndocumentedAnswer,
};
pub use timeline::{Holder, HoldingFact, HoldingPeriod, Timeline, whole_second};
pub use write_state::{WriteChange, WriteProgress, WriteState, WriteStates};
pub use writes::{
    AddressedWrite, ColumnChange, DeliusWrite, OutcomeName, Pom, RowAction, RowChange, WriteOutcome,
};
