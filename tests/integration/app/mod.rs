//! The service as a process: where it listens, how it starts and stops, and what it measures.

mod assembly;
mod catalogue;
mod cron_jobs;
mod listening;
mod process;
mod starting;
mod tracing;
