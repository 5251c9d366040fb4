//! What operators set going: the bulk handover refresh, reconciliation, queue administration,
//! rebuilding and erasure.

pub mod bulk;
pub mod erasure;
pub mod inline;
mod internal_message;
pub mod persons;
pub mod queue_admin;
pub mod rebuild;
pub mod reconcile;

pub use internal_message::InternalMessage;
