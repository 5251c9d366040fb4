//! A pooled connection that answers, but only with errors of its own, is replaced after the first of them.

use manage_pom_cases_and_delius::database::{self, FailureKind, failure_kind, in_time};
use sqlx::{Executor, PgPool};

/// One warm connection, with the hooks of the service's pools.
async fn one_connection(pool: &PgPool) -> PgPool {
    database::pool(1).connect_with((*pool.connect_options()).clone()).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_connection_that_stayed_read_only_after_a_fail_over_is_replaced_after_one_error(pool: PgPool) {
    pool.execute("create table kept (number bigint)").await.unwrap();
    let one = one_connection(&pool).await;
    one.execute("set session characteristics as transaction read only").await.unwrap();
    let write = || sqlx::query("insert into kept values (1)").execute(&one);
    let refused = in_time(write()).await.unwrap_err();
    assert_eq!(failure_kind(&refused), FailureKind::Outage);
    in_time(write()).await.expect("another connection writes");
}

#[sqlx::test(migrations = false)]
async fn a_connection_whose_cached_plans_are_refused_is_replaced_after_one_error(pool: PgPool) {
    pool.execute("create table staff (surname varchar(35))").await.unwrap();
    let one = one_connection(&pool).await;
    let read = || sqlx::query_as::<_, (String,)>("select * from staff").fetch_all(&one);
    in_time(read()).await.unwrap();
    pool.execute("alter table staff alter column surname type varchar(60)").await.unwrap();
    let refused = in_time(read()).await.unwrap_err();
    assert_eq!(failure_kind(&refused), FailureKind::StaleConnection);
    in_time(read()).await.expect("another connection plans anew");
}

#[sqlx::test(migrations = false)]
async fn an_error_of_a_statement_leaves_its_connection_in_the_pool(pool: PgPool) {
    let one = one_connection(&pool).await;
    let backend = || sqlx::query_scalar::<_, i32>("select pg_backend_pid()").fetch_one(&one);
    let before = backend().await.unwrap();
    in_time(sqlx::query("select 1 / 0").execute(&one)).await.unwrap_err();
    assert_eq!(backend().await.unwrap(), before);
}
