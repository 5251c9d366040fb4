//! How far the journal lags, and whether an answer about the past is final, as the role that the service connects as
//! sees it: it does not own the tables, and transactions of other roles hold the journal back too.

use chrono::{DateTime, TimeDelta, Utc};
use manage_pom_cases_and_delius::audit::{
    history::{self, Question},
    journal::Journal,
    replay,
};
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};

use crate::helpers::audit::{allocated, append, check, enter, noms};

/// A pool whose connections run the statements first.
async fn pool_that(pool: &PgPool, first: String) -> PgPool {
    let options = PgPoolOptions::new().max_connections(2).after_connect(move |connection, _| {
        let first = first.clone();
        Box::pin(async move { sqlx::query(&first).execute(connection).await.map(|_| ()) })
    });
    options.connect_with((*pool.connect_options()).clone()).await.unwrap()
}

/// The role of a service in this database, and a pool of it.
async fn service(pool: &PgPool) -> (String, PgPool) {
    let role: String =
        sqlx::query_scalar("select 'lag_of_' || current_database()").fetch_one(pool).await.unwrap();
    let make = format!("create role \"{role}\"; select allow_service('{role}')");
    sqlx::raw_sql(&make).execute(pool).await.unwrap();
    let service = pool_that(pool, format!("set role \"{role}\"")).await;
    (role, service)
}

async fn drop_role(pool: &PgPool, role: &str) {
    let drop = format!("drop owned by \"{role}\"; drop role \"{role}\"");
    sqlx::raw_sql(&drop).execute(pool).await.unwrap();
}

async fn started(connection: &mut PgConnection) -> DateTime<Utc> {
    sqlx::query("select pg_current_xact_id()").execute(&mut *connection).await.unwrap();
    sqlx::query_scalar("select now()").fetch_one(connection).await.unwrap()
}

async fn is_provisional(pool: &PgPool, known_at: DateTime<Utc>) -> bool {
    let file = history::load(pool, &noms("A1234BC")).await.unwrap().unwrap();
    history::build(&file, &Question { known_at: Some(known_at), ..Question::default() }).provisional
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_role_of_the_service_sees_since_when_another_role_holds_the_journal(pool: PgPool) {
    append(&pool, &noms("A1234BC"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    let (role, service) = service(&pool).await;
    let mut foreign = pool.begin().await.unwrap();
    let since = started(&mut foreign).await;
    let lag = Journal::new(service.clone()).lag().await.unwrap();
    assert!(lag.horizon_since.is_some_and(|horizon| horizon <= since), "{lag:?}");
    assert!(is_provisional(&service, since).await);
    assert!(!is_provisional(&service, since - TimeDelta::seconds(1)).await);
    foreign.rollback().await.unwrap();
    enter(&service, &Journal::new(service.clone()), 1).await;
    assert_eq!(check(&service).await.unwrap().events, 1);
    assert!(replay::one(&service, &noms("A1234BC")).await.unwrap().unwrap().is_ok());
    service.close().await;
    drop_role(&pool, &role).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn without_the_right_to_see_it_the_lag_is_unknown_and_no_answer_is_final(pool: PgPool) {
    append(&pool, &noms("A1234BC"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    let (role, service) = service(&pool).await;
    let revoke = format!("revoke pg_read_all_stats from \"{role}\"");
    sqlx::raw_sql(&revoke).execute(&pool).await.unwrap();
    let mut foreign = pool.begin().await.unwrap();
    let since = started(&mut foreign).await;
    assert!(Journal::new(service.clone()).lag().await.unwrap().unknown);
    assert!(is_provisional(&service, since - TimeDelta::seconds(1)).await);
    foreign.rollback().await.unwrap();
    assert!(!is_provisional(&service, since).await);
    service.close().await;
    drop_role(&pool, &role).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_prepared_transaction_holds_the_journal_like_any_other(pool: PgPool) {
    append(&pool, &noms("A1234BC"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    // The server of the tests need not allow prepared transactions: a view stands in for the one that lists them.
    let stand_in = "create schema stand_in; create view stand_in.pg_prepared_xacts as
        select current_database()::name as database, '2026-07-02T00:00:00Z'::timestamptz as prepared";
    sqlx::raw_sql(stand_in).execute(&pool).await.unwrap();
    let seeing = pool_that(&pool, "set search_path = stand_in, public, pg_catalog".to_owned()).await;
    let prepared: DateTime<Utc> = "2026-07-02T00:00:00Z".parse().unwrap();
    assert_eq!(Journal::new(seeing.clone()).lag().await.unwrap().horizon_since, Some(prepared));
    assert!(is_provisional(&seeing, prepared).await);
    assert!(!is_provisional(&seeing, prepared - TimeDelta::seconds(1)).await);
}
