//! Carries prison offender manager (POM) allocations and handover dates from *Manage POM Cases* into Delius, and
//! case facts from Delius back.
//!
//! The path of a message: [`ingest`] takes it from SQS and turns it into a command to a [`case`], which asks
//! Manage POM Cases through [`mpc`] and decides; [`event_store`] appends the events, together with the writes
//! that [`outbox`] derives from them; [`relay`] applies the writes through [`delius`] and records the outcomes.
//!
//! # Floors
//!
//! Rooms depend downwards only: a room may use the rooms below it in this table, never one above or beside it.
//! `tests/integration/floors.rs` reads this table and the imports, and fails on an upward one.
//!
//! | floor | room | what lives there |
//! | --- | --- | --- |
//! | 15 | `fuzzing` | entry points of the fuzz targets, in no build of the service |
//! | 14 | [`cli`] | one file per subcommand: parse, call, print |
//! | 13 | [`app`] | every setting, the start-up checks, the assembled application and its background tasks |
//! | 12 | [`http`] | server, authentication and every route |
//! | 11 | [`audit`] | journal, history, evidence, replay, and how they are rendered |
//! | 10 | [`operations`] | what operators set going: bulk refresh, reconcile, queue administration, rebuild |
//! | 9 | [`ingest`] | message to command; parked messages; the SQS consumer |
//! | 8 | [`relay`] | outbox to Delius; the outcome publisher |
//! | 7 | [`case_records`] | the read model: read-through, cache, freshness, invalidation |
//! | 6 | [`event_store`] | append, load, receipts, staff codes |
//! | 5 | [`outbox`] | event to writes, and the table of derived writes |
//! | 4 | [`delius`] | write to plan to SQL; the case record's query |
//! | 3 | [`mpc`] | the client of Manage POM Cases |
//! | 2 | [`case`] | the aggregate: events, decisions, timeline; pure |
//! | 1 | `database`, `breakers`, `retry`, `london`, `trace`, `failpoint` | outage classification, circuit breakers, backoff, London time, traces |

#[macro_use]
mod failpoint;

pub mod app;
pub mod audit;
pub mod breakers;
pub mod case;
pub mod case_records;
pub mod cli;
pub mod database;
pub mod delius;
pub mod event_store;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod ingest;
pub mod london;
pub mod mpc;
pub mod operations;
pub mod outbox;
pub mod relay;
pub mod retry;
pub mod trace;
