//! The cache when something happens between a read and its storing.

use std::sync::{Arc, atomic::Ordering};

use manage_pom_cases_and_delius::case_records::{FreshnessDemand, Origin, invalidate};
use sqlx::PgPool;

use crate::helpers::{
    api::until,
    scripted::{Replica, Scripted, id, said},
};

#[sqlx::test(migrations = "migrations/store")]
async fn a_record_that_the_store_does_not_keep_is_not_held_in_memory(store: PgPool) {
    sqlx::raw_sql(
        "create function odd() returns trigger language plpgsql as $$ begin raise exception 'odd'; end $$;
         create trigger odd before insert on case_records for each row execute function odd();",
    )
    .execute(&store)
    .await
    .unwrap();
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::trusting(&store, &source).await;
    for _ in 0..2 {
        let read = replica.read("X000001").await;
        assert_eq!(read, ("A1".into(), Some(Origin::Delius)), "no invalidation would reach it");
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_invalidation_by_noms_number_reaches_what_only_memory_holds(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::trusting(&store, &source).await;
    for person in ["X000001", "A0001AA"] {
        replica.read(person).await;
        assert_eq!(replica.read(person).await.1, Some(Origin::Memory));
    }
    sqlx::query("DELETE FROM case_records").execute(&store).await.unwrap();
    source.set("X000001", "A2");
    invalidate(&store, &[id("A0001AA")]).await.unwrap();
    for person in ["A0001AA", "X000001"] {
        until("the new value is served", || async { replica.read(person).await.0 == "A2" }).await;
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_first_read_that_an_invalidation_by_noms_number_overtakes_is_made_again(store: PgPool) {
    for by in ["X000001", "A0001AA"] {
        sqlx::query("DELETE FROM case_records").execute(&store).await.unwrap();
        overtaken(&store, by, "A0001AA", true).await;
        let kept: Vec<String> = sqlx::query_scalar(
            "SELECT facts->'record'->>'currentTier' FROM case_records WHERE facts IS NOT NULL",
        )
        .fetch_all(&store)
        .await
        .unwrap();
        assert_eq!(kept, ["A2"], "{by}");
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_incomplete_read_that_an_invalidation_overtakes_is_made_again(store: PgPool) {
    for invalidated in ["X000001", "A0001AA"] {
        sqlx::query("DELETE FROM case_records").execute(&store).await.unwrap();
        overtaken(&store, "X000001", invalidated, false).await;
    }
}

/// A read by `by` that is blocked while an invalidation arrives, and is then released: it returns the new value.
async fn overtaken(store: &PgPool, by: &'static str, invalidated: &str, complete: bool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    source.complete.store(complete, Ordering::SeqCst);
    let replica = Replica::trusting(store, &source).await;
    source.hold_up();
    let records = Arc::clone(&replica.records);
    let old = tokio::spawn(async move { said(records.read(&id(by), FreshnessDemand::Current).await) });
    until("the old read has begun", || async { source.reads() == 1 }).await;
    source.set("X000001", "A2");
    invalidate(store, &[id(invalidated)]).await.unwrap();
    source.let_go(100);
    assert_eq!(old.await.unwrap().0, "A2", "who waits is not given the old value ({by}, {invalidated})");
    assert_eq!(replica.read(by).await.0, "A2", "{by}, {invalidated}");
}
