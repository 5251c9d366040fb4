//! The relay: applies the writes of the outbox to Delius, in order within a case and in parallel across cases, and
//! publishes a notice of each applied write.

mod address;
mod announcer;
#[allow(clippy::module_inception)]
mod relay;
mod telemetry;

pub use announcer::{Announcer, KEPT as NOTICES_KEPT, Round};
pub use relay::{Relay, RelayConfig, Step};
