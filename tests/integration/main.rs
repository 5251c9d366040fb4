//! Integration tests: one binary, a database of its own for every test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../deploy/local/stand_ins/mod.rs"]
mod stand_ins;

mod delius_allocation;
mod delius_ground;
mod delius_handover;
mod delius_lookups;
mod delius_once;
mod event_samples;
mod messages;
mod order;
mod records_fields;
mod records_people;
mod relay;
mod stand_ins_contract;
mod world;
