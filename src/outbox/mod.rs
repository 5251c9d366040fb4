//! The outbox: the writes that the events of the cases mean for Delius, until they are applied.
//!
//! [`projector`] derives them (pure), [`table`] keeps them in the transaction of the events, and the [`relay`] applies
//! them through the Delius gateway, in order within a case and in parallel across cases.

pub mod audit;
pub mod projector;
mod relay;
pub mod restore;
pub mod table;
mod telemetry;
pub mod view;

pub use relay::{Relay, RelayConfig, Step};
pub use table::Transition;
