//! The relay: in order within a case, once whatever happens in between.

use std::{sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    case::CaseCommand,
    delius::Delius,
    event_store::ExecuteError,
    outbox::table,
    relay::{Relay, RelayConfig, RelayStep},
};
use sqlx::PgPool;

use crate::{
    helpers::world::{NOMS, World},
    stand_ins::Answer,
};

const MORNING: &str = "2026-07-01T09:00:00Z";

async fn with_two_writes(store: PgPool) -> World {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    world.accept(&world.allocation("m1", MORNING, 1)).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
    world.accept(&world.allocation("m2", "2026-07-02T09:00:00Z", 2)).await;
    world
}

#[sqlx::test(migrations = "migrations/store")]
async fn only_the_lowest_unfinished_write_of_a_case_is_claimed(store: PgPool) {
    let world = with_two_writes(store).await;
    let lease = Duration::from_secs(60);
    let claims = table::claim(&world.store, "one", 10, lease).await.unwrap();
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].reference.sequence, 1);
    assert!(table::claim(&world.store, "two", 10, lease).await.unwrap().is_empty(), "its lease is running");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_crash_after_the_delius_commit_is_found_by_the_ledger(store: PgPool) {
    let world = with_two_writes(store).await;
    // A worker claims, Delius commits, and the worker is gone before it records the outcome.
    let claims = table::claim(&world.store, "gone", 1, Duration::ZERO).await.unwrap();
    let delius = Delius::new(world.delius.clone());
    let first = delius.apply(&claims[0].write).await.unwrap();

    let steps = world.drain().await;
    assert_eq!(steps[0], RelayStep::Settled(first), "the next attempt answers the same outcome");
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated", "PomAllocated"]);
    assert_eq!(world.poms(NOMS).await.len(), 2);
    let contacts = "select count(*) from contact";
    assert_eq!(world.count_in_delius(contacts).await, 2, "one a write");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_worker_that_lost_its_lease_changes_nothing(store: PgPool) {
    let world = with_two_writes(store).await;
    let stale = table::claim(&world.store, "paused", 1, Duration::ZERO).await.unwrap().remove(0);
    let current = table::claim(&world.store, "other", 1, Duration::from_secs(60)).await.unwrap().remove(0);
    assert_eq!(current.attempt, stale.attempt + 1);
    assert!(!table::renew(&world.store, &stale, Duration::from_secs(60)).await.unwrap());
    assert!(!table::defer(&world.store, &stale, "paused", "late", true, Duration::ZERO).await.unwrap());
    assert!(table::renew(&world.store, &current, Duration::ZERO).await.unwrap());
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_worker_that_lost_its_lease_records_no_outcome(store: PgPool) {
    let world = with_two_writes(store).await;
    let stale = table::claim(&world.store, "paused", 1, Duration::ZERO).await.unwrap().remove(0);
    let current = table::claim(&world.store, "other", 1, Duration::from_secs(60)).await.unwrap().remove(0);
    let outcome = Delius::new(world.delius.clone()).apply(&stale.write).await.unwrap();
    let record = |attempt: u32| CaseCommand::RecordOutcome {
        write: stale.reference,
        intent: stale.write.write.clone(),
        attempt,
        outcome: outcome.clone(),
    };
    let noms = NOMS.parse().unwrap();
    let late = world.cases.execute(&noms, record(stale.attempt), Default::default()).await;
    assert!(matches!(late, Err(ExecuteError::LeaseLost)), "{late:?}");
    assert_eq!(world.events(NOMS).await, ["PomAllocated", "PomAllocated"]);
    world.cases.execute(&noms, record(current.attempt), Default::default()).await.unwrap();
    assert_eq!(world.events(NOMS).await, ["PomAllocated", "PomAllocated", "DeliusUpdated"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn two_relays_apply_every_write_once(store: PgPool) {
    let world = with_two_writes(store).await;
    let delius = Delius::new(world.delius.clone());
    let relay = |name: &str| Relay::new(Arc::clone(&world.cases), delius.clone(), RelayConfig::of(name));
    let (one, two) = (relay("one"), relay("two"));
    while table::backlog(&world.store).await.unwrap().pending > 0 {
        let (first, second) = tokio::join!(one.step(), two.step());
        first.unwrap();
        second.unwrap();
    }
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated", "PomAllocated"]);
    assert_eq!(world.count_in_delius("select count(*) from contact").await, 2);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_write_that_fails_for_an_unknown_reason_is_parked_and_blocks_its_case_alone(store: PgPool) {
    let world = with_two_writes(store).await;
    // Something nobody foresaw: the table refuses every insert.
    sqlx::raw_sql(
        "create function odd() returns trigger language plpgsql as $$ begin raise exception 'odd'; end $$;
         create trigger odd before insert on prison_offender_manager for each row execute function odd();",
    )
    .execute(&world.delius)
    .await
    .unwrap();
    let delius = Delius::new(world.delius.clone());
    let impatient = RelayConfig { park_after: 3, longest_backoff: Duration::ZERO, ..RelayConfig::of("test") };
    let relay = Relay::new(Arc::clone(&world.cases), delius, impatient);
    let mut steps = vec![];
    while steps.last() != Some(&RelayStep::Parked) {
        steps.extend(relay.step().await.unwrap());
    }
    assert_eq!(steps, [RelayStep::Deferred, RelayStep::Deferred, RelayStep::Parked]);
    assert!(
        relay.step().await.unwrap().is_empty(),
        "the second write of the case waits behind the parked one"
    );
    assert_eq!(world.events(NOMS).await.last(), Some(&"DeliusWriteParked"));

    sqlx::raw_sql("drop trigger odd on prison_offender_manager").execute(&world.delius).await.unwrap();
    let command = CaseCommand::RetryWrite {
        write: manage_pom_cases_and_delius::case::WriteRef { sequence: 1, ordinal: 0 },
        by: "operator".into(),
        why: "the trigger is gone".into(),
    };
    world.cases.execute(&NOMS.parse().unwrap(), command, Default::default()).await.unwrap();
    world.drain().await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated", "PomAllocated"]);
    world.end().await;
}
