//! What led to an append. It is stored with each of its events as their metadata.

use serde_json::{Map, Value, json};

use super::receipts::Receipt;

/// What led to an append.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cause {
    /// A message. Its receipt is recorded in the transaction of the events.
    Message(Receipt),
    /// The service itself (the outcome of a write, a staff code that became known) or an operator. The events say which.
    #[default]
    NoMessage,
}

impl Cause {
    pub(super) fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Message(receipt) => Some(receipt),
            Self::NoMessage => None,
        }
    }

    /// The metadata of the events: texts by name, empty without a message.
    pub(super) fn metadata(&self) -> Value {
        let Some(receipt) = self.receipt() else { return Value::Object(Map::new()) };
        let mut metadata = json!({
            "messageId": receipt.message_id,
            "bodySha256": receipt.body_sha256,
            "receiveCount": receipt.receive_count.to_string(),
            "receivedAt": receipt.received_at.to_rfc3339(),
        });
        if let (Some(event_type), Some(members)) = (&receipt.event_type, metadata.as_object_mut()) {
            members.insert("eventType".to_owned(), Value::from(event_type.as_str()));
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_metadata_name_the_message_in_texts() {
        let receipt = Receipt {
            message_id: "6f1d2b7e-0000-4000-8000-000000000001".into(),
            event_type: Some("offender-management.handover.changed".into()),
            body_sha256: "00".repeat(32),
            receive_count: 3,
            received_at: "2026-07-01T09:00:01.25Z".parse().unwrap(),
        };
        let expected = json!({
            "messageId": "6f1d2b7e-0000-4000-8000-000000000001",
            "eventType": "offender-management.handover.changed",
            "bodySha256": "00".repeat(32),
            "receiveCount": "3",
            "receivedAt": "2026-07-01T09:00:01.250+00:00",
        });
        assert_eq!(Cause::Message(receipt).metadata(), expected);
        assert_eq!(Cause::NoMessage.metadata(), json!({}));
    }
}
