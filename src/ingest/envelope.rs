//! Unwraps SNS envelopes, however complete, and however often wrapped.

use serde_json::{Map, Value};

use super::message::{Malformed, is_plain};
use crate::trace::TRACEPARENT;

/// The members that SNS writes beside `Message`.
const MEMBERS: [&str; 11] = [
    "Type",
    "MessageId",
    "TopicArn",
    "Timestamp",
    "MessageAttributes",
    "Signature",
    "SignatureVersion",
    "SigningCertURL",
    "SigningCertUrl",
    "UnsubscribeURL",
    "Subject",
];

/// A topic that is fed from another topic's queue wraps once more. Nobody wraps deeper.
const MAX_DEPTH: usize = 4;

/// A body without its envelopes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Unwrapped {
    /// `MessageId` of the outermost envelope that has one.
    pub(super) id: Option<String>,
    /// Attribute `eventType` of the outermost envelope that has one.
    pub(super) event_type: Option<String>,
    /// Attribute `traceparent` of the outermost envelope that has one.
    pub(super) traceparent: Option<String>,
    /// The event; what is wrong with it where there is none.
    pub(super) event: Option<Map<String, Value>>,
}

/// Unwraps a body. The id is given even where the event is malformed.
pub(super) fn unwrap(body: &str) -> (Unwrapped, Result<(), Malformed>) {
    let mut unwrapped = Unwrapped::default();
    let result = unwrap_into(&mut unwrapped, body);
    (unwrapped, result)
}

fn unwrap_into(unwrapped: &mut Unwrapped, body: &str) -> Result<(), Malformed> {
    let (mut what, mut object) = ("the body", object("the body", body)?);
    for _ in 0..MAX_DEPTH {
        let Some(inner) = message_of(&object) else { break };
        what = "Message";
        unwrapped.id = unwrapped.id.take().or_else(|| id_of(&object));
        unwrapped.event_type = unwrapped.event_type.take().or_else(|| attribute_of(&object, "eventType"));
        unwrapped.traceparent = unwrapped.traceparent.take().or_else(|| attribute_of(&object, TRACEPARENT));
        object = match inner {
            Value::Object(event) => event.clone(),
            text => self::object(what, text.as_str().unwrap_or_default())?,
        };
    }
    if message_of(&object).is_some() {
        return Err(Malformed(format!("{what} is wrapped in more than {MAX_DEPTH} envelopes")));
    }
    unwrapped.event = Some(object);
    Ok(())
}

/// `Message` of an envelope. An event of its own may have a member of that name, but none that contains an event.
fn message_of(object: &Map<String, Value>) -> Option<&Value> {
    let message = object.get("Message")?;
    let has_members = MEMBERS.iter().any(|member| object.contains_key(*member));
    let is_event = ["eventType", "crn", "personReference"].iter().any(|member| object.contains_key(*member));
    let wrapped = match message {
        Value::String(text) if is_event => has_members && trimmed(text).starts_with('{'),
        Value::String(text) => has_members || trimmed(text).starts_with('{'),
        Value::Object(_) => has_members && !is_event,
        _ => false,
    };
    wrapped.then_some(message)
}

fn id_of(envelope: &Map<String, Value>) -> Option<String> {
    envelope.get("MessageId").and_then(Value::as_str).filter(|id| is_plain(id)).map(str::to_owned)
}

/// An attribute, as SNS writes it (`{"Type", "Value"}`), as SQS does (`StringValue`), or as plain text.
fn attribute_of(envelope: &Map<String, Value>, name: &str) -> Option<String> {
    let attribute = envelope.get("MessageAttributes")?.get(name)?;
    let value = ["Value", "StringValue"].iter().find_map(|name| attribute.get(name)).unwrap_or(attribute);
    let text = match value {
        Value::String(text) => trimmed(text).to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Without byte order marks and blanks on either side.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

fn object(what: &str, text: &str) -> Result<Map<String, Value>, Malformed> {
    match serde_json::from_str(trimmed(text)) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Malformed(format!("{what} is JSON but not an object"))),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(Malformed(format!("{what} is not JSON (line {line}, column {column})")))
        }
    }
}
