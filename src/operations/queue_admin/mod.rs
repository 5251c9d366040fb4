//! The queues as HMPPS' operators look after them over HTTP: dead letters listed, moved back, queues purged.
//!
//! Architecture invariant: only the queues that this service is configured with, and their dead-letter queues, can be
//! named; any other name is as good as unknown.

mod dead_letters;
mod queues;

pub use dead_letters::{DeadLetter, DeadLetters};
pub use queues::{QueueAdmin, QueueAdminError};
