//! Reconciliation: compares what Manage POM Cases says now, what was last recorded, and what Delius holds.
//!
//! A publish that fails at Manage POM Cases is lost, and people change Delius by hand; so the three can part. The
//! [comparison](compare) is pure; [`look`] asks the three; a [repair](Repair) is a message like any other, which is
//! accepted, recorded and written by the same path.
//!
//! What is printed names members of staff by their code, never by name: reports end up in logs.

mod compare;
mod finding;
mod look;
mod recorded;
mod repair;
#[cfg(test)]
mod tests;
mod three;
mod words;

pub use compare::{Mpc, Seen, Verdict, compare};
pub use finding::{Finding, Tally};
pub use look::{LookError, look};
pub use recorded::{Dates, Recorded, RecordedDates, RecordedHolding, Unreflected, recorded};
pub use repair::{Repair, Subject};
pub use three::{NotCompared, Three};
pub use words::{Difference, Note};
