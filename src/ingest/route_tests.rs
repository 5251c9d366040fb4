//! What messages about identifiers and erasure ask for, whose cached records they make outdated, and under which names,
//! ids and traces messages are kept.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::{Value, json};

use super::{
    message::{self, Delivery, parse, sqs_id},
    route::{MessageRoute, ParkReason, Parking, drops_again, drops_records, outdated, route},
};
use crate::{
    case::{CaseCommand, Evidence, IdentityChange, IdentityReason, PersonId},
    trace::TraceContext,
};

fn delivery(body: impl ToString) -> Delivery {
    Delivery {
        body: body.to_string().into_bytes(),
        attributes: BTreeMap::new(),
        sqs_id: Some("7a1c".into()),
        receive_count: 1,
        received_at: Utc::now(),
    }
}

fn event(event_type: &str, identifiers: Value, information: Value) -> Value {
    json!({ "eventType": event_type, "occurredAt": "2026-07-01T09:00:00Z",
            "personReference": { "identifiers": identifiers }, "additionalInformation": information })
}

fn routed(event: &Value) -> MessageRoute {
    let delivery = delivery(event);
    let parsed = parse(&delivery).1.unwrap();
    route(&parsed, Evidence::of(""), delivery.received_at, delivery.received_at)
}

fn parked(event: &Value) -> Parking {
    match routed(event) {
        MessageRoute::Park(parking) => parking,
        other => panic!("{other:?}"),
    }
}

fn noms(value: &str) -> Value {
    json!([{ "type": "NOMS", "value": value }])
}

fn person(id: &str) -> PersonId {
    id.parse().unwrap()
}

const MERGED: &str = "prison-offender-events.prisoner.merged";
const MOVED: &str = "prison-offender-events.prisoner.booking.moved";
const CASES_MERGED: &str = "probation-case.merge.completed";
const CASES_UNMERGED: &str = "probation-case.unmerge.completed";
const UPDATED: &str = "probation-case.prison-identifier.updated";
const ERASURE: &str = "probation-case.deleted.gdpr";

#[test]
fn a_message_about_identifiers_says_which_changed_into_which_and_why() {
    for (event_type, information, from, to, reason) in [
        (
            MERGED,
            json!({ "removedNomsNumber": "A1234BC", "nomsNumber": "B1234BC" }),
            "A1234BC",
            "B1234BC",
            IdentityReason::PrisonRecordsMerged,
        ),
        (
            MOVED,
            json!({ "movedFromNomsNumber": "A1234BC", "movedToNomsNumber": "B1234BC" }),
            "A1234BC",
            "B1234BC",
            IdentityReason::BookingMoved,
        ),
        (
            CASES_MERGED,
            json!({ "sourceCRN": "X000001", "targetCRN": "X000002" }),
            "X000001",
            "X000002",
            IdentityReason::CasesMerged,
        ),
        (
            CASES_UNMERGED,
            json!({ "unmergedCRN": "X000001", "reactivatedCRN": "X000002" }),
            "X000001",
            "X000002",
            IdentityReason::CasesUnmerged,
        ),
    ] {
        let MessageRoute::Identity { change, .. } =
            routed(&event(event_type, json!([]), information.clone()))
        else {
            panic!("{event_type}")
        };
        let expected = IdentityChange { from: person(from), to: person(to), reason, crn: None };
        assert_eq!(change, expected, "{event_type}");
        assert!(drops_records(event_type), "{event_type}");

        for member in information.as_object().unwrap().keys() {
            let with = |value: Value| {
                let mut information = information.clone();
                information[member] = value;
                parked(&event(event_type, json!([]), information))
            };
            assert_eq!(with(Value::Null).reason, ParkReason::MissingIdentifier, "{event_type} {member}");
            let invalid = with(json!("odd"));
            assert_eq!(invalid.reason, ParkReason::InvalidIdentifier, "{event_type} {member}");
            assert!(invalid.detail.contains(member) && !invalid.detail.contains("odd"), "{}", invalid.detail);
        }
    }
}

#[test]
fn a_case_that_had_another_number_before_is_a_change_of_identity() {
    let both = json!([{ "type": "NOMS", "value": "B1234BC" }, { "type": "CRN", "value": "X123456" }]);
    let of = |identifiers: &Value, former: Value| {
        routed(&event(UPDATED, identifiers.clone(), json!({ "previousNomsNumber": former })))
    };
    let MessageRoute::Identity { change, .. } = of(&both, json!("A1234BC")) else { panic!("a change") };
    let crn = Some("X123456".parse().unwrap());
    let reason = IdentityReason::NumberReplaced;
    assert_eq!(change, IdentityChange { from: person("A1234BC"), to: person("B1234BC"), reason, crn });

    // The same number again is none, and none before is none.
    for former in [json!("B1234BC"), Value::Null] {
        let route = of(&both, former);
        let MessageRoute::Command(to, CaseCommand::LinkIdentifier { crn, .. }) = route else {
            panic!("{route:?}")
        };
        assert_eq!((to.as_str(), crn), ("B1234BC", Some("X123456".parse().unwrap())));
    }
    let by_crn = json!([{ "type": "CRN", "value": "X123456" }]);
    let route = of(&by_crn, json!("A1234BC"));
    let MessageRoute::Linked { crn, former, .. } = route else { panic!("{route:?}") };
    assert_eq!((crn.as_str(), former.unwrap().as_str()), ("X123456", "A1234BC"));

    let wrong = event(UPDATED, both, json!({ "previousNomsNumber": "odd" }));
    assert_eq!(parked(&wrong).reason, ParkReason::InvalidIdentifier);
}

#[test]
fn a_deleted_case_asks_for_the_erasure_of_its_person() {
    let by_crn = json!([{ "type": "CRN", "value": "X123456" }]);
    let route = routed(&event(ERASURE, by_crn, json!({})));
    let MessageRoute::ErasureRequested(crn, at) = route else { panic!("{route:?}") };
    assert_eq!((crn.as_str(), at.to_rfc3339().as_str()), ("X123456", "2026-07-01T09:00:00+00:00"));
    assert!(drops_records(ERASURE));
    assert_eq!(parked(&event(ERASURE, json!([]), json!({}))).reason, ParkReason::MissingIdentifier);
}

#[test]
fn whoever_a_message_names_has_outdated_records() {
    let of = |event: &Value| -> Vec<String> {
        let parsed = parse(&delivery(event)).1.unwrap();
        outdated(&parsed).iter().map(ToString::to_string).collect()
    };
    let both = json!([{ "type": "NOMS", "value": "B1234BC" }, { "type": "CRN", "value": "X123456" }]);
    let replaced = event(UPDATED, both.clone(), json!({ "previousNomsNumber": "A1234BC" }));
    assert_eq!(of(&replaced), ["X123456", "A1234BC", "B1234BC"]);
    // Named twice, and malformed beside that.
    let named = json!({ "removedNomsNumber": "B1234BC", "nomsNumber": "odd", "sourceCRN": "X000001" });
    assert_eq!(of(&event(MERGED, both.clone(), named)), ["X000001", "X123456", "B1234BC"]);
    for member in [
        "nomsNumber",
        "removedNomsNumber",
        "movedFromNomsNumber",
        "movedToNomsNumber",
        "targetCRN",
        "reactivatedCRN",
        "unmergedCRN",
    ] {
        let id = if member.ends_with("CRN") { "X000001" } else { "A1234BC" };
        assert_eq!(of(&event(MERGED, json!([]), json!({ member: id }))), [id], "{member}");
    }
    let allocation = event("offender-management.allocation.changed", both, json!({}));
    assert_eq!(of(&allocation), [""; 0]);
}

#[test]
fn only_a_new_tier_drops_records_again_after_a_while() {
    assert!(drops_again(Some("tier.calculation.changed")));
    for other in [Some("tier.calculation.complete"), Some("OFFENDER_CHANGED"), None] {
        assert!(!drops_again(other), "{other:?}");
    }
}

#[test]
fn a_reason_for_parking_is_stored_under_its_name() {
    use ParkReason::*;
    for reason in [
        InvalidMessage,
        UnhandledEventType,
        MissingIdentifier,
        InvalidIdentifier,
        IdentifierMismatch,
        MissingDetailUrl,
        ForeignDetailUrl,
        DetailNotFound,
        UnexpectedStatus,
        InvalidDetail,
        MessageIdReused,
        InvalidSignature,
        Unavailable,
        Fault,
    ] {
        assert_eq!(reason.as_str(), format!("{reason:?}"));
    }
}

#[test]
fn a_staff_code_is_any_whole_number_and_nothing_else() {
    let of = |code: Value| {
        let information = json!({ "staffCode": code, "prisonId": "LEI" });
        let mut event = event("offender-management.allocation.changed", noms("A1234BC"), information);
        event["detailUrl"] = json!("https://mpc.example/x");
        match routed(&event) {
            MessageRoute::Command(_, CaseCommand::RecordAllocation { stated, .. }) => {
                Ok(format!("{stated:?}"))
            }
            MessageRoute::Park(parking) => Err(parking.reason),
            other => panic!("{other:?}"),
        }
    };
    for whole in [json!(485926), json!(485926.0), json!("485926"), json!(" 485926 ")] {
        assert!(of(whole.clone()).unwrap().contains("staff_code: 485926"), "{whole}");
    }
    assert!(of(json!(-5.0)).unwrap().contains("staff_code: -5"));
    for odd in [json!(1.5), json!(9e15), json!(-9e15), json!(1e300), json!(u64::MAX), json!("1.5"), json!({})]
    {
        assert_eq!(of(odd.clone()), Err(ParkReason::InvalidMessage), "{odd}");
    }
}

#[test]
fn a_message_known_by_its_id_in_the_queue_has_that_again() {
    assert_eq!(sqs_id("sqs:7a1c").as_deref(), Some("7a1c"));
    assert_eq!(sqs_id("7a1c"), None);
}

#[test]
fn the_trace_is_that_of_the_envelope_else_of_the_queue_else_of_the_id() {
    let trace = |digit: &str| format!("00-{}-00f067aa0ba902b7-01", digit.repeat(32));
    let envelope = |stated: &str| {
        json!({ "Type": "Notification", "MessageId": "m1", "Message": "{}",
                "MessageAttributes": { "traceparent": { "Type": "String", "Value": stated } } })
    };
    let of = |body: Value, on_queue: Option<String>| {
        let mut delivery = delivery(body);
        delivery.attributes.extend(on_queue.map(|stated| ("traceparent".to_owned(), stated)));
        message::trace(&delivery, "m1")
    };
    let parsed = |text: &str| TraceContext::parse(text).unwrap();
    assert_eq!(of(envelope(&trace("a")), Some(trace("b"))), parsed(&trace("a")));
    assert_eq!(of(envelope("odd"), Some(trace("b"))), parsed(&trace("b")));
    assert_eq!(of(json!({}), None), TraceContext::of_identity("m1"));
}
