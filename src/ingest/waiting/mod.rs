//! The durable inbox: messages that could not be accepted yet.
//!
//! The real queue moves a message to its dead-letter queue after three receives, so no failed attempt may cost one. What
//! cannot be accepted now is committed here, with its bytes and its next attempt, and deleted from SQS. The
//! [`worker`](Worker) accepts it later by the same path as a message from the queue.

mod inspect;
mod table;
mod treatment;
mod worker;

pub use inspect::{WaitingDecision, WaitingSummary, backlog, decide, find, list, of_case};
pub use table::{Waiting, WaitingMessage, claim, claim_probe, finish, keep, make_due, release, reschedule};
pub use treatment::{Attempts, MAX_FAULTS, MAX_UNDOCUMENTED, SeenDependency, Treatment, treat};
pub use worker::{Worker, WorkerConfig};
