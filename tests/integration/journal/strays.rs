//! What lies beside the tree is found as well: events that were never entered, gaps in the stream of
//! a case, receipts without their events, and entries of the journal that were changed.

use manage_pom_cases_and_delius::audit::{
    journal::{Journal, verify::FindingKind},
    replay::{self, Unlike},
};
use sqlx::PgPool;

use crate::helpers::audit::{allocated, append, check, enter, noms, tamper, three_cases};

async fn found(pool: &PgPool) -> (i64, Option<(String, i64)>, FindingKind) {
    let finding = check(pool).await.unwrap_err();
    (finding.position, finding.event, finding.kind)
}

fn event(case: &str, sequence: i64) -> Option<(String, i64)> {
    Some((case.to_owned(), sequence))
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_event_ahead_of_every_transaction_is_named_after_the_end(pool: PgPool) {
    three_cases(&pool).await;
    let journal = Journal::new(pool.clone());
    enter(&pool, &journal, 12).await;
    tamper(
        &pool,
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, xid)
         select aggregate_type, aggregate_id, 5, event_type, event_version, payload, metadata, '9000000000000000'
         from events where aggregate_id = 'B2222BB' and sequence = 4",
    )
    .await;
    assert_eq!(journal.catch_up().await.unwrap(), 0);
    assert_eq!(found(&pool).await, (25, event("B2222BB", 5), FindingKind::Ahead { source: "event" }));
    assert!(replay::all(&pool, |_, _| {}).await.unwrap().is_err());
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_event_deleted_before_it_was_entered_leaves_a_gap_or_its_receipt(pool: PgPool) {
    three_cases(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 12).await;
    let mut horizon = pool.begin().await.unwrap();
    sqlx::query("select pg_current_xact_id()").execute(&mut *horizon).await.unwrap();
    for (round, at) in [(4, "2026-07-05T09:00:00Z"), (5, "2026-07-06T09:00:00Z")] {
        let late = allocated(&format!("late-{round}"), at, 200);
        append(&pool, &noms("A1111AA"), round, &[late]).await;
    }
    assert_eq!(Journal::new(pool.clone()).catch_up().await.unwrap(), 0);
    assert_eq!(check(&pool).await.unwrap().waiting, 4);
    tamper(&pool, "delete from events where aggregate_id = 'A1111AA' and sequence = 5").await;
    assert_eq!(found(&pool).await, (25, event("A1111AA", 5), FindingKind::Missing { source: "event" }));
    assert!(matches!(replay::all(&pool, |_, _| {}).await.unwrap(), Err(Unlike::Tampered(_))));
    tamper(&pool, "delete from events where aggregate_id = 'A1111AA' and sequence = 6").await;
    let lost = FindingKind::Lost { case: "A1111AA".to_owned(), message: "late-4".to_owned() };
    assert_eq!(found(&pool).await, (25, None, lost));
    tamper(&pool, "delete from message_receipts where message_id like 'late-%'").await;
    assert_eq!(check(&pool).await.unwrap().events, 12);
    horizon.rollback().await.unwrap();
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_edited_leaf_is_named_and_not_taken_for_an_edited_event(pool: PgPool) {
    three_cases(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 12).await;
    tamper(&pool, "update journal set leaf = sha256('other') where case_id = 'C3333CC' and sequence = 2")
        .await;
    assert_eq!(found(&pool).await, (11, event("C3333CC", 2), FindingKind::EntryEdited));
}

#[sqlx::test(migrations = "migrations/store")]
async fn after_a_restore_into_a_cluster_that_is_a_little_behind_nothing_is_lost(pool: PgPool) {
    let journal = Journal::new(pool.clone());
    append(&pool, &noms("A1111AA"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    append(&pool, &noms("B2222BB"), 0, &[allocated("m2", "2026-07-01T09:00:00Z", 1)]).await;
    tamper(
        &pool,
        "create table behind as select xid from events where aggregate_id = 'A1111AA';
         delete from events where aggregate_id = 'A1111AA';
         delete from message_receipts where case_id = 'A1111AA'",
    )
    .await;
    enter(&pool, &journal, 1).await;
    // The entry is from another cluster; here a lower number was given to a later event, and by now this cluster's
    // numbers are beyond both.
    tamper(&pool, "update journal set cluster = 1").await;
    append(&pool, &noms("C3333CC"), 0, &[allocated("m3", "2026-07-01T09:00:00Z", 1)]).await;
    tamper(&pool, "update events set xid = behind.xid from behind where aggregate_id = 'C3333CC'").await;
    enter(&pool, &journal, 2).await;
    append(&pool, &noms("D4444DD"), 0, &[allocated("m4", "2026-07-01T09:00:00Z", 1)]).await;
    enter(&pool, &journal, 3).await;
    let intact = check(&pool).await.unwrap();
    assert_eq!((intact.events, intact.waiting), (3, 0));
    let clusters: Vec<bool> = sqlx::query_scalar(
        "select cluster = (select system_identifier from pg_control_system()) from journal where source = 'event' order by position",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(clusters, [false, true, true]);
}
