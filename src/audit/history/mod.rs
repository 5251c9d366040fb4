//! The auditor's view of a case: who held it when, what we knew of it at a time, where each fact comes from and
//! what became of it in Delius.
//!
//! Two times rule here. *Valid time* is when something was true in the world (`occurredAt` of the message);
//! *known time* is when it was recorded in our store. A [`Question`] may fix either or both: `as_of` asks what
//! was true at a time, `known_at` what we knew at a time.
//!
//! Architecture invariant: everything but `load` is a plain function on plain data. An answer as known at a past
//! time never changes afterwards, so nothing that can be changed later (the state of an outbox row, say) may
//! take part in it.

mod access;
mod difference;
mod entries;
mod explain;
mod load;
mod person;
mod question;
#[cfg(test)]
pub(crate) mod samples;
mod source;
#[cfg(test)]
mod stability_tests;
pub mod subject_access;
mod timeline;
mod view;

pub use access::{Access, Action};
pub use difference::{HistoryDifference, difference};
pub use entries::{Entry, Kind, Marks, Write};
pub use explain::{DeliusRow, Explanation, FailedWriteAttempt, InvalidRow, Received, explain};
pub use load::{by_delius_row, load, load_for, load_person};
pub(crate) use person::merge;
pub use question::{InvalidTime, Moment, PAGE, Question};
pub use source::{
    CaseFile, FailedAttempt, ParkedOfCase, ParkingOfCase, ReceiptOfCase, StoredEvent, WriteOfCase,
};
pub use timeline::{DatesPeriod, Period};
pub use view::{Answer, Belief, Counts, Held, History, Page, ParkedDecision, ParkedItem, build};
