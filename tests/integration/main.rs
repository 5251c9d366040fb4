//! Integration tests: one binary, a database of its own for every test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../deploy/local/stand_ins/mod.rs"]
mod stand_ins;

mod api_limits;
mod api_records;
mod api_tokens;
mod api_world;
mod audit_support;
mod bulk;
mod command;
mod event_samples;
mod history_reading;
mod journal_order;
mod journal_tamper;
mod messages;
mod order;
mod outcome_topic;
mod queue_admin;
mod reconcile;
mod records_cache;
mod records_fields;
mod records_people;
mod records_replicas;
mod relay;
mod replay_writes;
mod severable;
mod sqs_world;
mod stand_ins_contract;
mod world;
