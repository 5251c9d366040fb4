//! Integration tests: one binary, a database of its own for every test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod event_samples;
#[path = "../../deploy/local/stand_ins/mod.rs"]
mod stand_ins;
mod stand_ins_contract;
