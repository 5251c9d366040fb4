//! The relay: applies the writes of the outbox to Delius, in order within a case and in parallel across cases, and
//! publishes a notice of each applied write.

mod address;
mod announcer;
mod attempt;
mod config;
#[allow(clippy::module_inception)]
mod relay;
mod staff;
mod telemetry;

pub use announcer::{Announcer, KEPT as NOTICES_KEPT, Round};
pub use config::RelayConfig;
pub use relay::{Relay, RelayStep};
