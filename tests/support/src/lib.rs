//! Shared by the tests and the local demonstration, and compiled once: stand-ins for Manage POM Cases and HMPPS Auth, a
//! queue for one test, and a faulty proxy in front of SQS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod queue;
pub mod sqs_layer;
pub mod stand_ins;
