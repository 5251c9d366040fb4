//! Captured histories: what was decided, derived and told of them then must be what is decided, derived and told
//! today. A test that goes red here says that a change of the code changes the meaning of what is stored.
//!
//! After a change that is meant, look at the difference and write the files anew:
//! `GOLDEN=write make test ARGS="golden"`; new ones are captured from scripted messages by
//! `make test ARGS="--run-ignored all captured"`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use manage_pom_cases_and_delius::{
    audit::{
        history::{CaseFile, Question, StoredEvent, build},
        replay::decisions::decide_again,
    },
    case::{CaseCommand, CaseEvent, NomsNumber, WriteRef, sha256_hex},
    ingest::Delivery,
    outbox::projector,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::world::{CRN, NOMS, World, envelope},
    stand_ins::Answer,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Golden {
    about: String,
    noms: NomsNumber,
    events: Vec<Stored>,
    writes: Value,
    history: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    recorded_at: DateTime<Utc>,
    event: CaseEvent,
}

impl Golden {
    fn writes_today(&self) -> Value {
        let writes = self.events.iter().zip(1..).flat_map(|(stored, sequence)| {
            projector::derive(&stored.event).into_iter().zip(0..).map(move |(intent, ordinal)| {
                let id = projector::write_id(&self.noms, WriteRef { sequence, ordinal }, &intent);
                json!({ "sequence": sequence, "ordinal": ordinal, "id": id, "intent": intent })
            })
        });
        writes.collect()
    }

    fn history_today(&self) -> Value {
        let events = self.events.iter().zip(1..).map(|(stored, sequence)| StoredEvent {
            sequence,
            noms: self.noms.clone(),
            stream_sequence: sequence,
            recorded_at: stored.recorded_at,
            trace_id: None,
            event: stored.event.clone(),
        });
        let file = CaseFile {
            noms: self.noms.clone(),
            streams: vec![],
            read_at: "2027-01-01T00:00:00Z".parse().unwrap(),
            unsettled_since: None,
            events: events.collect(),
            receipts: vec![],
            outbox: vec![],
            parked: vec![],
            waiting: vec![],
            erasures: vec![],
            journal: BTreeMap::new(),
        };
        serde_json::to_value(build(&file, &Question::default())).unwrap()
    }
}

fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden"].iter().collect()
}

fn golden_files() -> Vec<(PathBuf, Golden)> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let golden = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path, golden)
    };
    paths.into_iter().map(read).collect()
}

fn write(path: &PathBuf, golden: &Golden) {
    fs::write(path, format!("{}\n", serde_json::to_string_pretty(golden).unwrap())).unwrap();
}

#[tokio::test]
async fn golden_histories_are_decided_derived_and_told_today_as_they_were_then() {
    let files = golden_files();
    assert!(files.len() >= 3, "the golden set must not be empty");
    for (path, mut golden) in files {
        let about = format!("{}: {}", path.display(), golden.about);
        let (writes, history) = (golden.writes_today(), golden.history_today());
        if std::env::var("GOLDEN").as_deref() == Ok("write") {
            (golden.writes, golden.history) = (writes.clone(), history.clone());
            write(&path, &golden);
        }
        let events: Vec<CaseEvent> = golden.events.iter().map(|stored| stored.event.clone()).collect();
        if let Err(other) = decide_again(&golden.noms, &events).await {
            panic!("{about}\ndecided otherwise: {other}");
        }
        assert_eq!(golden.writes, writes, "{about}: writes");
        assert_eq!(golden.history, history, "{about}: history");
    }
}

#[tokio::test]
async fn a_golden_history_that_was_tampered_with_is_decided_otherwise() {
    let (_, golden) = golden_files().remove(0);
    let mut events: Vec<CaseEvent> = golden.events.into_iter().map(|stored| stored.event).collect();
    let CaseEvent::PomAllocated { pom, .. } = &mut events[0] else { panic!("an allocation comes first") };
    pom.surname = "SOMEBODY".to_owned();
    let other = decide_again(&golden.noms, &events).await.unwrap_err();
    assert_eq!(other.sequence, 1);
    assert!(other.to_string().contains("- pom.surname: \"SOMEBODY\""), "{other}");
}

/// Accepts a message as if it had come two seconds after it happened, and applies what it leads to.
async fn tell(world: &World, message: &Value, at: &str) {
    let received_at = at.parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(2);
    let body = message.to_string().into_bytes();
    let delivery =
        Delivery { body, attributes: BTreeMap::new(), sqs_id: None, receive_count: 1, received_at };
    world.ingest.accept(&delivery).await.unwrap();
    world.drain().await;
}

/// Gives every evidence the hash of its bytes.
fn hash_again(value: &mut Value) {
    if let (Some(body), true) = (value["body"].as_str(), value["sha256"].is_string()) {
        value["sha256"] = json!(sha256_hex(body.as_bytes()));
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(hash_again),
        Value::Array(items) => items.iter_mut().for_each(hash_again),
        _ => {}
    }
}

async fn capture(world: &World, name: &str, about: &str) {
    let rows: Vec<(DateTime<Utc>, Value)> =
        sqlx::query_as("select recorded_at, payload from events where aggregate_id = $1 order by sequence")
            .bind(NOMS)
            .fetch_all(&world.store)
            .await
            .unwrap();
    let events = rows.into_iter().map(|(recorded_at, payload)| {
        // The stand-in has another port on every run.
        let text = payload.to_string().replace(&world.mpc.mpc_url(), "https://mpc.example");
        let mut payload = serde_json::from_str(&text).unwrap();
        hash_again(&mut payload);
        Stored { recorded_at, event: serde_json::from_value(payload).unwrap() }
    });
    let mut golden = Golden {
        about: about.to_owned(),
        noms: NOMS.parse().unwrap(),
        events: events.collect(),
        writes: Value::Null,
        history: Value::Null,
    };
    (golden.writes, golden.history) = (golden.writes_today(), golden.history_today());
    fs::create_dir_all(directory()).unwrap();
    write(&directory().join(name), &golden);
}

#[sqlx::test(migrations = "migrations/store")]
#[ignore = "writes a file of the golden set"]
async fn captured_allocations_late_duplicate_and_removed(store: PgPool) {
    let world = World::on(store).await;
    let mpc = world.mpc.mpc();
    let steps = [
        ("m1", "2026-07-01T09:00:00Z", json!(1), Answer::allocated(1, "ADA", "BYRON", None, "LEI")),
        ("m3", "2026-07-10T09:00:00Z", json!(2), Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI")),
        // Late: its POM is known from the first message.
        ("m2", "2026-07-05T09:00:00Z", json!(1), Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI")),
        ("m1", "2026-07-01T09:00:00Z", json!(1), Answer::allocated(1, "ADA", "BYRON", None, "LEI")),
        ("m4", "2026-08-01T09:00:00Z", Value::Null, Answer::not_found("Not allocated")),
        ("m5", "2026-08-02T09:00:00Z", Value::Null, Answer::not_found("Not ready for allocation")),
    ];
    for (id, at, staff_code, answer) in steps {
        mpc.allocation(NOMS, answer);
        tell(&world, &world.allocation(id, at, staff_code), at).await;
    }
    let about = "allocations, one of them late, a duplicate, a deallocation, not ready";
    capture(&world, "allocations.json", about).await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
#[ignore = "writes a file of the golden set"]
async fn captured_superseded_made_good_and_handover_dates(store: PgPool) {
    let world = World::on(store).await;
    let mpc = world.mpc.mpc();
    mpc.allocation(NOMS, Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
    tell(&world, &world.allocation("m1", "2026-07-01T09:00:00Z", 2), "2026-07-01T09:00:00Z").await;
    tell(&world, &world.allocation("m2", "2026-06-01T09:00:00Z", 7), "2026-07-02T09:00:00Z").await;
    mpc.allocation(NOMS, Answer::allocated(7, "CAROLINE", "HERSCHEL", Some("c.h@example.org"), "LEI"));
    tell(&world, &world.allocation("m3", "2026-07-03T09:00:00Z", 7), "2026-07-03T09:00:00Z").await;
    for (id, dates) in [
        ("h1", (Some("2026-09-01"), Some("2026-08-01"))),
        ("h2", (Some("2026-09-02"), Some("2026-08-01"))),
        ("h3", (Some("2026-09-02"), Some("2026-08-01"))),
        ("h4", (None, None)),
    ] {
        mpc.handover(NOMS, Answer::handover(NOMS, dates.0, dates.1));
        tell(&world, &world.handover(id, "2026-07-04T09:00:00Z"), "2026-07-04T09:00:00Z").await;
    }
    let bulk = envelope(
        "b1",
        "pom-handover-dates.internal.bulk-update",
        "2026-07-05T09:00:00Z",
        None,
        &json!({ "dryRun": true }),
    );
    tell(&world, &bulk, "2026-07-05T09:00:00Z").await;
    let about =
        "a superseded allocation made good later, handover dates set, changed, left, blanked, a dry run";
    capture(&world, "superseded-and-dates.json", about).await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
#[ignore = "writes a file of the golden set"]
async fn captured_refusals_released_by_the_noms_number_and_by_an_operator(store: PgPool) {
    let world = World::on(store).await;
    let mpc = world.mpc.mpc();
    let set = async |sql: &str| sqlx::query(sql).execute(&world.delius).await.unwrap();
    set("update offender set noms_number = null").await;
    mpc.allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    mpc.handover(NOMS, Answer::handover(NOMS, Some("2026-09-01"), None));
    tell(&world, &world.allocation("m1", "2026-07-01T09:00:00Z", 1), "2026-07-01T09:00:00Z").await;
    tell(&world, &world.handover("m2", "2026-07-02T09:00:00Z"), "2026-07-02T09:00:00Z").await;
    set(&format!("update offender set noms_number = '{NOMS}' where crn = '{CRN}'")).await;
    set("update custody set soft_deleted = 1").await;
    mpc.allocation(NOMS, Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
    let linked =
        envelope("m3", "probation-case.prison-identifier.added", "2026-07-03T09:00:00Z", None, &Value::Null);
    tell(&world, &linked, "2026-07-03T09:00:00Z").await;
    set("update custody set soft_deleted = 0").await;
    let events = world.history(NOMS).await;
    let refused = events.iter().rev().find_map(|event| match event {
        CaseEvent::DeliusWriteRefused(result) => Some(result.write),
        _ => None,
    });
    let command = CaseCommand::RetryWrite {
        write: refused.expect("a refused write"),
        by: "operator".into(),
        why: "the sentence is there now".into(),
    };
    world.cases.execute(&NOMS.parse().unwrap(), command, Default::default()).await.unwrap();
    world.drain().await;
    let about = "refusals released by the NOMS number and by an operator";
    capture(&world, "released.json", about).await;
    world.end().await;
}
