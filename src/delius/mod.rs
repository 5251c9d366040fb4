//! Delius: what is read from it and written to it.
//!
//! Architecture invariant: nothing outside this room knows a Delius table.

pub mod records;
