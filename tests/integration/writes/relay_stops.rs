//! The relay at shutdown, and when Delius is down.

use std::{sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    breakers::{BreakerConfig, Breakers, DELIUS},
    database,
    delius::{Delius, Limits},
    outbox::table,
    relay::{Relay, RelayConfig},
};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    helpers::world::{NOMS, World},
    messages::sqs::until,
    stand_ins::Answer,
};

/// Due writes of this many cases.
async fn with_writes(store: PgPool, cases: usize) -> World {
    let world = World::on(store).await;
    for number in 0..cases {
        let noms = if number == 0 { NOMS.to_owned() } else { format!("A{number:04}AA") };
        world.mpc.mpc().allocation(&noms, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
        let message = world.allocation(&format!("m{number}"), "2026-07-01T09:00:00Z", 1).to_string();
        let message: Value = serde_json::from_str(&message.replace(NOMS, &noms)).unwrap();
        world.accept(&message).await;
    }
    world
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_stop_gives_unfinished_writes_back_at_once(store: PgPool) {
    let world = with_writes(store, 1).await;
    // Another transaction holds the person's row, so that the write cannot finish.
    let mut holder = world.delius.begin().await.unwrap();
    sqlx::query("select from offender for update").execute(&mut *holder).await.unwrap();
    let hour = Duration::from_secs(3600);
    let config = RelayConfig { drain: Duration::ZERO, lease: hour, ..RelayConfig::of("stopping") };
    let relay = Relay::new(Arc::clone(&world.cases), Delius::new(world.delius.clone()), config);
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay.run(stop.clone()));
    until("it is claimed", async || world.count("select count(*) from outbox where attempt = 1").await == 1)
        .await;
    stop.cancel();
    running.await.unwrap();
    let claims = table::claim(&world.store, "next", 1, hour).await.unwrap();
    assert_eq!(claims.len(), 1, "nobody has to wait for the lease of an hour");
    holder.rollback().await.unwrap();
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn while_delius_is_down_attempts_are_not_used_up(store: PgPool) {
    let world = with_writes(store, 6).await;
    // A port on which nothing listens any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = (*world.delius.connect_options()).clone().port(port);
    let nowhere = database::pool(1).acquire_timeout(Duration::from_millis(200)).connect_lazy_with(options);
    let day = Duration::from_secs(86_400);
    let breakers = BreakerConfig { threshold: 2, first_pause: day, longest_pause: day };
    let breakers = Arc::new(Breakers::new(breakers));
    let config = RelayConfig { concurrency: 2, poll: Duration::from_millis(5), ..RelayConfig::of("waiting") };
    let relay = Relay::new(Arc::clone(&world.cases), Delius::new(nowhere), config);
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay.with_breakers(Arc::clone(&breakers)).run(stop.clone()));
    until("the breaker opens", async || breakers.open() == [DELIUS]).await;
    stop.cancel();
    running.await.unwrap();
    let attempts = world.count("select sum(attempt) from outbox").await;
    assert!((2..=4).contains(&attempts), "{attempts} attempts of six writes");
    // It is back: the waiting writes are applied.
    world
        .count("with due as (update outbox set available_at = now() returning 1) select count(*) from due")
        .await;
    let delius = Delius::new(world.delius.clone());
    let relay = Relay::new(Arc::clone(&world.cases), delius, RelayConfig::of("after"));
    while table::backlog(&world.store).await.unwrap().pending > 0 {
        relay.step().await.unwrap();
    }
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_claim_that_waits_behind_another_keeps_its_lease(store: PgPool) {
    let world = with_writes(store, 2).await;
    sqlx::query("insert into offender (crn, noms_number) values ('X000002', 'A0001AA')")
        .execute(&world.delius)
        .await
        .unwrap();
    // The first one cannot finish, and the other waits behind it.
    let mut holder = world.delius.begin().await.unwrap();
    sqlx::query("select from offender for update").execute(&mut *holder).await.unwrap();
    let config = RelayConfig { lease: Duration::from_secs(2), ..RelayConfig::of("one by one") };
    let patient = Duration::from_secs(120);
    let patient = Limits { lock: patient, statement: patient, write: patient };
    let delius = Delius::new(world.delius.clone()).with_limits(patient);
    let relay = Relay::new(Arc::clone(&world.cases), delius, config);
    let step = tokio::spawn(async move { relay.step().await });
    let leases =
        "select string_agg(extract(epoch from lease_until)::text, ' ' order by case_id desc) from outbox";
    let leases = async || -> Vec<f64> {
        let all: Option<String> = sqlx::query_scalar(leases).fetch_one(&world.store).await.unwrap();
        all.unwrap_or_default().split_whitespace().map(|end| end.parse().unwrap()).collect()
    };
    until("both are claimed", async || leases().await.len() == 2).await;
    let first = leases().await;
    until("both leases are renewed", async || {
        let now = leases().await;
        now.len() == 2 && now.iter().zip(&first).all(|(now, first)| now > first)
    })
    .await;
    holder.rollback().await.unwrap();
    assert_eq!(step.await.unwrap().unwrap().len(), 2);
    world.end().await;
}
