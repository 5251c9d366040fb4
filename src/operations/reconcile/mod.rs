//! Reconciliation: what Manage POM Cases says now, the whole recorded timeline, and the rows that Delius holds, side by
//! side.
//!
//! A publish that fails at Manage POM Cases is lost, people change Delius by hand, and Delius can lose its last commits;
//! so the three can part. The [comparison](compare) is pure; [`look`] asks the three. News of Manage POM Cases are
//! [repaired](Repair) by a message like any other; where Delius lacks what is recorded, the recorded holdings are written
//! again from the gap on, by an event of the case; and what the store has forgotten of its own writes, because it was
//! restored to an earlier time, is recorded again from the [ledger] in Delius.
//!
//! What is printed names members of staff by their code, never by name: reports end up in logs.

mod compare;
mod finding;
mod ledger;
#[cfg(test)]
mod ledger_tests;
mod look;
mod past;
mod recorded;
mod records;
mod repair;
mod run;
#[cfg(test)]
mod tests;
mod three;
mod words;

pub use compare::{Mpc, Seen, Verdict, compare};
pub use finding::{Finding, Tally};
pub use ledger::Ledgers;
pub use look::{LookError, look};
pub use past::Gap;
pub use recorded::{Dates, Recorded, RecordedDates, RecordedHolding, UnnamedAllocation, recorded};
pub use records::{Decided, accept, record_run};
pub use repair::{Repair, RepairSubject};
pub use run::{RunEnd, compare_all};
pub use three::{NotCompared, Three};
pub use words::{Difference, Note};
