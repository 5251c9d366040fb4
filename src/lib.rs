//! Carries prison offender manager (POM) allocations and handover dates from *Manage POM Cases* into Delius, and
//! case facts from Delius back.
//!
//! The path of a message: [`ingest`] takes it from SQS and turns it into a command to a [`case`], which asks
//! Manage POM Cases through [`mpc`] and decides; [`event_store`] appends what it decided, together with the writes
//! that [`outbox`] derives from it; the relay of the outbox applies them through [`delius`] and records what came
//! of them.

#[macro_use]
mod failpoint;

pub mod api;
pub mod breakers;
pub mod bulk;
pub mod case;
pub mod case_records;
pub mod cli;
pub mod database;
pub mod delius;
pub mod event_store;
pub mod history;
pub mod ingest;
pub mod mpc;
pub mod outbox;
pub mod queue_admin;
pub mod reconcile;
