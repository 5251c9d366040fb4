//! The outbox: the writes that the events of the cases mean for Delius, until they are applied.
//!
//! [`projector`] derives them (pure), [`table`] stores them in the transaction of the events, and the [`relay`] applies
//! them through the Delius gateway, in order within a case and in parallel across cases. Where an outcome topic
//! is configured, [`notices`] holds one message for each applied write; the announcer in `relay/` publishes them.

pub mod audit;
pub mod notices;
pub mod projector;
pub mod restore;
pub mod table;
pub mod view;

pub use table::Transition;
