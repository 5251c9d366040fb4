//! Plans: from the rows that matter and what is wanted to the row changes, without I/O.
//!
//! # Order of arrival
//!
//! Messages come late, twice and out of order. An event is planned on its own date among the rows that are there: what
//! has begun after it is kept, and the event gets the time up to it. Together with one rule for the caller this ends in
//! the same holders, periods and responsible officers whatever the order of arrival:
//!
//! > After a late event, apply the next recorded event in valid time again; of several in that second the one that
//! > was recorded last.
//!
//! For that event may have found nothing to do when it came (its holder had the case already), and has something to
//! do now; or it finds its own holder before it, and the two rows become one; or it was a deallocation, whose
//! placeholder is that of the provider which the late event changed. Applied to rows that need no change, an event
//! changes nothing. Joining rows is left to that event, because others may lie between a late event and the next row.
//!
//! One limit: when a case is allocated *and* deallocated again within one second, an event that comes late before them
//! can make the placeholder that of its own provider, or leave the placeholder's time in two adjoining rows.
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
