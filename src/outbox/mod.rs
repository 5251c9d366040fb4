//! The outbox: the writes that the events of the cases mean for Delius, until they are applied.
//!
//! [`projector`] derives them (pure), [`table`] keeps them in the transaction of the events, and the [`relay`] applies
//! them through the Delius gateway, in order within a case and in parallel across cases. Where a topic wants to hear of
//! applied writes, [`notices`] keep what it is to be told, and the [`Announcer`] tells it.

mod announcer;
pub mod audit;
pub mod notices;
pub mod projector;
pub mod relay;
pub mod restore;
pub mod table;
mod telemetry;
pub mod view;

pub use announcer::{Announcer, KEPT as NOTICES_KEPT, Round};
pub use relay::{Relay, RelayConfig, Step};
pub use table::Transition;
