//! The consumer on a real queue: nothing is deleted before it is recorded or waits in the store, no failure costs a
//! receive, and a shutdown keeps what is not finished.

use std::{sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    breakers::{BreakerConfig, Breakers, MPC},
    delius::Delius,
    ingest::{
        Ingest,
        feed::FeedWatch,
        sqs::{Consumer, ConsumerConfig},
        waiting::{Worker, WorkerConfig},
    },
};
use serde_json::Value;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    helpers::world::{NOMS, World},
    queue::{Queue, client_of},
    sqs_layer::{Faults, SqsLayer},
    stand_ins::Answer,
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
    waiting: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.consumer.await.unwrap();
        self.waiting.await.unwrap();
    }
}

pub(crate) fn config(queue: &Queue) -> ConsumerConfig {
    ConsumerConfig {
        visibility: Duration::from_secs(30),
        poll_wait: Duration::from_secs(1),
        drain: Duration::from_millis(200),
        ..ConsumerConfig::of(&queue.url)
    }
}

pub(crate) async fn consume(
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
    consume_by(ingest, config, breakers, endpoint, feed).await
}

pub(crate) async fn consume_by(
    ingest: Ingest,
    config: ConsumerConfig,
    breakers: Breakers,
    endpoint: Option<&str>,
    feed: Option<FeedWatch>,
) -> Running {
    let ingest = Arc::new(ingest);
    let (breakers, sqs) = (Arc::new(breakers), client_of(endpoint).await);
    let often = WorkerConfig { poll: Duration::from_millis(50), ..WorkerConfig::of("test") };
    let worker = Worker::new(Arc::clone(&ingest), Arc::clone(&breakers), often);
    let consumer = Consumer::new(sqs, ingest, breakers, feed, config);
    let stop = CancellationToken::new();
    let waiting = tokio::spawn(worker.run(stop.clone()));
    Running { consumer: tokio::spawn(consumer.run(stop.clone())), waiting, stop }
}

/// A breaker that never opens.
pub(crate) fn no_breakers() -> Breakers {
    Breakers::new(BreakerConfig { threshold: u32::MAX, ..BreakerConfig::default() })
}

/// One allocation per case, so that they do not wait for each other.
pub(crate) fn messages(world: &World, count: usize) -> Vec<String> {
    let one = |number: usize| {
        let noms = format!("A{number:04}AA");
        world.mpc.mpc().allocation(&noms, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
        let message: Value = world.allocation(&format!("m{number}"), "2026-07-01T09:00:00Z", 1);
        message.to_string().replace(NOMS, &noms)
    };
    (0..count).map(one).collect()
}

pub(crate) const EVENTS: &str = "select count(*) from events where event_type = 'PomAllocated'";
pub(crate) const RECORDED: &str = "select count(*) from message_receipts where disposition = 'recorded'";

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

/// Makes every acceptance wait, as an event store that hangs.
async fn hung(world: &World) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut hold = world.store.begin().await.unwrap();
    sqlx::query("lock table message_receipts in access exclusive mode").execute(&mut *hold).await.unwrap();
    hold
}

#[sqlx::test(migrations = "migrations/store")]
async fn in_a_shared_queue_any_old_message_makes_the_change_feed_lag(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    let hold = hung(&world).await;
    queue.send(&messages(&world, 1)).await;
    let watch = FeedWatch::new(world.store.clone(), "test".into());
    let running = consume_watched(&world, config(&queue), no_breakers(), None, Some(watch)).await;
    until("the allocation in flight counts as lag", async || {
        world.count("select coalesce(max(lag_ms), 0) from change_feed_heartbeat").await > 0
    })
    .await;
    hold.rollback().await.unwrap();
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
