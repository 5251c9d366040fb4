//! A message as received → an event with its identifiers: parsing only, no decision.
//!
//! Parsing is lenient: unknown members are ignored, and an SNS envelope and the bare event (raw message delivery) are
//! both accepted. An error names the member that is wrong, never its value.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::envelope::{self, Unwrapped, trimmed};
pub use super::event::{Event, IdentifierFault};
use crate::{
    case::sha256_hex,
    trace::{TRACEPARENT, TraceContext},
};

/// SQS carries at most 1 MiB; a longer body is not a message.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A message as it comes from the queue or from a file.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub body: Vec<u8>,
    /// Attributes on the SQS message: with raw delivery those of the SNS message.
    pub attributes: BTreeMap<String, String>,
    /// SQS's own id of the message, the same for every delivery of it; none for a message that came another way.
    pub sqs_id: Option<String>,
    /// How often SQS has delivered it, this time included.
    pub receive_count: u32,
    pub received_at: DateTime<Utc>,
}

/// A message, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// SNS `MessageId`; when there is none, `sqs:…` with the id in the queue, or `sha256:…` of the body.
    pub message_id: String,
    /// The routing key: attribute `eventType`, else the event's own `eventType`.
    pub event_type: Option<String>,
    pub event: Event,
}

/// What is wrong with a message: the member, what was expected, and never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// Before the id of a message in its queue, where that is its identity.
const SQS_ID: &str = "sqs:";

/// The identity of a delivery without an envelope that can be read. Two events without an envelope can be equal byte
/// for byte and are still two, so a message from a queue has the id that SQS gave it, which is the same for every
/// delivery of it. What came another way (a file) has nothing but its bytes: read twice, it is a duplicate.
fn id_without_envelope(delivery: &Delivery) -> String {
    match &delivery.sqs_id {
        Some(id) if is_plain(id) => format!("{SQS_ID}{id}"),
        _ => format!("sha256:{}", sha256_hex(&delivery.body)),
    }
}

/// The id in its queue of a message that is known by that.
pub fn sqs_id(message_id: &str) -> Option<String> {
    message_id.strip_prefix(SQS_ID).map(str::to_owned)
}

/// Parses a delivery. The identity is given even where the rest is malformed.
pub fn parse(delivery: &Delivery) -> (String, Result<Parsed, Malformed>) {
    if delivery.body.len() > MAX_BODY_BYTES {
        return (
            id_without_envelope(delivery),
            malformed("the body is longer than 1 MiB; no message can be"),
        );
    }
    let Ok(text) = std::str::from_utf8(&delivery.body) else {
        let what = match delivery.body.as_slice() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the body is UTF-16 text; send JSON as UTF-8",
            _ => "the body is not UTF-8 text; send JSON",
        };
        return (id_without_envelope(delivery), malformed(what));
    };
    let (Unwrapped { id, event_type, event, .. }, result) = envelope::unwrap(text);
    let id = id.unwrap_or_else(|| id_without_envelope(delivery));
    let Some(event) = event else {
        let malformed = result.err().unwrap_or_else(|| Malformed("the message has no event".to_owned()));
        return (id, Err(malformed));
    };
    let event_type = {
        let own = event.get("eventType").and_then(Value::as_str);
        let on_queue = delivery.attributes.get("eventType").map(String::as_str);
        let stated = [event_type.as_deref(), on_queue, own].into_iter().flatten().map(trimmed);
        stated.into_iter().find(|text| !text.is_empty()).filter(|text| is_plain(text)).map(str::to_owned)
    };
    (id.clone(), Ok(Parsed { message_id: id, event_type, event: Event::of(event) }))
}

/// The trace that the message brings in its attribute, or else the one that follows from its id.
pub(super) fn trace(delivery: &Delivery, message_id: &str) -> TraceContext {
    let text = std::str::from_utf8(&delivery.body).unwrap_or_default();
    let in_envelope = envelope::unwrap(text).0.traceparent;
    let on_queue = delivery.attributes.get(TRACEPARENT).cloned();
    let stated = in_envelope.into_iter().chain(on_queue).find_map(|text| TraceContext::parse(&text));
    stated.unwrap_or_else(|| TraceContext::of_identity(message_id))
}

/// Whether a text may be logged and stored as an identifier of a message.
pub(super) fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.len() <= 200 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn malformed<T>(what: &str) -> Result<T, Malformed> {
    Err(Malformed(what.to_owned()))
}
