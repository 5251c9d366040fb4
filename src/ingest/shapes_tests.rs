//! The shapes in which one event comes: every envelope, every place of the event type, every list of identifiers.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use chrono::Utc;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    message::{Delivery, MAX_BODY_BYTES, Parsed, parse},
    route::{MessageRoute, ParkReason, route},
};
use crate::case::Evidence;

const EVENT_TYPE: &str = "offender-management.handover.changed";

fn delivery(body: impl Into<Vec<u8>>) -> Delivery {
    Delivery {
        body: body.into(),
        attributes: BTreeMap::new(),
        sqs_id: Some("7a1c".into()),
        receive_count: 1,
        received_at: Utc::now(),
    }
}

fn event() -> Value {
    json!({ "occurredAt": "2026-07-01T09:00:00Z", "detailUrl": "https://mpc.example/x",
            "personReference": { "identifiers": [{ "type": "NOMS", "value": "A1234BC" }] } })
}

fn parsed(delivery: &Delivery) -> Parsed {
    parse(delivery).1.unwrap()
}

fn routed(event: &Value) -> Result<MessageRoute, ParkReason> {
    let delivery = delivery(event.to_string());
    match route(&parsed(&delivery), Evidence::of(""), delivery.received_at, delivery.received_at) {
        MessageRoute::Park(parking) => Err(parking.reason),
        route => Ok(route),
    }
}

/// Any members that SNS writes beside `Message`.
fn members() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let all = vec![
        ("Type", json!("Notification")),
        ("MessageId", json!("11111111-0000-4000-8000-000000000001")),
        ("TopicArn", json!("arn:aws:sns:eu-west-2:000000000000:events")),
        ("Timestamp", json!("2026-07-01T09:00:01.000Z")),
        ("Subject", Value::Null),
        ("SignatureVersion", json!("1")),
        ("Signature", json!("c2lnbmF0dXJl")),
        ("SigningCertURL", json!("https://sns.eu-west-2.amazonaws.com/x.pem")),
        ("UnsubscribeURL", json!("https://sns.eu-west-2.amazonaws.com/?Action=Unsubscribe")),
    ];
    prop::sample::subsequence(all, 0..=9)
}

fn mark() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "\u{feff}", "\u{feff}\u{feff}", " \u{feff} ", "\r\n"])
}

fn wrapped(inner: &str, members: &[(&'static str, Value)], attribute: Option<Value>) -> String {
    let mut envelope = json!({ "Message": inner });
    for (name, value) in members {
        envelope[*name] = value.clone();
    }
    if let Some(attribute) = attribute {
        envelope["MessageAttributes"] = json!({ "eventType": attribute });
    }
    envelope.to_string()
}

proptest! {
    #[test]
    fn every_envelope_with_a_message_is_unwrapped(
        outer in members(), inner in prop::option::of(members()), marks in (mark(), mark()), place in 0_usize..5,
    ) {
        let mut event = event();
        if place == 0 {
            event["eventType"] = json!(EVENT_TYPE);
        }
        let attribute = match place {
            1 => Some(json!({ "Type": "String", "Value": EVENT_TYPE })),
            2 => Some(json!({ "DataType": "String", "StringValue": format!(" {EVENT_TYPE} ") })),
            3 => Some(json!(EVENT_TYPE)),
            _ => None,
        };
        let text = format!("{}{event}", marks.0);
        let text = inner.map_or(text.clone(), |members| wrapped(&text, &members, None));
        let mut delivery = delivery(format!("{}{}", marks.1, wrapped(&text, &outer, attribute)));
        if place == 4 {
            delivery.attributes.insert("eventType".into(), EVENT_TYPE.into());
        }
        let parsed = parsed(&delivery);
        prop_assert_eq!(parsed.event_type.as_deref(), Some(EVENT_TYPE));
        prop_assert_eq!(parsed.event.noms().unwrap().to_string(), "A1234BC");
        if outer.iter().any(|(name, _)| *name == "MessageId") {
            prop_assert_eq!(parsed.message_id, "11111111-0000-4000-8000-000000000001");
        }
    }

    #[test]
    fn of_several_identifiers_the_first_valid_one_counts(
        before in prop::collection::vec(prop::sample::select(vec!["", "UNKNOWN", "A12", "A1234B", "X123456"]), 0..3),
        after in prop::collection::vec(prop::sample::select(vec!["A9999ZZ", "", "B0000BB"]), 0..3),
        spelled in prop::sample::select(vec!["A1234BC", "a1234bc", " A1234BC ", "\u{feff}A1234BC"]),
        kind in prop::sample::select(vec!["NOMS", "noms", " NOMS "]),
    ) {
        let all: Vec<&str> = before.into_iter().chain([spelled]).chain(after).collect();
        let identifiers: Vec<Value> =
            all.into_iter().map(|value| json!({ "type": kind, "value": value })).collect();
        let mut event = event();
        event["personReference"] = json!({ "identifiers": identifiers });
        let parsed = parsed(&delivery(event.to_string()));
        prop_assert_eq!(parsed.event.noms().unwrap().to_string(), "A1234BC");
    }
}

#[test]
fn an_event_with_a_member_called_message_is_no_envelope() {
    let mut event = event();
    event["eventType"] = json!(EVENT_TYPE);
    event["Message"] = json!("a text for people");
    event["Type"] = json!("Notification");
    assert!(routed(&event).is_ok());
}

#[test]
fn a_message_that_is_an_object_is_unwrapped_from_an_envelope_and_from_nothing_else() {
    let mut inner = event();
    inner["eventType"] = json!(EVENT_TYPE);
    let event_type = |body: &Value| parsed(&delivery(body.to_string())).event_type;
    let enveloped = json!({ "MessageId": "m1", "Message": inner });
    assert_eq!(event_type(&enveloped).as_deref(), Some(EVENT_TYPE));
    assert_eq!(event_type(&json!({ "Message": inner })), None, "no member of an envelope");
    let mut own = inner.clone();
    own["MessageId"] = json!("m1");
    own["Message"] = json!({ "eventType": "other" });
    assert_eq!(event_type(&own).as_deref(), Some(EVENT_TYPE), "an event of its own");
}

#[test]
fn an_attribute_that_is_a_number_is_read_as_its_text() {
    let with =
        |value: Value| json!({ "Message": "{}", "MessageAttributes": { "eventType": { "Value": value } } });
    let event_type = |value| parsed(&delivery(with(value).to_string())).event_type;
    assert_eq!(event_type(json!(7)).as_deref(), Some("7"));
    assert_eq!(event_type(json!([])), None);
}

#[test]
fn a_body_of_a_mebibyte_is_read_and_a_longer_one_is_not() {
    let of = |length: usize| {
        let body = event().to_string();
        let blanks = " ".repeat(length - body.len());
        parse(&delivery(body + &blanks)).1
    };
    assert!(of(MAX_BODY_BYTES).is_ok());
    let error = of(MAX_BODY_BYTES + 1).unwrap_err().to_string();
    assert!(error.contains("longer than 1 MiB"), "{error}");
}

#[test]
fn a_message_in_too_many_envelopes_is_malformed() {
    let mut text = event().to_string();
    for _ in 0..10 {
        text = wrapped(&text, &[("Type", json!("Notification"))], None);
    }
    assert!(parse(&delivery(text)).1.unwrap_err().0.contains("envelopes"));
}

#[test]
fn a_message_in_utf_16_is_parked_with_the_remedy() {
    let bytes: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("{}".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert!(parse(&delivery(bytes)).1.unwrap_err().0.contains("UTF-16"));
}

#[test]
fn the_time_is_needed_only_where_the_effect_depends_on_it() {
    let of = |event_type: &str, at: Value| {
        let mut event = event();
        event["eventType"] = json!(event_type);
        event["occurredAt"] = at;
        routed(&event).map(|_| ())
    };
    let allocation = "offender-management.allocation.changed";
    for missing in [Value::Null, json!(""), json!(" ")] {
        assert_eq!(of(EVENT_TYPE, missing.clone()), Ok(()), "the dates are those of the answer");
        assert_eq!(
            of(allocation, missing),
            Err(ParkReason::InvalidMessage),
            "it is the date of the allocation"
        );
    }
    for impossible in ["2026-07-01T09:00:60Z", "2026-13-01T09:00:00Z", "yesterday"] {
        for event_type in [EVENT_TYPE, allocation] {
            assert_eq!(of(event_type, json!(impossible)), Err(ParkReason::InvalidMessage), "{impossible}");
        }
    }
}

#[test]
fn a_malformed_noms_number_beside_a_crn_is_looked_up_by_the_crn() {
    let mut event = event();
    event["eventType"] = json!("probation-case.prison-identifier.added");
    event["personReference"] = json!({ "identifiers": [
        { "type": "NOMS", "value": "1234" }, { "type": "CRN", "value": "X123456" }] });
    assert!(matches!(routed(&event), Ok(MessageRoute::Linked { .. })));
}
