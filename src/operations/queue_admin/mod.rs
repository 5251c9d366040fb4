//! Queue administration for HMPPS operators: dead letters listed and redriven, queues purged.
//!
//! Architecture invariant: only the configured queues and their dead-letter queues can be named; any other name is
//! unknown.

mod dead_letters;
mod queues;

pub use dead_letters::{DeadLetter, DeadLetters};
pub use queues::{QueueAdmin, QueueAdminError};
