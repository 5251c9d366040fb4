//! Receiving from SQS: long polling, visibility, deletes. The only part of ingestion that knows the queue.

mod consumer;
mod deleter;
mod in_flight;
mod received;
mod visibility;
mod work;

pub use consumer::{Consumer, ConsumerConfig};
