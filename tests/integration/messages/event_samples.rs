//! Each event sample says what it leads to, and together they cover every kind of message.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use manage_pom_cases_and_delius::{
    case::Evidence,
    ingest::{
        Delivery, message,
        route::{MessageRoute, route},
    },
};

const EVENT_TYPES: [&str; 26] = [
    "offender-management.allocation.changed",
    "offender-management.pom.allocated",
    "offender-management.handover.changed",
    "SENTENCE_CHANGED",
    "probation-case.prison-identifier.added",
    "probation-case.prison-identifier.updated",
    "prison-offender-events.prisoner.merged",
    "prison-offender-events.prisoner.booking.moved",
    "probation-case.merge.completed",
    "probation-case.unmerge.completed",
    "probation-case.deleted.gdpr",
    "pom-handover-dates.internal.bulk-update",
    "OFFENDER_MANAGER_CHANGED",
    "OFFENDER_OFFICER_CHANGED",
    "OFFENDER_DETAILS_CHANGED",
    "OFFENDER_CHANGED",
    "OFFENDER_REGISTRATION_CHANGED",
    "OFFENDER_REGISTRATION_DELETED",
    "OFFENDER_REGISTRATION_DEREGISTERED",
    "CONVICTION_CHANGED",
    "OFFENDER_MANAGEMENT_TIER_CALCULATION_REQUIRED",
    "probation-case.registration.added",
    "probation-case.registration.updated",
    "probation-case.registration.deleted",
    "probation-case.registration.deregistered",
    "tier.calculation.complete",
];

/// File name → text.
fn samples() -> BTreeMap<String, String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/event-samples");
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn delivery(text: &str) -> Delivery {
    Delivery {
        body: text.as_bytes().to_vec(),
        attributes: BTreeMap::new(),
        sqs_id: None,
        receive_count: 1,
        received_at: Utc::now(),
    }
}

/// The `leadsTo` line of a sample. Searched as text, because one sample is not JSON on purpose.
fn promise(text: &str) -> String {
    let (_, rest) = text.split_once("\"leadsTo\": \"").expect("a line saying what it leads to");
    rest.split_once('"').expect("the end of the line").0.to_owned()
}

#[test]
fn every_message_type_has_a_sample_and_both_shapes_occur() {
    let mut types = BTreeSet::new();
    let (mut envelopes, mut bare) = (0, 0);
    for text in samples().values() {
        if let Ok(parsed) = message::parse(&delivery(text)).1 {
            types.extend(parsed.event_type);
            if text.contains("\"Message\":") { envelopes += 1 } else { bare += 1 }
        }
    }
    for event_type in EVENT_TYPES {
        assert!(types.contains(event_type), "no sample of {event_type}");
    }
    assert!(envelopes > 10 && bare > 10, "{envelopes} envelopes, {bare} bare events");
}

#[test]
fn what_is_parked_by_its_content_alone_says_so() {
    let by_content = ["UnhandledEventType", "MissingIdentifier", "InvalidMessage"];
    let mut parked = BTreeSet::new();
    for (name, text) in samples() {
        let promised = promise(&text);
        let delivery = delivery(&text);
        let reason = match message::parse(&delivery).1 {
            Err(_) => Some("InvalidMessage"),
            Ok(parsed) => {
                match route(&parsed, Evidence::of(text.as_str()), delivery.received_at, delivery.received_at)
                {
                    MessageRoute::Park(parking) => Some(parking.reason.as_str()),
                    _ => None,
                }
            }
        };
        match reason {
            Some(reason) => {
                assert!(promised.starts_with(&format!("Parked {reason}:")), "{name}: {reason}");
                parked.insert(reason);
            }
            None => {
                let claims =
                    by_content.iter().any(|reason| promised.starts_with(&format!("Parked {reason}")));
                assert!(!claims, "{name} is not parked by its content");
            }
        }
    }
    assert_eq!(parked.len(), by_content.len(), "{parked:?}");
}

#[test]
fn the_filter_policies_let_through_every_type_but_our_own() {
    let policies = [
        include_str!("../../../deploy/sns/events.domain-events.json"),
        include_str!("../../../deploy/sns/change-feed.domain-events.json"),
        include_str!("../../../deploy/sns/change-feed.probation-offender-events.json"),
    ];
    let mut let_through = BTreeSet::new();
    for policy in policies {
        let policy: BTreeMap<String, Vec<String>> = serde_json::from_str(policy).unwrap();
        for event_type in &policy["eventType"] {
            assert!(let_through.insert(event_type.clone()), "{event_type} would come twice");
        }
    }
    let mut expected: BTreeSet<String> = EVENT_TYPES.map(str::to_owned).into();
    expected.remove("pom-handover-dates.internal.bulk-update"); // never comes through a topic
    assert_eq!(let_through, expected);
}

/// Delius publishes to its own topic: a queue that is subscribed only to the domain events never receives its events.
#[test]
fn what_delius_publishes_comes_by_the_topic_of_offender_events() {
    let offender = include_str!("../../../deploy/sns/change-feed.probation-offender-events.json");
    let offender: BTreeMap<String, BTreeSet<String>> = serde_json::from_str(offender).unwrap();
    let expected: BTreeSet<String> =
        EVENT_TYPES.iter().filter(|it| !it.contains('.')).map(|it| (*it).to_owned()).collect();
    assert!(expected.contains("SENTENCE_CHANGED"));
    assert_eq!(offender["eventType"], expected);
}
