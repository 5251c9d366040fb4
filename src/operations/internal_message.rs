//! Messages that the service makes itself, in the shape in which SNS delivers: whatever is recorded, be it for a bulk
//! run or for a repair, was received as a message and can be traced to its bytes.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::{case::NomsNumber, ingest::Delivery};

/// A message of our own about one case.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalMessage {
    /// Its `MessageId`. A second message with the same id changes nothing.
    pub id: String,
    /// Event type, for routing.
    pub event_type: &'static str,
    /// What it is about, in a few words.
    pub description: &'static str,
    /// Whose case.
    pub noms: NomsNumber,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// `detailUrl`, for event types that need one.
    pub detail_url: Option<String>,
    /// `additionalInformation`.
    pub information: Value,
}

impl InternalMessage {
    /// The message as an SNS envelope.
    pub fn envelope(&self) -> String {
        let at = self.occurred_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let mut event = json!({
            "eventType": self.event_type,
            "version": 1,
            "description": self.description,
            "additionalInformation": self.information,
            "personReference": { "identifiers": [{ "type": "NOMS", "value": self.noms }] },
            "occurredAt": at,
        });
        if let Some(url) = &self.detail_url {
            event["detailUrl"] = json!(url);
        }
        let attributes = json!({ "eventType": { "Type": "String", "Value": self.event_type } });
        json!({
            "Type": "Notification",
            "MessageId": self.id,
            "Message": event.to_string(),
            "Timestamp": at,
            "MessageAttributes": attributes,
        })
        .to_string()
    }

    /// The message as if it were received now for the first time.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            body: self.envelope().into_bytes(),
            attributes: BTreeMap::new(),
            sqs_id: None,
            receive_count: 1,
            received_at: Utc::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::{
        case::{CaseCommand, Evidence},
        ingest::{
            message::parse,
            route::{BULK_UPDATE, MessageRoute, route},
        },
    };

    #[test]
    fn a_message_of_our_own_is_understood_like_any_other() {
        let own = InternalMessage {
            id: "bulk:run:A1234BC".into(),
            event_type: BULK_UPDATE,
            description: "Handover dates are refreshed",
            noms: "A1234BC".parse().unwrap(),
            occurred_at: "2026-07-01T09:00:00Z".parse().unwrap(),
            detail_url: None,
            information: json!({ "dryRun": true }),
        };
        let delivery = own.delivery();
        let (id, parsed) = parse(&delivery);
        assert_eq!(id, own.id);
        let evidence = Evidence::of(own.envelope());
        let MessageRoute::Command(noms, CaseCommand::RecordHandover { message, dry_run, .. }) =
            route(&parsed.unwrap(), evidence, delivery.received_at, delivery.received_at)
        else {
            panic!("a bulk message asks for the handover dates");
        };
        assert_eq!((noms, message.occurred_at, dry_run), (own.noms, own.occurred_at, true));
    }
}
