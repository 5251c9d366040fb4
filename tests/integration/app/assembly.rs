//! The application, assembled in this process as `serve` assembles it.

use std::process::ExitCode;

use clap::Parser;
use manage_pom_cases_and_delius::app::{App, ServeSettings};
use sqlx::{ConnectOptions, PgPool};
use tokio_util::sync::CancellationToken;

use crate::{
    helpers::{
        api::until,
        world::{NOMS, World},
    },
    stand_ins::Answer,
};

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: ServeSettings,
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_application_applies_what_is_recorded_and_ends_when_it_is_stopped(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(485_926, "ADA", "BYRON", None, "LEI"));
    world.accept(&world.allocation("m1", "2026-07-01T09:00:00Z", 485_926)).await;
    assert_eq!(world.outcomes(NOMS).await, [""; 0], "nothing applies it yet");

    let (store, delius) = (world.store.connect_options(), world.delius.connect_options());
    let line = CommandLine::parse_from([
        "serve",
        "--roles=relay",
        "--bind=127.0.0.1:0",
        "--shutdown-delay-seconds=0",
        "--database-url",
        store.to_url_lossy().as_str(),
        "--delius-database-url",
        delius.to_url_lossy().as_str(),
    ]);
    let stop = CancellationToken::new();
    let app = App::build(line.settings, stop.clone()).await.unwrap();
    until("the write is applied", || async { world.outcomes(NOMS).await == ["PomAllocated"] }).await;
    stop.cancel();
    let code = app.run_until_stopped().await;
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    world.end().await;
}
