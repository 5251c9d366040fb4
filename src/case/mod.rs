//! The case: one person in prison, one stream of events.
//!
//! Architecture invariant: this room knows no other room. It is pure but for its `Services`.

mod identifiers;
mod writes;

pub use identifiers::{Crn, InvalidIdentifier, NomsNumber, PersonId, PrisonCode};
pub use writes::{
    AddressedWrite, ColumnChange, DeliusWrite, OutcomeName, Pom, RowAction, RowChange, WriteOutcome,
};
