//! Notices of applied writes: kept with the outcome, told at least once, never in the way of a write.

use std::sync::Arc;

use chrono::Utc;
use manage_pom_cases_and_delius::{
    case::{CaseCommand, CaseServices, NoIdentityChanges, WriteRef},
    delius::Delius,
    event_store::{CaseStore, StoredStaffDirectory},
    mpc::NotConfigured,
    outbox::notices,
    relay::{Announcer, NOTICES_KEPT, Relay, RelayConfig, Round},
};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    helpers::{
        sqs::{TestQueue, aws},
        world::{NOMS, World, envelope},
    },
    messages::sqs::until,
    stand_ins::Answer,
};

const MORNING: &str = "2026-07-01T09:00:00Z";

/// A relay that keeps notices.
fn relay(world: &World) -> Relay {
    let staff = Arc::new(StoredStaffDirectory::new(world.store.clone()));
    let services =
        CaseServices { mpc: Arc::new(NotConfigured), staff, identities: Arc::new(NoIdentityChanges) };
    let store = Arc::new(CaseStore::announcing(world.store.clone(), services));
    Relay::new(store, Delius::new(world.delius.clone()), RelayConfig::of("announcing"))
}

async fn apply_all(relay: &Relay) {
    while !relay.step().await.unwrap().is_empty() {}
}

async fn with_a_write(store: PgPool) -> World {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", Some("ada@example.org"), "LEI"));
    world.accept(&world.allocation("m1", MORNING, 1)).await;
    world
}

/// A topic of the test's own, with a queue that hears it.
pub(crate) async fn topic() -> (aws_sdk_sns::Client, String, TestQueue) {
    let sns = aws_sdk_sns::Client::new(&aws().await);
    let queue = TestQueue::new("outcomes").await;
    let arn = sns.create_topic().name(&queue.name).send().await.unwrap().topic_arn.unwrap();
    let subscription = sns.subscribe().topic_arn(&arn).protocol("sqs").endpoint(&queue.arn);
    subscription.send().await.unwrap();
    (sns, arn, queue)
}

const OPEN: &str = "select count(*) from outcome_notices where sent_at is null";

#[sqlx::test(migrations = "migrations/store")]
async fn the_topic_is_told_of_an_applied_write_once_and_without_names(store: PgPool) {
    let world = with_a_write(store).await;
    apply_all(&relay(&world)).await;
    let (sns, arn, queue) = topic().await;
    let announcer = Announcer::new(world.store.clone(), sns, arn);
    assert_eq!(announcer.step().await.unwrap(), Round { sent: 1, deferred: 0 });
    assert_eq!(announcer.step().await.unwrap(), Round::default());

    let bodies = queue.take_bodies(1).await;
    let envelope: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(envelope["MessageAttributes"]["outcome"]["Value"], "PomAllocated");
    let event: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    assert_eq!(
        (
            &event["personReference"]["identifiers"],
            &event["additionalInformation"]["outcome"],
            &event["occurredAt"]
        ),
        (&json!([{ "type": "NOMS", "value": NOMS }]), &json!("PomAllocated"), &json!(MORNING))
    );
    let write_id: uuid::Uuid =
        sqlx::query_scalar("select id from outbox").fetch_one(&world.store).await.unwrap();
    assert_eq!(event["additionalInformation"]["writeId"], json!(write_id));
    let applied_at: chrono::DateTime<Utc> =
        event["additionalInformation"]["appliedAt"].as_str().unwrap().parse().unwrap();
    assert!(applied_at <= Utc::now());
    for name in ["BYRON", "Byron", "ADA", "Ada", "example.org"] {
        assert!(!bodies[0].contains(name), "{}", bodies[0]);
    }
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_topic_that_does_not_answer_holds_up_no_write_and_is_told_later(store: PgPool) {
    let world = with_a_write(store).await;
    let (sns, arn, queue) = topic().await;
    let wrong = Announcer::new(world.store.clone(), sns.clone(), format!("{arn}-that-is-not-there"));
    let relay = relay(&world);
    apply_all(&relay).await;
    assert_eq!(wrong.step().await.unwrap(), Round { sent: 0, deferred: 1 });
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    world.accept(&world.allocation("m2", "2026-07-02T09:00:00Z", 1)).await;
    world.mpc.mpc().allocation(NOMS, Answer::not_found("Not allocated"));
    world.accept(&world.allocation("m3", "2026-07-03T09:00:00Z", Value::Null)).await;
    apply_all(&relay).await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated", "NoPomChange", "PomDeallocated"]);

    // The time of the backoff is over.
    sqlx::query("update outcome_notices set available_at = now() where last_error is not null")
        .execute(&world.store)
        .await
        .unwrap();
    let right = Announcer::new(world.store.clone(), sns, arn);
    // In the order of the case: the second is not due before the first is sent.
    let mut outcomes = vec![];
    for _ in 0..2 {
        assert_eq!(right.step().await.unwrap(), Round { sent: 1, deferred: 0 });
        let envelope: Value = serde_json::from_str(&queue.take_bodies(1).await[0]).unwrap();
        outcomes.push(envelope["MessageAttributes"]["outcome"]["Value"].clone());
    }
    assert_eq!(outcomes, ["PomAllocated", "PomDeallocated"]);
    assert_eq!(world.count(OPEN).await, 0);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_notice_is_kept_with_the_outcome_or_not_at_all(store: PgPool) {
    let world = with_a_write(store).await;
    sqlx::raw_sql(
        "create function odd() returns trigger language plpgsql as $$ begin raise exception 'odd'; end $$;
         create trigger odd before insert on outcome_notices for each row execute function odd();",
    )
    .execute(&world.store)
    .await
    .unwrap();
    relay(&world).step().await.unwrap();
    assert!(world.outcomes(NOMS).await.is_empty(), "the outcome is rolled back with it");
    sqlx::raw_sql("drop trigger odd on outcome_notices; update outbox set available_at = now()")
        .execute(&world.store)
        .await
        .unwrap();
    apply_all(&relay(&world)).await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    assert_eq!(world.count(OPEN).await, 1);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn nobody_is_told_of_what_was_refused_or_only_tried_out_or_changed_nothing(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().handover(NOMS, Answer::handover(NOMS, Some("2026-09-01"), None));
    let bulk = "pom-handover-dates.internal.bulk-update";
    world.accept(&envelope("m1", bulk, MORNING, None, &json!({ "dryRun": true }))).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "XXX"));
    world.accept(&world.allocation("m2", MORNING, Value::Null)).await;
    let unknown = world.allocation("m3", MORNING, 1).to_string().replace("LEI", "XXX");
    world.accept(&serde_json::from_str(&unknown).unwrap()).await;
    apply_all(&relay(&world)).await;
    assert_eq!(world.outcomes(NOMS).await, ["DryRunKeyDateCreated", "NoPomChange", "UnknownPrison"]);
    assert_eq!(world.count("select count(*) from outcome_notices").await, 0);

    // What an operator releases goes back to no message, and is told all the same.
    sqlx::query("update r_institution set nomis_cde_code = 'XXX' where nomis_cde_code = 'LEI'")
        .execute(&world.delius)
        .await
        .unwrap();
    let write = WriteRef { sequence: 3, ordinal: 0 };
    let retry = CaseCommand::RetryWrite { write, by: "operator".into(), why: "the prison is there".into() };
    world.cases.execute(&NOMS.parse().unwrap(), retry, Default::default()).await.unwrap();
    apply_all(&relay(&world)).await;
    let told: Vec<(String, Option<chrono::DateTime<Utc>>)> =
        sqlx::query_as("select outcome, occurred_at from outcome_notices order by applied_at")
            .fetch_all(&world.store)
            .await
            .unwrap();
    assert_eq!(told, [("PomAllocated".to_owned(), None)]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn only_notices_that_were_sent_long_ago_are_forgotten(store: PgPool) {
    sqlx::raw_sql(
        "insert into outcome_notices (write_id, case_id, outcome, applied_at, sent_at)
         select gen_random_uuid(), state, 'PomAllocated', now() - interval '90 days', sent_at
         from (values ('waits', null), ('new', now() - interval '29 days'), ('old', now() - interval '31 days'))
              as notice (state, sent_at)",
    )
    .execute(&store)
    .await
    .unwrap();
    let (sns, _, _queue) = topic().await;
    let (announcer, stop) =
        (Announcer::new(store.clone(), sns, "arn:aws:sns:eu-west-2:1:none"), CancellationToken::new());
    let running = tokio::spawn(announcer.run(Arc::default(), stop.clone()));
    let left = "select string_agg(case_id, ' ' order by case_id) from outcome_notices";
    until("the old one is forgotten", async || {
        let left: String = sqlx::query_scalar(left).fetch_one(&store).await.unwrap();
        left == "new waits"
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(notices::forget(&store, NOTICES_KEPT).await.unwrap(), 0);
}
