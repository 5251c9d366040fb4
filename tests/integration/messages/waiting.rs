//! Messages that cannot be accepted now wait in the store: nothing is in the dead-letter queue of a queue with three
//! receives, and nobody waits for a message with a fault of its own.

use std::{sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    breakers::{BreakerConfig, Breakers},
    ingest::{
        Disposition, NotAccepted,
        feed::FeedWatch,
        sqs::ConsumerConfig,
        waiting::{self, WaitingDecision, Worker, WorkerConfig},
    },
    outbox::view::Select,
};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    helpers::world::{CRN, NOMS, World, delivery, envelope, offender_event},
    messages::sqs::{
        EVENTS, RECORDED, config, consume, consume_watched, messages, no_breakers, until, until_empty,
    },
    queue::Queue,
    sqs_layer::{Faults, SqsLayer},
    stand_ins::{Answer, Breakdown},
};

const WAITING: &str = "select count(*) from waiting_messages";

fn impatient() -> Breakers {
    let short = Duration::from_millis(20);
    Breakers::new(BreakerConfig { threshold: 3, first_pause: short, longest_pause: short })
}

/// The end of a test: nothing is left anywhere.
async fn nothing_is_left(world: World, queue: Queue) {
    assert_eq!(world.count(WAITING).await, 0);
    assert_eq!(queue.dead().await, 0, "no message used up its receives");
    assert!(world.parked().await.is_empty());
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn in_an_outage_messages_leave_the_queue_wait_in_the_store_and_are_recorded_afterwards(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    queue.send(&messages(&world, 12)).await;
    world.mpc.mpc().break_down(Some(Breakdown::ServerError));
    let running = consume(&world, config(&queue), impatient(), None).await;
    until_empty(&queue).await;
    assert_eq!((world.count(WAITING).await, world.count(EVENTS).await), (12, 0));
    // A restart in the middle of the outage changes nothing.
    running.stop().await;
    let running = consume(&world, config(&queue), impatient(), None).await;
    world.mpc.mpc().break_down(None);
    until("all are recorded", async || world.count(RECORDED).await == 12).await;
    until("nothing waits", async || world.count(WAITING).await == 0).await;
    running.stop().await;
    nothing_is_left(world, queue).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_attempt_that_ends_while_it_waits_for_manage_pom_cases_is_an_outage_and_no_fault_of_ours(
    store: PgPool,
) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    queue.send(&messages(&world, 6)).await;
    world.mpc.mpc().break_down(Some(Breakdown::Hang));
    let short = ConsumerConfig { handler_timeout: Duration::from_millis(500), ..config(&queue) };
    let running = consume(&world, short, impatient(), None).await;
    until_empty(&queue).await;
    running.stop().await;
    let outage = "select count(*) from waiting_messages where faults = 0
                  and dependency in ('Manage POM Cases', 'HMPPS Auth')";
    assert_eq!(world.count(outage).await, 6);
    let running = consume(&world, config(&queue), impatient(), None).await;
    world.mpc.mpc().break_down(None);
    until("all are recorded", async || world.count(RECORDED).await == 6).await;
    until("nothing waits", async || world.count(WAITING).await == 0).await;
    running.stop().await;
    nothing_is_left(world, queue).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn any_number_of_cases_that_fail_for_good_delays_no_other_case(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    let all = messages(&world, 40);
    // More than can be worked on at once.
    for number in 0..20 {
        world.mpc.mpc().allocation(&format!("A{number:04}AA"), Answer::with(500, ""));
    }
    queue.send(&all[..20]).await;
    let four = ConsumerConfig { concurrency: 4, ..config(&queue) };
    let running = consume(&world, four, impatient(), None).await;
    until("the bad ones wait", async || world.count(WAITING).await == 20).await;
    queue.send(&all[20..]).await;
    until("all good ones are recorded", async || world.count(EVENTS).await == 20).await;
    assert_eq!(world.count(WAITING).await, 20);
    running.stop().await;
    assert_eq!(queue.dead().await, 0);
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_undocumented_answer_for_every_case_is_an_outage_and_parks_nothing(store: PgPool) {
    for answer in [Answer::redirect("/maintenance"), Answer::page(403), Answer::page(404)] {
        let (world, queue) = (World::on(store.clone()).await, Queue::make(3).await);
        let before = world.count(EVENTS).await;
        let sent: Vec<String> = messages(&world, 12)
            .iter()
            .map(|message| message.replace("\"m", &format!("\"{before}-m")))
            .collect();
        for number in 0..12 {
            world.mpc.mpc().allocation(&format!("A{number:04}AA"), answer.clone());
        }
        queue.send(&sent).await;
        let running = consume(&world, config(&queue), impatient(), None).await;
        until_empty(&queue).await;
        // Probed far more often than the five times after which one message alone would be parked.
        until("many probes", async || world.mpc.mpc().all_calls().len() >= 100).await;
        messages(&world, 12);
        until("all are recorded", async || world.count(EVENTS).await == before + 12).await;
        until("nothing waits", async || world.count(WAITING).await == 0).await;
        running.stop().await;
        nothing_is_left(world, queue).await;
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn while_the_store_is_away_messages_stay_in_flight_and_a_shutdown_returns_them(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    queue.send(&messages(&world, 3)).await;
    // The store answers every acceptance with an error of a database that is being restored.
    sqlx::query("alter table message_receipts rename to away").execute(&world.store).await.unwrap();
    let running = consume(&world, config(&queue), impatient(), None).await;
    until("all are in flight", async || queue.counts().await == (0, 3)).await;
    sqlx::query("alter table away rename to message_receipts").execute(&world.store).await.unwrap();
    until("all are recorded", async || world.count(RECORDED).await == 3).await;
    until_empty(&queue).await;
    running.stop().await;
    nothing_is_left(world, queue).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_shutdown_keeps_what_is_not_finished_in_the_store(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    queue.send(&messages(&world, 4)).await;
    world.mpc.mpc().break_down(Some(Breakdown::Hang));
    let running = consume(&world, config(&queue), Breakers::default(), None).await;
    until("all are asked about", async || world.mpc.mpc().all_calls().len() >= 4).await;
    running.stop().await;
    assert_eq!((queue.counts().await, world.count(WAITING).await), ((0, 0), 4));
    world.mpc.mpc().break_down(None);
    let running = consume(&world, config(&queue), Breakers::default(), None).await;
    until("all are recorded", async || world.count(RECORDED).await == 4).await;
    until("nothing waits", async || world.count(WAITING).await == 0).await;
    running.stop().await;
    nothing_is_left(world, queue).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_redelivery_between_acceptance_and_delete_leaks_no_entry_of_the_change_feed(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(1000).await);
    // Handles that expire at once make SQS deliver what is in flight or waits for its delete.
    let faults = Faults { duplicate: 0.5, shuffle: 0.5, lose_delete: 0.5, ..Faults::default() };
    let layer = SqsLayer::start(&std::env::var("AWS_ENDPOINT_URL").unwrap(), faults, 7).await;
    let bodies = vec![offender_event("OFFENDER_CHANGED", CRN).to_string(); 40];
    queue.send(&bodies).await;
    let watch = FeedWatch::new(world.store.clone(), "test".into());
    let short = ConsumerConfig { visibility: Duration::from_secs(1), ..config(&queue).feed_alone() };
    let running = consume_watched(&world, short, no_breakers(), Some(&layer.url()), Some(watch)).await;
    until("deletes were lost", async || layer.done().lost_deletes > 2).await;
    layer.calm();
    until_empty(&queue).await;
    until("the feed is current", async || {
        world.count("select coalesce(max(lag_ms), 1) from change_feed_heartbeat").await == 0
    })
    .await;
    running.stop().await;
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn another_message_under_the_id_of_a_known_one_is_parked(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    let first = world.allocation("m1", "2026-07-01T09:00:00Z", 1);
    world.apply(&first).await;
    // Another subscription of the same topic has another envelope around the same event.
    let mut other_envelope = first.clone();
    other_envelope["UnsubscribeURL"] = json!("https://sns.example/?SubscriptionArn=2");
    assert_eq!(world.accept(&other_envelope).await, Disposition::Duplicate);
    assert!(world.parked().await.is_empty());
    let second = world.allocation("m1", "2026-07-02T09:00:00Z", 1);
    assert!(matches!(world.accept(&second).await, Disposition::Parked(_)));
    assert_eq!(world.parked().await, ["MessageIdReused"]);
    assert_eq!(world.accept(&second).await, Disposition::Duplicate, "it is parked once");
    // An operator can have both.
    let id: String =
        sqlx::query_scalar("select message_id from parked_messages").fetch_one(&world.store).await.unwrap();
    let retried = world.ingest.retry(&delivery(second.to_string()), &id).await.unwrap();
    assert!(matches!(retried, Disposition::Recorded { .. }), "{retried:?}");
    assert_eq!(world.events(NOMS).await, ["PomAllocated", "DeliusUpdated", "PomAllocated"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_change_of_tier_drops_the_record_now_and_once_more_later(store: PgPool) {
    let world = World::on(store).await;
    let event = envelope("m1", "tier.calculation.changed", "2026-07-01T09:00:00Z", None, &json!({}));
    let dropped = "select coalesce(sum(generation), 0)::bigint from case_records";
    let failure = world.try_accept(&event).await.unwrap_err();
    assert_eq!(failure, NotAccepted::Again { after: Duration::from_secs(30) });
    let after_first = world.count(dropped).await;
    assert!(after_first > 0, "it is dropped at once");
    let kept = world.ingest.keep_waiting(&delivery(event.to_string()), &failure, &Breakers::default()).await;
    assert!(matches!(kept.unwrap(), Disposition::Waiting { .. }));
    let due = "select count(*) from waiting_messages where next_attempt_at > now() + interval '20 seconds'";
    assert_eq!(world.count(due).await, 1);
    world.count("with due as (update waiting_messages set next_attempt_at = now() returning 1) select count(*) from due").await;
    let before_second = world.count(dropped).await;
    assert_eq!(worker(&world).step().await.unwrap(), 1);
    assert!(world.count(dropped).await > before_second, "and once more");
    assert_eq!(world.count(WAITING).await, 0);
    assert_eq!(
        world.count("select count(*) from message_receipts where disposition = 'changeFeed'").await,
        1
    );
    world.end().await;
}

fn worker(world: &World) -> Worker {
    let gateway = manage_pom_cases_and_delius::delius::Delius::new(world.delius.clone());
    let ingest = manage_pom_cases_and_delius::ingest::Ingest::new(Arc::clone(&world.cases), gateway);
    Worker::new(Arc::new(ingest), Arc::default(), WorkerConfig::of("by hand"))
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_operator_sees_waiting_messages_and_retries_or_parks_them(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().break_down(Some(Breakdown::ServerError));
    for id in ["m1", "m2"] {
        let message = delivery(world.allocation(id, "2026-07-01T09:00:00Z", 1).to_string());
        let failure = world.ingest.accept(&message).await.unwrap_err();
        world.ingest.keep_waiting(&message, &failure, &Breakers::default()).await.unwrap();
    }
    let listed = waiting::list(&world.store, &Select { limit: 10, ..Select::default() }).await.unwrap();
    let [first, second] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((first.message_id.as_str(), first.case_id.as_deref()), ("m1", Some(NOMS)));
    assert!(first.last_answer.contains("500") || first.last_answer.contains("unavailable"), "{first:?}");
    let decide = async |id, what| waiting::decide(&world.store, id, what, "Op", "why").await.unwrap();
    assert!(decide(second.id, WaitingDecision::Park).await);
    assert!(!decide(second.id, WaitingDecision::Park).await, "it waits no more");
    assert_eq!(world.parked().await, ["ParkedByOperator"]);
    world.mpc.mpc().break_down(None);
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    assert!(decide(first.id, WaitingDecision::Retry).await);
    assert_eq!(worker(&world).step().await.unwrap(), 1);
    assert_eq!(world.events(NOMS).await, ["PomAllocated"]);
    let decisions = "select count(*) from waiting_decisions where by_whom = 'Op' and why = 'why'";
    assert_eq!(world.count(decisions).await, 2);
    world.end().await;
}
