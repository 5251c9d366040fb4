//! Any input, from the queue, from Manage POM Cases or from a caller of the API, ends as an event, a refusal or a parked
//! message, and what was accepted can be written.

use std::time::Duration;

use chrono::Utc;
use manage_pom_cases_and_delius::{
    http::Role,
    ingest::{NotAccepted, message},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::{
        api::{Replica, Settings, from_delius, read},
        world::{CRN, NOMS, World, delivery},
    },
    stand_ins::Answer,
};

/// A fixed seed: the same values in every run.
fn values() -> TestRunner {
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(Config::default(), seed)
}

fn one<S: Strategy>(runner: &mut TestRunner, strategy: &S) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

/// Any text, and texts that look like something else.
fn text() -> impl Strategy<Value = String> {
    let likely = [
        "",
        " ",
        "\u{0}",
        "null",
        "A1234BC",
        "a1234bc",
        "X123456",
        "LEI",
        "NOMS",
        "CRN",
        "-1",
        "1e999",
        "\u{202e}ADA",
        "2026-07-01T09:00:00Z",
        "2026-02-30T25:61:00Z",
        "+262142-12-31T23:59:59Z",
        "0000-00-00",
        "9999-12-31",
        "-262143-01-01T00:00:00Z",
        "2026-06-30T23:59:60Z",
        "https://mpc.example/",
        "ADA'; drop table staff; --",
    ];
    prop_oneof![
        proptest::sample::select(likely.to_vec()).prop_map(str::to_owned),
        any::<String>(),
        "\\PC{0,300}"
    ]
}

/// Any JSON, three levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Mostly texts, as most members are.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![2 => text().prop_map(Value::from), 1 => any_json()]
}

/// The document with one value replaced, at any depth.
fn replaced(mut document: Value, at: usize, by: Value) -> Value {
    fn places(value: &Value, here: String, all: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, it)| (name.clone(), it)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(at, it)| (at.to_string(), it)).collect(),
            _ => vec![],
        };
        for (name, child) in children {
            places(child, format!("{here}/{name}"), all);
        }
        all.push(here);
    }
    let mut all = vec![];
    places(&document, String::new(), &mut all);
    *document.pointer_mut(&all[at % all.len()]).unwrap() = by;
    document
}

const TYPES: [&str; 8] = [
    "offender-management.allocation.changed",
    "offender-management.pom.allocated",
    "offender-management.handover.changed",
    "SENTENCE_CHANGED",
    "probation-case.prison-identifier.added",
    "pom-handover-dates.internal.bulk-update",
    "OFFENDER_CHANGED",
    "tier.calculation.complete",
];

/// A valid message: a domain event or an offender event.
fn event(world: &World, event_type: &str) -> Value {
    if event_type.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_') {
        return json!({ "eventType": event_type, "offenderId": 1, "crn": CRN, "nomsNumber": NOMS, "sourceId": 7,
                       "eventDatetime": "2026-07-01T09:00:00+01:00" });
    }
    let path =
        if event_type.contains("handover") { "handovers/A1234BC" } else { "allocation/A1234BC/primary_pom" };
    json!({
        "eventType": event_type, "version": 1, "description": "An event", "occurredAt": "2026-07-01T09:00:00Z",
        "detailUrl": format!("{}/api/{path}", world.mpc.mpc_url()),
        "personReference": { "identifiers": [{ "type": "NOMS", "value": NOMS }, { "type": "CRN", "value": CRN }] },
        "additionalInformation": { "staffCode": 485_926, "prisonId": "LEI", "eventTrigger": "user", "dryRun": false },
    })
}

#[sqlx::test(migrations = "migrations/store")]
async fn whatever_is_received_and_fetched_ends_as_an_event_or_parked_and_can_be_written(store: PgPool) {
    let world = World::on(store).await;
    let mut runner = values();
    let (any_place, any_status) =
        (any::<usize>(), proptest::sample::select(vec![200_u16, 200, 200, 404, 500]));
    let allocated = json!({ "manager": { "code": 485_926, "forename": "ADA", "surname": "BYRON", "email": "a@b.example" },
                            "prison": { "code": "LEI" } });
    let dates = json!({ "nomsNumber": NOMS, "handoverDate": "2026-10-01", "handoverStartDate": "2026-09-01",
                        "responsibility": "POM" });
    for round in 0..400 {
        for (path, answer) in [("allocation/A1234BC/primary_pom", &allocated), ("handovers/A1234BC", &dates)]
        {
            // Every second event is valid; then the answer is not.
            let body = match round % 6 {
                0 | 2 => answer.clone(),
                _ => replaced(answer.clone(), one(&mut runner, &any_place), one(&mut runner, &any_value())),
            };
            let status = one(&mut runner, &any_status);
            world.mpc.mpc().answer(&format!("/api/{path}"), Answer::with(status, body.to_string()));
        }
        // Half of the time the first one, because it reaches the most code.
        let event_type =
            TYPES[(one(&mut runner, &any_place) % (2 * TYPES.len())).saturating_sub(TYPES.len())];
        let mut inner = event(&world, event_type);
        if round % 2 == 0 {
            inner = replaced(inner, one(&mut runner, &any_place), one(&mut runner, &any_value()));
        }
        let mut envelope = json!({
            "Type": "Notification", "MessageId": format!("any-{round}"), "Message": inner.to_string(),
            "Timestamp": "2026-07-01T09:00:00Z",
            "MessageAttributes": { "eventType": { "Type": "String", "Value": event_type } }
        });
        if round % 5 == 0 {
            envelope = replaced(envelope, one(&mut runner, &any_place), one(&mut runner, &any_value()));
        }
        let mut delivery = delivery(envelope.to_string());
        delivery.receive_count = 1 + round % 6;
        let ended = world.ingest.accept(&delivery).await;
        let fault = matches!(&ended, Err(NotAccepted::Fault(_) | NotAccepted::Unknown { .. }));
        assert!(!fault, "{ended:?}\n{envelope}");
        // Every message has a receipt or is parked, under its id.
        if ended.is_ok() {
            let (id, _) = message::parse(&delivery);
            let receipts =
                "select count(*) from message_receipts where message_id = $1 or message_id like $1 || '#%'";
            let receipts: i64 = sqlx::query_scalar(receipts).bind(&id).fetch_one(&world.store).await.unwrap();
            assert!(receipts > 0, "{id}: {ended:?}");
        }
        world.drain().await;
        let unexplained = "select count(*) from outbox where state <> 'done' or unknown_failures > 0";
        assert_eq!(world.count(unexplained).await, 0, "{ended:?}\n{envelope}");
    }
    for disposition in ["recorded", "parked", "changeFeed"] {
        let count = format!("select count(*) from message_receipts where disposition = '{disposition}'");
        assert!(world.count(&count).await > 10, "{disposition}: the values are worth something");
    }
    assert!(world.count_in_delius("select count(*) from pom_cases_write_ledger").await > 5);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn whatever_a_caller_asks_for_is_answered_and_is_no_fault_of_ours(store: PgPool) {
    let world = World::on(store).await;
    let replica =
        Replica::start(&world.store, from_delius(&world.delius), &world.mpc, Settings::default()).await;
    let mut runner = values();
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    let identifiers = any_json().prop_map(|json| Value::from(vec![json]).to_string().into_bytes());
    let bodies = prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), identifiers];
    for _ in 0..80 {
        let id: String = one(&mut runner, &bytes).iter().map(|byte| format!("%{byte:02X}")).collect();
        let (query, body) = (one(&mut runner, &text()), one(&mut runner, &bodies));
        let query = url::form_urlencoded::byte_serialize(query.as_bytes()).collect::<String>();
        for request in [
            replica.request(Method::GET, &format!("/case-records/{id}")),
            replica.request(Method::GET, &format!("/case-records/{CRN}/{id}")),
            replica.request(Method::GET, &format!("/case-records/{CRN}?{query}={id}")),
            replica
                .request(Method::GET, &format!("/case-records/{CRN}"))
                .header(header::IF_NONE_MATCH, &query),
            replica
                .request(Method::GET, &format!("/case-records/{CRN}"))
                .header(header::CACHE_CONTROL, &query),
            replica.request(Method::POST, "/case-records").body(body),
        ] {
            let (status, answer) = read(request.send().await.unwrap()).await;
            assert!(status.is_success() || status.is_client_error(), "{status} {answer} for {id} {query}");
            if status.is_client_error() && answer.is_object() {
                assert_eq!(answer["status"], status.as_u16());
            }
        }
    }
    replica.stop.cancel();
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn whatever_a_good_key_has_signed_only_right_claims_are_let_in(store: PgPool) {
    let world = World::on(store).await;
    let replica =
        Replica::start(&world.store, from_delius(&world.delius), &world.mpc, Settings::default()).await;
    let mut runner = values();
    let right = serde_json::to_value(world.mpc.auth().claims(&[Role::CaseDetail.authority()])).unwrap();
    for round in 0..120 {
        let claims =
            replaced(right.clone(), one(&mut runner, &any::<usize>()), one(&mut runner, &any_value()));
        let token = world.mpc.auth().sign(&claims).unwrap();
        let request = replica.bare(Method::GET, &format!("/case-records/{CRN}")).bearer_auth(token);
        let status = request.timeout(Duration::from_secs(20)).send().await.unwrap().status();
        let expires = claims["exp"].as_f64().is_some_and(|at| at > Utc::now().timestamp() as f64);
        let roles = claims["authorities"].as_array().cloned().unwrap_or_default();
        let right = claims["iss"] == right["iss"]
            && expires
            && roles.iter().any(|it| it == Role::CaseDetail.authority());
        match status {
            StatusCode::OK => assert!(right, "round {round}: let in with {claims}"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {}
            _ => panic!("round {round}: {status} for {claims}"),
        }
    }
    replica.stop.cancel();
    world.end().await;
}
