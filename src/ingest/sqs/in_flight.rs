//! The messages that this process has in hand, each with its latest receipt handle.
//!
//! A message that outlives its visibility, or that SQS delivers twice, is received again while it is still worked on.
//! It is not worked on twice then: the new receipt handle replaces the old one, with which a delete may do nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Handles = HashMap<String, String>;

/// See the module. Clones share the same hands.
#[derive(Debug, Clone, Default)]
pub(crate) struct InHand {
    handles: Arc<Mutex<Handles>>,
}

/// One message in hand, until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    message_id: String,
    all: InHand,
}

impl InHand {
    fn lock(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in hand; `None` when it is there already and only its receipt handle is new.
    pub(crate) fn take(&self, message_id: &str, handle: String) -> Option<Held> {
        let known = self.lock().insert(message_id.to_owned(), handle);
        known.is_none().then(|| Held { message_id: message_id.to_owned(), all: self.clone() })
    }
}

impl Held {
    /// SQS's name for the message.
    pub(crate) fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The handle of its latest receipt.
    pub(crate) fn handle(&self) -> String {
        self.all.lock().get(&self.message_id).cloned().unwrap_or_default()
    }
}

impl Drop for Held {
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
        let in_hand = InHand::default();
        let held = in_hand.take("m1", "first".into()).unwrap();
        assert!(in_hand.take("m1", "second".into()).is_none());
        assert_eq!(held.handle(), "second");
        assert!(in_hand.take("m2", "other".into()).is_some());
        drop(held);
        assert!(in_hand.take("m1", "third".into()).is_some(), "nobody has it any more");
    }
}
