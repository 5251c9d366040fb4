//! The consumer on a real queue: no message is deleted before it is recorded, failed messages are delivered again, an
//! outage costs no receives, and a shutdown returns unfinished messages.

use std::{sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    breakers::{BreakerConfig, Breakers, MPC},
    delius::Delius,
    ingest::{
        Ingest,
        feed::FeedWatch,
        sqs::{Consumer, ConsumerConfig},
    },
    retry::Backoff,
};
use serde_json::Value;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    helpers::world::{NOMS, World},
    queue::{Queue, client_of},
    sqs_layer::{Faults, SqsLayer},
    stand_ins::{Answer, Breakdown},
};

/// Polls until the condition is true; a minute is for the slowest machine.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) struct Running {
    stop: CancellationToken,
    consumer: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.consumer.await.unwrap();
    }
}

pub(crate) fn config(queue: &Queue) -> ConsumerConfig {
    ConsumerConfig {
        visibility: Duration::from_secs(30),
        poll_wait: Duration::from_secs(1),
        drain: Duration::from_millis(200),
        backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(1) },
        ..ConsumerConfig::of(&queue.url)
    }
}

async fn consume(
    world: &World,
    config: ConsumerConfig,
    breakers: Breakers,
    endpoint: Option<&str>,
) -> Running {
    consume_watched(world, config, breakers, endpoint, None).await
}

pub(crate) async fn consume_watched(
    world: &World,
    config: ConsumerConfig,
    breakers: Breakers,
    endpoint: Option<&str>,
    feed: Option<FeedWatch>,
) -> Running {
    let ingest = Ingest::new(Arc::clone(&world.cases), Delius::new(world.delius.clone()));
    let sqs = client_of(endpoint).await;
    let consumer = Consumer::new(sqs, Arc::new(ingest), Arc::new(breakers), feed, config);
    let stop = CancellationToken::new();
    Running { consumer: tokio::spawn(consumer.run(stop.clone())), stop }
}

/// A breaker that never opens: every failure returns the message to the queue.
pub(crate) fn no_breakers() -> Breakers {
    Breakers::new(BreakerConfig { threshold: u32::MAX, ..BreakerConfig::default() })
}

/// One allocation per case, so that they do not wait for each other.
fn messages(world: &World, count: usize) -> Vec<String> {
    let one = |number: usize| {
        let noms = format!("A{number:04}AA");
        world.mpc.mpc().allocation(&noms, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
        let message: Value = world.allocation(&format!("m{number}"), "2026-07-01T09:00:00Z", 1);
        message.to_string().replace(NOMS, &noms)
    };
    (0..count).map(one).collect()
}

const EVENTS: &str = "select count(*) from events where event_type = 'PomAllocated'";
const RECORDED: &str = "select count(*) from message_receipts where disposition = 'recorded'";

pub(crate) async fn until_empty(queue: &Queue) {
    until("the queue is empty", async || queue.counts().await == (0, 0)).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn messages_are_deleted_in_batches_after_they_are_recorded(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    queue.send(&messages(&world, 25)).await;
    let running = consume(&world, config(&queue), Breakers::default(), None).await;
    until_empty(&queue).await;
    assert_eq!(world.count(EVENTS).await, 25, "what is gone from the queue is in the store");
    running.stop().await;
    assert_eq!(queue.dead().await, 0);
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn two_equal_events_of_raw_delivery_are_two(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    let message: Value = serde_json::from_str(&messages(&world, 1)[0]).unwrap();
    let event = message["Message"].as_str().unwrap().to_owned();
    queue.send(&[event.clone(), event]).await;
    let running = consume(&world, config(&queue), Breakers::default(), None).await;
    until_empty(&queue).await;
    running.stop().await;
    let ids = "select count(distinct message_id) from message_receipts where disposition = 'recorded'
               and message_id like 'sqs:%'";
    assert_eq!((world.count(EVENTS).await, world.count(ids).await), (2, 2));
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_message_that_fails_stays_in_the_queue_and_comes_again(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(100).await);
    queue.send(&messages(&world, 3)).await;
    world.mpc.mpc().break_down(Some(Breakdown::ServerError));
    let running = consume(&world, config(&queue), no_breakers(), None).await;
    until("each failed", async || world.mpc.mpc().all_calls().len() >= 3).await;
    assert_eq!(world.count(EVENTS).await, 0);
    let (waiting, in_hand) = queue.counts().await;
    assert_eq!(waiting + in_hand, 3, "none is deleted");
    world.mpc.mpc().break_down(None);
    until_empty(&queue).await;
    assert_eq!(world.count(RECORDED).await, 3);
    let again = "select count(*) from message_receipts where disposition = 'recorded' and receive_count > 1";
    assert!(world.count(again).await >= 1, "by a later receive");
    running.stop().await;
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_outage_of_manage_pom_cases_costs_no_receives(store: PgPool) {
    // After three receives it is a dead letter; the outage is probed far more often than that.
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    queue.send(&messages(&world, 12)).await;
    world.mpc.mpc().break_down(Some(Breakdown::Unavailable));
    let short = Duration::from_millis(10);
    let breakers = BreakerConfig { threshold: 2, first_pause: short, longest_pause: short };
    let four = ConsumerConfig { concurrency: 4, ..config(&queue) };
    let running = consume(&world, four, Breakers::new(breakers), None).await;
    until("many probes", async || world.mpc.mpc().all_calls().len() >= 200).await;
    world.mpc.mpc().break_down(None);
    until_empty(&queue).await;
    running.stop().await;
    assert_eq!(world.count(EVENTS).await, 12);
    assert_eq!(queue.dead().await, 0, "no message burned its receives");
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_message_that_fails_for_a_reason_of_its_own_holds_up_nobody(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(100).await);
    let all = messages(&world, 6);
    world.mpc.mpc().allocation("A0000AA", Answer::with(500, ""));
    let short = Duration::from_millis(50);
    let breakers = BreakerConfig { threshold: 1, first_pause: short, longest_pause: short };
    // It opens the breaker by itself, before any other message could close it.
    queue.send(&all[..1]).await;
    let running = consume(&world, config(&queue), Breakers::new(breakers), None).await;
    let path = "/api/allocation/A0000AA/primary_pom";
    until("it failed", async || world.mpc.mpc().calls(path) >= 3).await;
    queue.send(&all[1..]).await;
    until("the others are recorded", async || world.count(EVENTS).await == 5).await;
    running.stop().await;
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_stop_gives_unfinished_messages_back_at_once(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    let sent = messages(&world, 4);
    queue.send(&sent).await;
    world.mpc.mpc().break_down(Some(Breakdown::Hang));
    let running = consume(&world, config(&queue), Breakers::default(), None).await;
    until("all are asked about", async || world.mpc.mpc().all_calls().len() >= 4).await;
    running.stop().await;
    // Otherwise they would stay invisible for half a minute.
    let mut back = queue.take_all().await;
    back.sort();
    assert_eq!(back, sent);
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_stop_in_an_outage_gives_held_messages_back_at_once(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    let sent = messages(&world, 4);
    queue.send(&sent).await;
    world.mpc.mpc().break_down(Some(Breakdown::Unavailable));
    let breakers = BreakerConfig {
        threshold: 1,
        first_pause: Duration::from_secs(3600),
        longest_pause: Duration::from_secs(3600),
    };
    let breakers = Breakers::new(breakers);
    let patient = ConsumerConfig { drain: Duration::from_secs(3600), ..config(&queue) };
    let running = consume(&world, patient, breakers, None).await;
    until("all are held", async || world.mpc.mpc().all_calls().len() >= 4).await;
    running.stop().await;
    assert_eq!(queue.take_all().await.len(), 4);
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn duplicates_lost_deletes_and_refusals_of_sqs_change_nothing(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(1000).await);
    let faults = Faults {
        duplicate: 0.3,
        shuffle: 0.5,
        lose_delete: 0.2,
        refuse_entry: 0.3,
        throttle: 0.1,
        expire: 0.3,
    };
    let layer = SqsLayer::start(&std::env::var("AWS_ENDPOINT_URL").unwrap(), faults, 7).await;
    queue.send(&messages(&world, 40)).await;
    let forgetful = ConsumerConfig { visibility: Duration::from_secs(1), ..config(&queue) };
    let running = consume(&world, forgetful, Breakers::default(), Some(&layer.url())).await;
    until("all are recorded", async || world.count(RECORDED).await == 40).await;
    // At least forty deletes follow, each of which may be lost or refused.
    until("deletes were lost and refused", async || {
        let done = layer.done();
        done.lost_deletes > 0 && done.refused_entries > 0
    })
    .await;
    layer.calm();
    until_empty(&queue).await;
    running.stop().await;
    assert_eq!(world.count(EVENTS).await, 40, "each once");
    assert_eq!(world.count(RECORDED).await, 40);
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn in_a_shared_queue_any_old_message_makes_the_change_feed_lag(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(1000).await);
    world.mpc.mpc().break_down(Some(Breakdown::ServerError));
    queue.send(&messages(&world, 1)).await;
    let watch = FeedWatch::new(world.store.clone(), "test".into());
    let running = consume_watched(&world, config(&queue), no_breakers(), None, Some(watch)).await;
    until("the allocation that waits counts as lag", async || {
        world.count("select coalesce(max(lag_ms), 0) from change_feed_heartbeat").await > 0
    })
    .await;
    world.mpc.mpc().break_down(None);
    until_empty(&queue).await;
    running.stop().await;
    queue.remove().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_queue_is_not_polled_while_what_its_messages_need_is_down(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    queue.send(&messages(&world, 1)).await;
    let day = Duration::from_secs(86_400);
    let breakers = Breakers::new(BreakerConfig { threshold: 1, first_pause: day, longest_pause: day });
    breakers.trip(MPC, std::time::Instant::now());
    let layer = SqsLayer::start(&std::env::var("AWS_ENDPOINT_URL").unwrap(), Faults::default(), 7).await;
    let paused = consume(&world, config(&queue), breakers, Some(&layer.url())).await;
    // The change feed does not need it and is read meanwhile.
    let breakers = Breakers::new(BreakerConfig { threshold: 1, first_pause: day, longest_pause: day });
    breakers.trip(MPC, std::time::Instant::now());
    let feed = Queue::make(3).await;
    feed.send(&[
        crate::helpers::world::offender_event("OFFENDER_CHANGED", crate::helpers::world::CRN).to_string()
    ])
    .await;
    let reading = consume(&world, config(&feed).feed_alone(), breakers, None).await;
    until_empty(&feed).await;
    assert_eq!(queue.counts().await, (1, 0), "the other one waits, unreceived");
    paused.stop().await;
    reading.stop().await;
    queue.remove().await;
    feed.remove().await;
    world.end().await;
}
