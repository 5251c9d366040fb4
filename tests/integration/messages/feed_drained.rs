//! A change feed is current only once its queue was seen without waiting messages: SQS has no order, so an old message may
//! wait while younger ones are delivered.

use std::time::Instant;

use manage_pom_cases_and_delius::{
    breakers::Breakers,
    ingest::{feed::FeedWatch, sqs::ConsumerConfig},
};
use sqlx::{PgPool, Postgres, Transaction};

use crate::{
    helpers::world::{CRN, World, offender_event},
    messages::sqs::{Running, config, consume_watched, until, until_empty},
    queue::Queue,
};

/// A lag above this means that the feed is not known to be drained.
const LIMIT_MS: i64 = 1000;

struct HeldUp {
    world: World,
    queue: Queue,
    running: Running,
    hold: Transaction<'static, Postgres>,
}

/// A consumer of the feed that processes one message at a time and is busy with the first.
async fn held_up(store: PgPool, messages: usize) -> HeldUp {
    let (world, queue) = (World::on(store).await, Queue::make(1000).await);
    let mut hold = world.store.begin().await.unwrap();
    sqlx::query("lock table case_records in access exclusive mode").execute(&mut *hold).await.unwrap();
    let bodies = vec![offender_event("OFFENDER_CHANGED", CRN).to_string(); messages];
    queue.send(&bodies).await;
    let watch = FeedWatch::new(world.store.clone(), "test".into());
    let one_hand = ConsumerConfig { concurrency: 1, ..config(&queue).feed_alone() };
    let running = consume_watched(&world, one_hand, Breakers::default(), None, Some(watch)).await;
    until("the first poll is reported", async || lag_ms(&world).await.is_some()).await;
    HeldUp { world, queue, running, hold }
}

async fn lag_ms(world: &World) -> Option<i64> {
    sqlx::query_scalar("select lag_ms from change_feed_heartbeat").fetch_optional(&world.store).await.unwrap()
}

impl HeldUp {
    async fn let_go(self) {
        let Self { world, queue, running, hold } = self;
        hold.rollback().await.unwrap();
        until_empty(&queue).await;
        until("the queue is drained and says so", async || lag_ms(&world).await == Some(0)).await;
        running.stop().await;
        queue.remove().await;
        world.end().await;
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_message_that_waits_unseen_in_the_queue_makes_the_feed_lag(store: PgPool) {
    let held_up = held_up(store, 2).await;
    assert!(lag_ms(&held_up.world).await > Some(LIMIT_MS), "the one in hand is young, the other may be old");
    held_up.let_go().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_queue_that_polls_find_busy_and_drained_lags_by_what_is_in_hand_alone(store: PgPool) {
    let before = Instant::now();
    let held_up = held_up(store, 1).await;
    let lag_ms = lag_ms(&held_up.world).await.unwrap();
    let in_hand_for = i64::try_from(before.elapsed().as_millis()).unwrap();
    assert!(lag_ms <= in_hand_for, "{lag_ms} ms, and the message is not older than {in_hand_for} ms");
    held_up.let_go().await;
}
