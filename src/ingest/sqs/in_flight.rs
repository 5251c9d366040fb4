//! The messages that this process has in flight, each with its latest receipt handle.
//!
//! A message that outlives its visibility timeout, or that SQS delivers twice, is received again while it is still in
//! progress. It is not worked on twice then: the new receipt handle replaces the old one, with which a delete may do
//! nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Handles = HashMap<String, String>;

/// See the module. Clones share the same messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight {
    handles: Arc<Mutex<Handles>>,
}

/// One message in flight, until dropped.
#[derive(Debug)]
pub(crate) struct InFlightMessage {
    message_id: String,
    all: InFlight,
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; `None` when it is there already and only its receipt handle is new.
    pub(crate) fn take(&self, message_id: &str, handle: String) -> Option<InFlightMessage> {
        let known = self.lock().insert(message_id.to_owned(), handle);
        known.is_none().then(|| InFlightMessage { message_id: message_id.to_owned(), all: self.clone() })
    }
}

impl InFlightMessage {
    /// The handle of its latest receipt.
    pub(crate) fn handle(&self) -> String {
        self.all.lock().get(&self.message_id).cloned().unwrap_or_default()
    }
}

impl Drop for InFlightMessage {
    fn drop(&mut self) {
        self.all.lock().remove(&self.message_id);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_message_received_again_is_worked_on_once_under_its_latest_handle() {
        let in_flight = InFlight::default();
        let message = in_flight.take("m1", "first".into()).unwrap();
        assert!(in_flight.take("m1", "second".into()).is_none());
        assert_eq!(message.handle(), "second");
        assert!(in_flight.take("m2", "other".into()).is_some());
        drop(message);
        assert!(in_flight.take("m1", "third".into()).is_some(), "it is in flight no more");
    }
}
