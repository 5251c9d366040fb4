//! What led to an append. It is stored with each of its events as their metadata.

use serde_json::{Map, Value};

use super::receipts::Receipt;
use crate::{
    outbox::table::MESSAGE_ID,
    trace::{TRACEPARENT, TraceContext},
};

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

    /// The metadata of the events, as texts by name: the message and the trace.
    pub(super) fn metadata(&self, trace: Option<TraceContext>) -> Value {
        let mut metadata = self.receipt().map_or_else(Map::new, message);
        metadata.extend(trace.map(|trace| (TRACEPARENT.to_owned(), Value::from(trace.to_string()))));
        Value::Object(metadata)
    }
}

fn message(receipt: &Receipt) -> Map<String, Value> {
    let members = [
        (MESSAGE_ID, Some(receipt.message_id.clone())),
        ("bodySha256", Some(receipt.body_sha256.clone())),
        ("receiveCount", Some(receipt.receive_count.to_string())),
        ("receivedAt", Some(receipt.received_at.to_rfc3339())),
        ("eventType", receipt.event_type.clone()),
    ];
    members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?)))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

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
        assert_eq!(Cause::Message(receipt).metadata(None), expected);
        assert_eq!(Cause::NoMessage.metadata(None), json!({}));
        let trace = TraceContext::of_identity("a message");
        assert_eq!(Cause::NoMessage.metadata(Some(trace)), json!({ "traceparent": trace.to_string() }));
    }
}
