//! The built service under faults: killed at every boundary, cut off from each dependency, paused and doubled. Nothing
//! may be lost, doubled or out of order. `make test` runs the tests that are not ignored, `make test-faults` runs all,
//! and `make soak` runs the soak for as long as you want.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "no test gives up a transaction that it begins")]

use support::{queue, sqs_layer, stand_ins};

mod bulk_runs;
mod caller;
mod clocks;
mod cluster;
mod commands;
mod databases;
mod first_allocations;
mod ground;
mod inbox;
mod invariants;
mod journal;
mod kills;
mod logs;
mod model;
mod networks;
mod processes;
mod queues;
mod reads;
mod replicas;
mod restores;
mod service;
mod soak;
mod stream;
mod tcp_proxy;
mod versions;
