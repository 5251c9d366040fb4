//! A cancelled transaction must not lose what is written afterwards.

use std::{future::poll_fn, task::Poll};

use manage_pom_cases_and_delius::database;
use sqlx::{PgPool, postgres::PgPoolOptions};

/// Polls this many times, then drops the future. What was sent until then has been sent.
async fn given_up_after<F: Future>(polls: usize, future: F) {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        let done = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
        if done {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[sqlx::test(migrations = false)]
async fn what_is_written_after_a_beginning_was_given_up_is_there(pool: PgPool) {
    sqlx::query("create table kept (number bigint)").execute(&pool).await.unwrap();
    // One connection, so that the next write uses the same one.
    let one = PgPoolOptions::new().max_connections(1);
    let one = one.connect_with((*pool.connect_options()).clone()).await.unwrap();
    for polls in 0..60 {
        given_up_after(polls, database::begin(&one)).await;
        sqlx::query("insert into kept values ($1)").bind(polls as i64).execute(&one).await.unwrap();
        let kept: i64 = sqlx::query_scalar("select count(*) from kept").fetch_one(&pool).await.unwrap();
        assert_eq!(
            kept,
            polls as i64 + 1,
            "the write after the beginning given up after {polls} polls is not there"
        );
    }
    one.close().await;
}
