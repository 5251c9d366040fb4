//! From bytes to a route: what every kind of message asks for, and what is parked for which reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use chrono::Utc;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    message::{Delivery, MAX_BODY_BYTES, parse},
    route::{MessageRoute, ParkReason, Parking, drops_records, route},
};
use crate::case::{CaseCommand, DetailAddress, Evidence, StatedAllocation};

fn delivery(body: impl Into<Vec<u8>>) -> Delivery {
    Delivery {
        body: body.into(),
        attributes: BTreeMap::new(),
        sqs_id: None,
        receive_count: 1,
        received_at: Utc::now(),
    }
}

/// The route of a delivery, or the reason for which it is parked.
fn routed(delivery: &Delivery) -> Result<MessageRoute, ParkReason> {
    let (_, parsed) = parse(delivery);
    let Ok(parsed) = parsed else { return Err(ParkReason::InvalidMessage) };
    match route(&parsed, Evidence::of(""), delivery.received_at, delivery.received_at) {
        MessageRoute::Park(parking) => Err(parking.reason),
        route => Ok(route),
    }
}

fn routed_json(event: &Value) -> Result<MessageRoute, ParkReason> {
    routed(&delivery(event.to_string()))
}

fn allocation(information: Value) -> Value {
    json!({
        "eventType": "offender-management.allocation.changed",
        "detailUrl": "https://mpc.example/api/allocation/A1234BC/primary_pom",
        "additionalInformation": information,
        "personReference": { "identifiers": [{ "type": "NOMS", "value": "A1234BC" }] },
        "occurredAt": "2026-07-01T09:00:00Z"
    })
}

fn envelope(message: &str, attributes: Value) -> String {
    json!({ "Type": "Notification", "MessageId": "11111111-0000-4000-8000-000000000001",
            "TopicArn": "arn:aws:sns:eu-west-2:000000000000:events", "Message": message,
            "Timestamp": "2026-07-01T09:00:01.000Z", "MessageAttributes": attributes })
    .to_string()
}

fn stated(information: Value) -> Result<StatedAllocation, ParkReason> {
    match routed_json(&allocation(information))? {
        MessageRoute::Command(_, CaseCommand::RecordAllocation { stated, .. }) => Ok(stated),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_envelope_and_its_bare_event_ask_for_the_same() {
    let event = allocation(json!({ "staffCode": 485926, "prisonId": "LEI" })).to_string();
    let bare = routed(&delivery(event.clone())).unwrap();
    let enveloped = routed(&delivery(envelope(&event, json!({})))).unwrap();
    for route in [bare, enveloped] {
        let MessageRoute::Command(noms, CaseCommand::RecordAllocation { stated, address, message, .. }) =
            route
        else {
            panic!("{route:?}")
        };
        assert_eq!(noms.as_str(), "A1234BC");
        assert_eq!(
            address,
            DetailAddress::Given("https://mpc.example/api/allocation/A1234BC/primary_pom".into())
        );
        assert_eq!(
            stated,
            StatedAllocation::Allocated { staff_code: 485926, prison: "LEI".parse().unwrap() }
        );
        assert_eq!(message.occurred_at, "2026-07-01T09:00:00Z".parse::<chrono::DateTime<Utc>>().unwrap());
    }
}

#[test]
fn the_attribute_routes_before_the_events_own_type() {
    let event = allocation(json!({})).to_string();
    let attributes =
        json!({ "eventType": { "Type": "String", "Value": "offender-management.handover.changed" } });
    let route = routed(&delivery(envelope(&event, attributes))).unwrap();
    assert!(matches!(route, MessageRoute::Command(_, CaseCommand::RecordHandover { dry_run: false, .. })));
    let mut raw = delivery(event);
    raw.attributes.insert("eventType".into(), "offender-management.handover.changed".into());
    assert!(matches!(routed(&raw).unwrap(), MessageRoute::Command(_, CaseCommand::RecordHandover { .. })));
}

#[test]
fn an_attribute_of_any_declared_type_is_read() {
    let attributes = json!({
        "eventType": { "Type": "Number.java.lang.Long", "Value": "offender-management.handover.changed" },
        "odd": "not an object" });
    let route = routed(&delivery(envelope(&allocation(json!({})).to_string(), attributes)));
    assert!(matches!(route, Ok(MessageRoute::Command(_, CaseCommand::RecordHandover { .. }))));
}

#[test]
fn the_message_id_is_that_of_sns_and_else_the_hash_of_the_body() {
    let (id, _) = parse(&delivery(envelope("{}", json!({}))));
    assert_eq!(id, "11111111-0000-4000-8000-000000000001");
    let (id, _) = parse(&delivery("{}"));
    assert_eq!(id, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

#[test]
fn a_message_without_an_id_of_sns_has_that_of_sqs() {
    let from_queue = |body: String| Delivery { sqs_id: Some("7a1c".into()), ..delivery(body) };
    for body in ["{}".to_owned(), "no message".to_owned(), allocation(json!({})).to_string()] {
        assert_eq!(parse(&from_queue(body)).0, "sqs:7a1c");
    }
    let (id, _) = parse(&from_queue(envelope("{}", json!({}))));
    assert_eq!(id, "11111111-0000-4000-8000-000000000001");
    let odd = Delivery { sqs_id: Some("not plain".into()), ..delivery("{}") };
    assert!(parse(&odd).0.starts_with("sha256:"));
}

#[test]
fn a_time_that_cannot_be_is_parked_with_the_member_and_the_remedy() {
    let received_at = "2026-07-01T12:00:00Z".parse().unwrap();
    let of = |event: &Value| {
        let delivery = Delivery { received_at, ..delivery(event.to_string()) };
        let (_, parsed) = parse(&delivery);
        match route(&parsed.unwrap(), Evidence::of(""), received_at, received_at) {
            MessageRoute::Park(Parking { reason: ParkReason::InvalidMessage, detail }) => Err(detail),
            MessageRoute::Park(other) => panic!("{other:?}"),
            _ => Ok(()),
        }
    };
    let domain = |at: &str| {
        let mut event = allocation(json!({}));
        event["occurredAt"] = json!(at);
        of(&event)
    };
    let offender =
        |at: &str| of(&json!({ "eventType": "SENTENCE_CHANGED", "crn": "X123456", "eventDatetime": at }));
    for early in [
        "1989-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00",
        "-0001-01-01T00:00:00Z",
        "-262143-01-01T00:00:00",
        "-262143-01-01T00:00:00+23:59",
    ] {
        let detail = domain(early).expect_err(early);
        assert!(detail.starts_with("occurredAt"), "{early}: {detail}");
        assert_eq!(offender(early), Ok(()), "the effect does not need it");
    }
    for late in [
        "2026-07-02T12:00:01Z",
        "9999-12-31T23:59:59Z",
        "+262142-12-31T23:59:59",
        "+262142-12-31T23:59:59-23:59",
    ] {
        let detail = domain(late).expect_err(late);
        assert!(detail.starts_with("occurredAt"), "{late}: {detail}");
        assert_eq!(offender(late), Ok(()), "the effect does not need it");
    }
    // Both remedies are told apart.
    assert!(domain("1989-12-31T23:59:59Z").unwrap_err().contains("sent again"));
    assert!(domain("2026-07-02T12:00:01Z").unwrap_err().contains("retry"));
    for fine in ["1990-01-01T00:00:00Z", "2026-07-02T12:00:00Z"] {
        assert_eq!((domain(fine), offender(fine)), (Ok(()), Ok(())), "{fine}");
    }
}

#[test]
fn what_the_message_states_of_the_allocation() {
    let leeds = StatedAllocation::Allocated { staff_code: 485926, prison: "LEI".parse().unwrap() };
    for (information, expected) in [
        (json!({ "staffCode": 485926, "prisonId": "LEI" }), Ok(leeds.clone())),
        (json!({ "staffCode": 485926.0, "prisonId": "LEI" }), Ok(leeds.clone())),
        (json!({ "staffCode": "485926", "prisonId": "lei" }), Ok(leeds)),
        (json!({ "staffCode": null, "prisonId": "LEI" }), Ok(StatedAllocation::Deallocated)),
        (json!({ "staffCode": null }), Ok(StatedAllocation::Deallocated)),
        (json!({ "prisonId": "LEI" }), Ok(StatedAllocation::Unstated)),
        (json!({ "staffCode": 485926 }), Ok(StatedAllocation::Unstated)),
        (json!({}), Ok(StatedAllocation::Unstated)),
        (Value::Null, Ok(StatedAllocation::Unstated)),
        (json!({ "staffCode": 1.5, "prisonId": "LEI" }), Err(ParkReason::InvalidMessage)),
        (json!({ "staffCode": true, "prisonId": "LEI" }), Err(ParkReason::InvalidMessage)),
        (json!({ "staffCode": 1, "prisonId": "L'I" }), Err(ParkReason::InvalidMessage)),
    ] {
        assert_eq!(stated(information.clone()), expected, "{information}");
    }
}

#[test]
fn every_event_type_of_the_contract_has_its_route() {
    let person = json!({ "identifiers": [
        { "type": "NOMS", "value": "A1234BC" }, { "type": "CRN", "value": "X123456" }] });
    let domain = |event_type: &str| {
        json!({ "eventType": event_type, "personReference": person, "occurredAt": "2026-07-01T09:00:00+01:00",
                "detailUrl": "https://mpc.example/x" })
    };
    let offender = |event_type: &str| {
        json!({ "eventType": event_type, "offenderId": 1, "crn": "X123456", "sourceId": 2,
                "eventDatetime": "2026-07-01T09:00:00" })
    };
    for event_type in ["offender-management.allocation.changed", "offender-management.pom.allocated"] {
        let route = routed_json(&domain(event_type)).unwrap();
        assert!(
            matches!(route, MessageRoute::Command(_, CaseCommand::RecordAllocation { .. })),
            "{event_type}"
        );
    }
    for event_type in ["probation-case.prison-identifier.added", "probation-case.prison-identifier.updated"] {
        let route = routed_json(&domain(event_type)).unwrap();
        assert!(
            matches!(route, MessageRoute::Command(_, CaseCommand::LinkIdentifier { .. })),
            "{event_type}"
        );
        let mut by_crn = domain(event_type);
        by_crn["personReference"] = json!({ "identifiers": [{ "type": "CRN", "value": "X123456" }] });
        assert!(matches!(routed_json(&by_crn).unwrap(), MessageRoute::Linked { .. }), "{event_type}");
        assert!(drops_records(event_type), "{event_type}");
    }
    let bulk = routed_json(&domain("pom-handover-dates.internal.bulk-update")).unwrap();
    assert!(matches!(
        bulk,
        MessageRoute::Command(_, CaseCommand::RecordHandover { address: DetailAddress::OfCase, .. })
    ));
    let sentence = routed_json(&offender("SENTENCE_CHANGED")).unwrap();
    assert!(matches!(sentence, MessageRoute::SentenceChanged(..)));
    assert!(drops_records("SENTENCE_CHANGED"));
    assert!(!drops_records("offender-management.allocation.changed"));
    for event_type in [
        "OFFENDER_MANAGER_CHANGED",
        "OFFENDER_OFFICER_CHANGED",
        "OFFENDER_DETAILS_CHANGED",
        "OFFENDER_CHANGED",
        "OFFENDER_REGISTRATION_CHANGED",
        "OFFENDER_REGISTRATION_DELETED",
        "OFFENDER_REGISTRATION_DEREGISTERED",
        "CONVICTION_CHANGED",
        "OFFENDER_MANAGEMENT_TIER_CALCULATION_REQUIRED",
    ] {
        assert!(
            matches!(routed_json(&offender(event_type)), Ok(MessageRoute::ChangeFeed(_))),
            "{event_type}"
        );
        assert!(drops_records(event_type), "{event_type}");
    }
    for event_type in [
        "probation-case.registration.added",
        "probation-case.registration.updated",
        "probation-case.registration.deleted",
        "probation-case.registration.deregistered",
        "tier.calculation.complete",
        "tier.calculation.changed",
    ] {
        assert!(matches!(routed_json(&domain(event_type)), Ok(MessageRoute::ChangeFeed(_))), "{event_type}");
        assert!(drops_records(event_type), "{event_type}");
    }
    assert_eq!(routed_json(&domain("prisoner.released")).unwrap_err(), ParkReason::UnhandledEventType);
}

#[test]
fn a_dry_run_is_never_taken_for_a_real_one() {
    let bulk = |flag: Value| {
        json!({ "eventType": "pom-handover-dates.internal.bulk-update", "occurredAt": "2026-07-01T09:00:00Z",
                "personReference": { "identifiers": [{ "type": "NOMS", "value": "A1234BC" }] },
                "additionalInformation": { "dryRun": flag } })
    };
    for (flag, expected) in [
        (json!(true), Ok(true)),
        (json!("true"), Ok(true)),
        (json!("FALSE"), Ok(false)),
        (json!(false), Ok(false)),
        (Value::Null, Ok(false)),
        (json!("yes"), Err(ParkReason::InvalidMessage)),
        (json!(1), Err(ParkReason::InvalidMessage)),
    ] {
        let dry_run = routed_json(&bulk(flag.clone())).map(|route| match route {
            MessageRoute::Command(_, CaseCommand::RecordHandover { dry_run, .. }) => dry_run,
            other => panic!("{other:?}"),
        });
        assert_eq!(dry_run, expected, "{flag}");
    }
}

#[test]
fn what_cannot_become_events_is_parked_with_its_reason() {
    let without = |member: &str| {
        let mut event = allocation(json!({}));
        event.as_object_mut().unwrap().remove(member);
        event
    };
    let with = |member: &str, value: Value| {
        let mut event = allocation(json!({}));
        event[member] = value;
        event
    };
    let identifiers = |list: Value| with("personReference", json!({ "identifiers": list }));
    for (event, expected) in [
        (without("eventType"), ParkReason::InvalidMessage),
        (without("occurredAt"), ParkReason::InvalidMessage),
        (with("occurredAt", json!("yesterday")), ParkReason::InvalidMessage),
        (without("detailUrl"), ParkReason::MissingDetailUrl),
        (without("personReference"), ParkReason::MissingIdentifier),
        (identifiers(json!([{ "type": "CRN", "value": "X123456" }])), ParkReason::MissingIdentifier),
        (identifiers(json!([{ "type": "NOMS", "value": "1234567" }])), ParkReason::InvalidIdentifier),
        (identifiers(json!([{ "type": "NOMS" }])), ParkReason::InvalidIdentifier),
        (
            json!({ "eventType": "SENTENCE_CHANGED", "crn": "12", "eventDatetime": "2026-07-01T09:00:00" }),
            ParkReason::InvalidIdentifier,
        ),
    ] {
        assert_eq!(routed_json(&event).unwrap_err(), expected, "{event}");
    }
}

#[test]
fn what_is_no_message_is_parked_as_invalid() {
    let deep = "[".repeat(100_000);
    let long = vec![b' '; MAX_BODY_BYTES + 1];
    let bodies: [&[u8]; 9] = [
        b"",
        b"null",
        b"[]",
        b"\"text\"",
        b"{",
        b"\xff\xfe",
        deep.as_bytes(),
        &long,
        b"{\"Message\":\"not json\",\"MessageId\":\"1\"}",
    ];
    for body in bodies {
        assert_eq!(routed(&delivery(body)).unwrap_err(), ParkReason::InvalidMessage);
    }
}

#[test]
fn version_and_additional_information_may_be_missing() {
    let mut event = allocation(json!({}));
    event.as_object_mut().unwrap().remove("additionalInformation");
    assert!(routed_json(&event).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_byte_string_ends_as_a_route(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let delivery = delivery(body);
        let (id, _) = parse(&delivery);
        prop_assert!(!id.is_empty());
        let _ = routed(&delivery);
    }

    #[test]
    fn every_mangled_event_ends_as_a_route(cut in 0_usize..400, byte in any::<u8>()) {
        let mut body = envelope(&allocation(json!({"staffCode": 1, "prisonId": "LEI"})).to_string(), json!({}))
            .into_bytes();
        let at = cut % body.len();
        body[at] = byte;
        let _ = routed(&delivery(body.clone()));
        body.truncate(at);
        let _ = routed(&delivery(body));
    }

    #[test]
    fn whatever_the_attributes_are_the_message_ends_as_a_route(
        name in "eventType|EventType|\\PC{0,20}", kind in "\\PC{0,20}", value in any::<String>(),
    ) {
        let event = allocation(json!({"staffCode": 1, "prisonId": "LEI"})).to_string();
        let attributes = json!({ &name: { "Type": kind, "Value": value } });
        let _ = routed(&delivery(envelope(&event, attributes)));
        // Raw delivery: the attributes are on the SQS message.
        let raw = Delivery { attributes: BTreeMap::from([(name, value)]), ..delivery(event) };
        let (_, parsed) = parse(&raw);
        if let Some(event_type) = parsed.ok().and_then(|parsed| parsed.event_type) {
            prop_assert!(event_type.bytes().all(|byte| byte.is_ascii_graphic()), "{event_type:?}");
        }
        let _ = routed(&raw);
    }
}
