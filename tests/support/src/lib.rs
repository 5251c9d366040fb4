//! What the tests and the local demonstration share: stand-ins for Manage POM Cases and HMPPS Auth, a queue of one's
//! own, and a layer before SQS that duplicates, delays and loses. Compiled once for all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod queue;
pub mod sqs_layer;
pub mod stand_ins;
