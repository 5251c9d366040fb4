//! Plans: from the rows that matter and what is wanted to the row changes, without I/O.
//!
//! # Order of arrival
//!
//! Messages come late, twice and out of order. An event is planned on its own date among the rows that are there: what
//! has begun after it is kept, and the event gets the time up to it. Together with one rule for the caller this ends in
//! the same holders, periods and responsible officers whatever the order of arrival:
//!
//! > After a late event, apply the recorded events of the *next second that has any* again, all of them, in the order
//! > in which they were recorded.
//!
//! For one of those may have found nothing to do when it came (its holder had the case already), and has something to
//! do now; or it was a deallocation, whose placeholder is that of the provider which the late event changed. Applied
//! to rows that need no change, an event changes nothing.
//!
//! Architecture invariant: nothing in here knows a database, a clock or a queue.

pub(crate) mod allocation;
pub(crate) mod change;
pub(crate) mod handover;
mod moment;
mod responsible_officer;
pub(crate) mod rows;
pub(crate) mod staff;

pub(crate) use moment::Moment;

#[cfg(test)]
mod tests;
