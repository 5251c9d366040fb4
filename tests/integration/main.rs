//! Integration tests: one binary, a database of its own for every test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit_support;
mod history_reading;
mod journal_order;
mod journal_tamper;
mod records_fields;
mod records_people;
mod replay_writes;
