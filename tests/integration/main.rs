//! Integration tests: one binary, a database of its own for every test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "no test gives up a transaction that it begins")]

use support::{queue, sqs_layer, stand_ins};

mod app;
mod cli;
mod docs;
mod floors;
mod helpers;
mod history;
mod http;
mod journal;
mod messages;
mod operations;
mod reads;
mod store;
mod writes;
