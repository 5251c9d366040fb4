//! The relay when an attempt fails in a way that nobody foresaw: it is counted, seen, and holds up its own case alone.

use std::{sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    case::{CaseCommand, WriteRef},
    delius::Delius,
    outbox::{table, view},
    relay::{Relay, RelayConfig, RelayStep},
};
use serde_json::Value;
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{
    helpers::world::{NOMS, World},
    stand_ins::Answer,
};

const OTHER: &str = "A0002AA";
const FIRST: WriteRef = WriteRef { sequence: 1, ordinal: 0 };

/// One write that is due, of the person whom Delius knows.
async fn with_a_write(store: PgPool) -> World {
    let world = World::on(store).await;
    allocate(&world, NOMS).await;
    world
}

async fn allocate(world: &World, noms: &str) {
    world.mpc.mpc().allocation(noms, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    let message = world.allocation(&format!("m-{noms}"), "2026-07-01T09:00:00Z", 1).to_string();
    let message: Value = serde_json::from_str(&message.replace(NOMS, noms)).unwrap();
    world.accept(&message).await;
}

/// Parks after the third attempt, and pauses for no time.
fn relay(world: &World, delius: Delius) -> Relay {
    let config = RelayConfig { park_after: 3, longest_backoff: Duration::ZERO, ..RelayConfig::of("test") };
    Relay::new(Arc::clone(&world.cases), delius, config)
}

/// Keeps the events of these names out of the store.
async fn refuse_events(store: &PgPool, names: &str) {
    sqlx::raw_sql(&format!(
        "create function odd() returns trigger language plpgsql as $$ begin raise exception 'odd'; end $$;
         create trigger odd before insert on events for each row when (new.event_type in ({names}))
         execute function odd();"
    ))
    .execute(store)
    .await
    .unwrap();
}

async fn steps_until_nothing_is_due(relay: &Relay) -> Vec<RelayStep> {
    let mut steps = vec![];
    while steps.len() < 20 {
        let step = relay.step().await.unwrap();
        if step.is_empty() {
            return steps;
        }
        steps.extend(step);
    }
    panic!("it goes on for ever: {steps:?}");
}

async fn retry(world: &World) {
    let command = CaseCommand::RetryWrite { write: FIRST, by: "operator".into(), why: "mended".into() };
    world.cases.execute(&NOMS.parse().unwrap(), command, Default::default()).await.unwrap();
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_attempt_that_panics_is_counted_and_the_write_is_parked(store: PgPool) {
    let world = with_a_write(store).await;
    let options = (*world.delius.connect_options()).clone();
    let panicking = PgPoolOptions::new().after_connect(|_, _| panic!("BYRON")).connect_lazy_with(options);
    let relay = relay(&world, Delius::new(panicking));
    let steps = steps_until_nothing_is_due(&relay).await;
    assert_eq!(steps, [RelayStep::Deferred, RelayStep::Deferred, RelayStep::Parked]);
    let row = view::list(&world.store, &view::Select { limit: 10, ..view::Select::default() })
        .await
        .unwrap()
        .remove(0);
    assert_eq!(row.state, "parked");
    let error = row.last_error.unwrap();
    assert!(error.contains("panicked") && !error.contains("BYRON"), "{error}");
    assert_eq!(view::attempts(&world.store, row.id).await.unwrap().len(), 3);
    assert_eq!(table::backlog(&world.store).await.unwrap().parked, 1);

    allocate(&world, OTHER).await;
    retry(&world).await;
    world.drain().await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    assert_eq!(world.outcomes(OTHER).await, ["PersonNotFound"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn attempts_that_are_never_heard_of_again_park_the_write(store: PgPool) {
    let world = with_a_write(store).await;
    for attempt in 1..=3 {
        let claims = table::claim(&world.store, "dying", 1, Duration::ZERO).await.unwrap();
        assert_eq!((claims[0].attempt, claims[0].unknown_failures), (attempt, attempt - 1));
    }
    let relay = relay(&world, Delius::new(world.delius.clone()));
    let steps = steps_until_nothing_is_due(&relay).await;
    assert_eq!(steps, [RelayStep::Parked], "a fourth attempt could end the process once more");
    let row = view::list(&world.store, &view::Select { limit: 10, ..view::Select::default() })
        .await
        .unwrap()
        .remove(0);
    let attempts = view::attempts(&world.store, row.id).await.unwrap();
    let lost = attempts.iter().filter(|it| it.worker == "dying" && it.error.contains("without a result"));
    assert_eq!(lost.count(), 3);
    assert!(world.poms(NOMS).await.is_empty());

    retry(&world).await;
    world.drain().await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_outcome_that_cannot_be_recorded_parks_the_write_and_is_found_after_a_retry(store: PgPool) {
    let world = with_a_write(store).await;
    refuse_events(&world.store, "'DeliusUpdated'").await;
    let steps = steps_until_nothing_is_due(&relay(&world, Delius::new(world.delius.clone()))).await;
    assert_eq!(steps, [RelayStep::Deferred, RelayStep::Deferred, RelayStep::Parked]);
    assert_eq!(world.events(NOMS).await, ["PomAllocated", "DeliusWriteParked"]);

    sqlx::raw_sql("drop trigger odd on events").execute(&world.store).await.unwrap();
    retry(&world).await;
    world.drain().await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    assert_eq!(world.count_in_delius("select count(*) from contact").await, 1, "it was written once");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_write_that_cannot_even_be_parked_is_counted_as_stuck(store: PgPool) {
    let world = with_a_write(store).await;
    refuse_events(&world.store, "'DeliusUpdated', 'DeliusWriteParked'").await;
    let relay = relay(&world, Delius::new(world.delius.clone()));
    for _ in 0..table::PARK_AFTER {
        assert_eq!(relay.step().await.unwrap(), [RelayStep::Deferred]);
    }
    assert_eq!(table::backlog(&world.store).await.unwrap().stuck, 1);
    let row = view::list(&world.store, &view::Select { limit: 10, ..view::Select::default() })
        .await
        .unwrap()
        .remove(0);
    assert!(row.last_error.unwrap().contains("cannot be parked"));

    sqlx::raw_sql("drop trigger odd on events").execute(&world.store).await.unwrap();
    assert_eq!(relay.step().await.unwrap(), [RelayStep::Parked]);
    let backlog = table::backlog(&world.store).await.unwrap();
    assert_eq!((backlog.parked, backlog.stuck), (1, 0));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_write_that_this_version_cannot_read_is_left_to_another_and_says_so(store: PgPool) {
    let world = with_a_write(store).await;
    let due = "update outbox set available_at = now(), intent = jsonb_set(intent, '{kind}', $1)";
    let become_of_kind = async |kind: &str| {
        sqlx::query(due).bind(Value::from(kind)).execute(&world.store).await.unwrap();
    };
    for _ in 0..5 {
        become_of_kind("ofANewerVersion").await;
        assert!(table::claim(&world.store, "old", 1, Duration::ZERO).await.unwrap().is_empty());
    }
    let row = view::list(&world.store, &view::Select { limit: 10, ..view::Select::default() })
        .await
        .unwrap()
        .remove(0);
    assert!(row.last_error.unwrap().contains("cannot read"));
    become_of_kind("allocatePom").await;
    let steps = steps_until_nothing_is_due(&relay(&world, Delius::new(world.delius.clone()))).await;
    assert!(matches!(steps[..], [RelayStep::Settled(_)]), "nobody's attempts were used up: {steps:?}");
    world.end().await;
}
