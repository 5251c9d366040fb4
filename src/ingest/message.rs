//! A message as received → an event with its identifiers: parsing only, no decision.
//!
//! Parsing is lenient: unknown members are ignored, and an SNS envelope and the bare event (raw message delivery)
//! are both accepted. What cannot be understood is told with the member that is wrong, never with its value.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::time;
use crate::case::{Crn, NomsNumber, sha256_hex};

/// SQS carries at most 1 MiB; a longer body is not a message.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A message as it comes from the queue or from a file.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The body's bytes.
    pub body: Vec<u8>,
    /// Attributes on the SQS message: with raw delivery those of the SNS message.
    pub attributes: BTreeMap<String, String>,
    /// SQS's own id of the message, the same for every delivery of it; none for a message that came another way.
    pub sqs_id: Option<String>,
    /// How often SQS has delivered it, this time included.
    pub receive_count: u32,
    /// When we received it.
    pub received_at: DateTime<Utc>,
}

/// A message, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// SNS `MessageId`; when there is none, `sqs:…` with the id in the queue, or `sha256:…` of the body.
    pub message_id: String,
    /// The routing key: attribute `eventType`, else the event's own `eventType`.
    pub event_type: Option<String>,
    /// The event.
    pub event: Event,
}

/// An event of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A Delius offender event: it has a top-level `crn`.
    Offender(Map<String, Value>),
    /// An HMPPS domain event.
    Domain(Map<String, Value>),
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
fn fallback_id(delivery: &Delivery) -> String {
    match &delivery.sqs_id {
        Some(id) if is_plain(id) => format!("{SQS_ID}{id}"),
        _ => format!("sha256:{}", sha256_hex(&delivery.body)),
    }
}

/// The id in its queue of a message that is known by that.
pub fn sqs_id(message_id: &str) -> Option<String> {
    message_id.strip_prefix(SQS_ID).map(str::to_owned)
}

/// Parses a delivery. The identity is told even where the rest is malformed.
pub fn parse(delivery: &Delivery) -> (String, Result<Parsed, Malformed>) {
    let id = fallback_id(delivery);
    if delivery.body.len() > MAX_BODY_BYTES {
        return (id, malformed("the body is longer than 1 MiB; no message can be"));
    }
    let Ok(text) = std::str::from_utf8(&delivery.body) else {
        return (id, malformed("the body is not UTF-8 text; send JSON"));
    };
    let body = match object("the body", text) {
        Ok(body) => body,
        Err(error) => return (id, Err(error)),
    };
    if !is_envelope(&body) {
        let attribute = delivery.attributes.get("eventType").cloned();
        return (id.clone(), Ok(parsed(id, attribute, body)));
    }
    let id = match body.get("MessageId").and_then(Value::as_str) {
        Some(given) if is_plain(given) => given.to_owned(),
        _ => id,
    };
    let attribute = body
        .get("MessageAttributes")
        .and_then(|attributes| attributes.get("eventType"))
        .and_then(|attribute| attribute.get("Value"))
        .and_then(Value::as_str)
        .map(str::to_owned);
    let message = body.get("Message").and_then(Value::as_str).unwrap_or_default();
    let event = object("Message", message).map(|event| parsed(id.clone(), attribute, event));
    (id, event)
}

fn is_envelope(body: &Map<String, Value>) -> bool {
    body.get("Message").is_some_and(Value::is_string)
        && (body.contains_key("TopicArn") || body.contains_key("MessageId"))
}

/// An identifier of a message, as far as it may be logged and stored as one.
fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.len() <= 200 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn parsed(message_id: String, attribute: Option<String>, event: Map<String, Value>) -> Parsed {
    let own = event.get("eventType").and_then(Value::as_str).map(str::to_owned);
    let event_type = attribute.or(own).map(|text| text.trim().to_owned()).filter(|text| is_plain(text));
    let event = if event.contains_key("crn") { Event::Offender(event) } else { Event::Domain(event) };
    Parsed { message_id, event_type, event }
}

fn object(what: &str, text: &str) -> Result<Map<String, Value>, Malformed> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => malformed(&format!("{what} is JSON but not an object")),
        Err(error) => {
            malformed(&format!("{what} is not JSON (line {}, column {})", error.line(), error.column()))
        }
    }
}

fn malformed<T>(what: &str) -> Result<T, Malformed> {
    Err(Malformed(what.to_owned()))
}

impl Event {
    fn members(&self) -> &Map<String, Value> {
        let (Self::Offender(members) | Self::Domain(members)) = self;
        members
    }

    /// `occurredAt` of a domain event, `eventDatetime` of an offender event, when something can have happened then.
    pub fn occurred_at(&self, received_at: DateTime<Utc>) -> Result<DateTime<Utc>, Malformed> {
        let (member, text) = match self {
            Self::Domain(members) => ("occurredAt", members.get("occurredAt")),
            Self::Offender(members) => ("eventDatetime", members.get("eventDatetime")),
        };
        let time = text.and_then(Value::as_str).and_then(time::parse).ok_or_else(|| {
            Malformed(format!("{member} is missing or not a time; expected for example 2026-07-01T09:00:00Z"))
        })?;
        match time::fault(time, received_at) {
            Some(fault) => malformed(&format!("{member} {fault}")),
            None => Ok(time),
        }
    }

    /// `detailUrl`, when there is one.
    pub fn detail_url(&self) -> Option<&str> {
        self.members().get("detailUrl").and_then(Value::as_str)
    }

    /// A member of `additionalInformation`; `None` when it is absent, `Some(Null)` when it is null.
    pub fn information(&self, name: &str) -> Option<&Value> {
        self.members().get("additionalInformation").and_then(|information| information.get(name))
    }

    /// The NOMS number that the event names.
    pub fn noms(&self) -> Result<NomsNumber, IdentifierFault> {
        self.identifier("NOMS", "nomsNumber")
    }

    /// The CRN that the event names.
    pub fn crn(&self) -> Result<Crn, IdentifierFault> {
        self.identifier("CRN", "crn")
    }

    fn identifier<T: std::str::FromStr + PartialEq>(
        &self,
        kind: &'static str,
        own_member: &'static str,
    ) -> Result<T, IdentifierFault> {
        let values: Vec<&Value> = match self {
            Self::Offender(members) => members.get(own_member).into_iter().collect(),
            Self::Domain(members) => members
                .get("personReference")
                .and_then(|reference| reference.get("identifiers"))
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter(|identifier| {
                    let stated = identifier.get("type").and_then(Value::as_str);
                    stated.is_some_and(|stated| stated.trim().eq_ignore_ascii_case(kind))
                })
                .map(|identifier| identifier.get("value").unwrap_or(&Value::Null))
                .collect(),
        };
        let mut found: Option<T> = None;
        for value in values {
            let parsed = value.as_str().and_then(|text| text.parse().ok());
            let parsed: T = parsed.ok_or(IdentifierFault::Invalid(kind))?;
            if found.as_ref().is_some_and(|found| *found != parsed) {
                return Err(IdentifierFault::Contradictory(kind));
            }
            found = Some(parsed);
        }
        found.ok_or(IdentifierFault::Missing(kind))
    }
}

/// What is wrong with an identifier of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum IdentifierFault {
    #[error("the event names no {0} in personReference.identifiers")]
    Missing(&'static str),
    #[error("the event's {0} identifier is malformed")]
    Invalid(&'static str),
    #[error("the event names two different {0} identifiers")]
    Contradictory(&'static str),
}
