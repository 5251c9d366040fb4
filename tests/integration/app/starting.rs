//! What may be away when the service starts, and what may not.

use serde_json::Value;
use sqlx::{ConnectOptions, PgPool};

use super::process::{Process, get};
use crate::helpers::{api::until, severable::Severable, world::World};

async fn component(at: &str, name: &str) -> (u16, String) {
    let (status, health) = get(format!("{at}/health")).await;
    let health: Value = serde_json::from_str(&health).unwrap();
    (status, health["components"][name]["status"].as_str().unwrap_or_default().to_owned())
}

/// Delius behind a connection that the test can sever.
async fn severed_delius(world: &World) -> (Severable, String) {
    let options = (*world.delius.connect_options()).clone();
    let severable = Severable::to(options.get_host(), options.get_port()).await;
    severable.sever();
    let url = options.host("127.0.0.1").port(severable.port()).to_url_lossy().to_string();
    (severable, url)
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_service_starts_while_everybody_else_is_away_and_works_when_they_answer(store: PgPool) {
    let world = World::on(store).await;
    let (delius, url) = severed_delius(&world).await;
    let nobody = "http://127.0.0.1:1";
    let environment = [
        ("DELIUS_DATABASE_URL", url.as_str()),
        ("AWS_ENDPOINT_URL", nobody),
        ("QUEUE_URL", "http://127.0.0.1:1/000000000000/events"),
        ("MPC_URL", nobody),
        ("AUTH_URL", "http://127.0.0.1:1/auth"),
    ];
    let service = Process::start(&world, "api,ingest,relay", &environment);
    let at = service.logged("the API listens on ").await;
    service.logged(" started ").await;
    for name in ["delius", "hmppsAuth", "managePomCases"] {
        assert_eq!(component(&at, name).await, (503, "DOWN".to_owned()), "{name}");
    }
    assert_eq!(get(format!("{at}/health/liveness")).await.0, 200, "nothing is mended by a restart");
    assert_eq!(component(&at, "store").await.1, "UP");

    delius.mend();
    service.logged("Delius answers now").await;
    until("Delius is up", || async { component(&at, "delius").await.1 == "UP" }).await;
    service.stop().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_delius_without_our_audit_user_ends_the_service_even_when_it_answers_late(store: PgPool) {
    let world = World::on(store).await;
    sqlx::raw_sql(
        "alter table user_ disable trigger all; update user_ set distinguished_name = 'Somebody'
                   where distinguished_name = 'ManagePomCasesAndDelius'",
    )
    .execute(&world.delius)
    .await
    .unwrap();
    let at_once = Process::start(&world, "relay", &[]);
    let (status, log) = at_once.ended().await;
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("DELIUS_DATABASE_URL: Delius has no audit user"), "{log}");

    let (delius, url) = severed_delius(&world).await;
    let later = Process::start(&world, "relay", &[("DELIUS_DATABASE_URL", &url)]);
    later.logged(" started ").await;
    delius.mend();
    let (status, log) = later.ended().await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("Delius lacks what is needed"), "{log}");
    world.end().await;
}
