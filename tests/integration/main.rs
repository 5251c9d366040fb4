//! Integration tests: one binary, a database of its own for every test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "no test gives up a transaction that it begins")]

#[path = "../../deploy/local/stand_ins/mod.rs"]
mod stand_ins;

#[path = "../faults/queue.rs"]
mod queue;
#[path = "../faults/sqs_layer.rs"]
mod sqs_layer;

mod any_input;
mod api_limits;
mod api_records;
mod api_tokens;
mod api_world;
mod audit_support;
mod bulk;
mod cli_audit;
mod cli_operators;
mod command;
mod delius_allocation;
mod delius_ground;
mod delius_handover;
mod delius_lookups;
mod delius_once;
mod event_samples;
mod expand_only;
mod feed_drained;
mod given_up;
mod golden;
mod history_http;
mod history_reading;
mod journal_lag;
mod journal_order;
mod journal_strays;
mod journal_tamper;
mod messages;
mod messages_odd;
mod migrations;
mod order;
mod outcome_topic;
mod queue_admin;
mod rebuild;
mod reconcile;
mod records_cache;
mod records_directory;
mod records_edges;
mod records_fields;
mod records_people;
mod records_replicas;
mod records_scripted;
mod relay;
mod relay_parks;
mod relay_stops;
mod replay_writes;
mod severable;
mod slapd;
mod sqs;
mod sqs_world;
mod stand_ins_contract;
mod world;
