//! Connections that are kept from one piece of work to the next.

use std::time::Duration;

use manage_pom_cases_and_delius::database::{self, HeldConnection, KeptConnections};
use sqlx::PgPool;

async fn few(pool: &PgPool, connections: u32) -> PgPool {
    let few = database::pool(connections).acquire_timeout(Duration::from_secs(5));
    few.connect_with((*pool.connect_options()).clone()).await.unwrap()
}

async fn server_process(held: &mut HeldConnection) -> i32 {
    let process = sqlx::query_scalar("select pg_backend_pid()").fetch_one(held.asked()).await.unwrap();
    held.answered();
    process
}

#[sqlx::test(migrations = false)]
async fn a_connection_that_answered_everything_is_the_next_ones(pool: PgPool) {
    let few = few(&pool, 2).await;
    let kept = KeptConnections::of(few.clone());
    let mut held = kept.take().await.unwrap();
    let process = server_process(&mut held).await;
    drop(held);
    assert_eq!(few.num_idle(), 0, "it is not with the pool");
    let mut next = kept.take().await.unwrap();
    assert_eq!(server_process(&mut next).await, process);
    drop(next);
    // Nobody needs it any more. A pool that is closed waits for all of its connections.
    tokio::time::timeout(Duration::from_secs(30), few.close()).await.expect("it went back to the pool");
}

#[sqlx::test(migrations = false)]
async fn a_connection_that_owes_an_answer_is_nobodys(pool: PgPool) {
    let few = few(&pool, 2).await;
    let kept = KeptConnections::of(few.clone());
    let mut held = kept.take().await.unwrap();
    let process = server_process(&mut held).await;
    let unanswered = sqlx::query("select pg_sleep(10)").execute(held.asked());
    assert!(tokio::time::timeout(Duration::from_millis(100), unanswered).await.is_err());
    drop(held);
    let mut next = kept.take().await.unwrap();
    assert_ne!(server_process(&mut next).await, process);
}

#[sqlx::test(migrations = false)]
async fn whoever_waits_gets_a_turn_while_others_work_without_a_break(pool: PgPool) {
    let few = few(&pool, 2).await;
    let kept = KeptConnections::of(few.clone());
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let kept = kept.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    let mut held = kept.take().await?;
                    sqlx::query("select 1").execute(held.asked()).await?;
                    held.answered();
                }
                Ok::<_, sqlx::Error>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap().expect("a connection in time");
    }
    few.close().await;
}

#[sqlx::test(migrations = false)]
async fn nothing_of_a_small_pool_is_kept_from_those_who_share_it(pool: PgPool) {
    let few = few(&pool, 1).await;
    let kept = KeptConnections::sharing(few.clone(), 1);
    let mut held = kept.take().await.unwrap();
    server_process(&mut held).await;
    drop(held);
    sqlx::query("select 1").execute(&few).await.expect("the only connection");
    few.close().await;
}
