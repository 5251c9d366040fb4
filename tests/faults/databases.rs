//! PostgreSQL crashes and sessions are terminated during a stream. The service recovers without a restart.

use crate::{
    cluster::Cluster,
    ground::{Ground, until},
    invariants,
    service::Service,
    stream::Stream,
};

/// A running service that knows all staff codes.
pub(crate) async fn begun(ground: &Ground, seed: u64, cases: usize) -> (Stream, Service) {
    let mut stream = Stream::new(seed, cases);
    let service = Service::start(ground, &[]).await;
    ground.queue.send(&stream.teach(ground)).await;
    invariants::drained(ground, &stream).await;
    (stream, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_are_terminated_again_and_again_and_the_service_goes_on() {
    let ground = Ground::lay(4).await;
    let (mut stream, mut service) = begun(&ground, 11, 4).await;
    for _ in 0..5 {
        let before = ground.count("select count(*) from message_receipts").await;
        ground.queue.send(&stream.next(&ground, 8)).await;
        until("work has begun", async || {
            ground.count("select count(*) from message_receipts").await > before
        })
        .await;
        for pool in [&ground.store, &ground.delius] {
            // Only sessions of the service; the pools of the test have another application name.
            sqlx::query(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and application_name = 'manage-pom-cases-and-delius'",
            )
            .execute(pool)
            .await
            .unwrap();
        }
    }
    invariants::hold(&ground, &stream).await;
    assert!(service.is_running(), "healed without a restart");
    service.stop().await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn postgresql_crashes_and_starts_in_the_middle_of_a_stream() {
    let cluster = Cluster::make();
    let ground = Ground::on(&cluster.url(), 4).await;
    let (mut stream, mut service) = begun(&ground, 12, 4).await;
    for _ in 0..4 {
        let before = ground.count("select count(*) from message_receipts").await;
        ground.queue.send(&stream.next(&ground, 10)).await;
        until("work has begun", async || {
            ground.count("select count(*) from message_receipts").await > before
        })
        .await;
        cluster.crash();
        ground.queue.send(&stream.next(&ground, 5)).await;
        until("it is noticed", async || service.log().contains("is unavailable")).await;
        cluster.start();
        until("the test is connected again", async || {
            sqlx::query("select 1").execute(&ground.store).await.is_ok()
        })
        .await;
        until("the test is connected again", async || {
            sqlx::query("select 1").execute(&ground.delius).await.is_ok()
        })
        .await;
    }
    invariants::hold(&ground, &stream).await;
    assert!(service.is_running(), "healed without a restart");
    service.stop().await;
    ground.end().await;
}
