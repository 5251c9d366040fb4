//! The journal takes every committed event once, in one order, whatever transactions do.

use manage_pom_cases_and_delius::audit::journal::{Journal, JournalStep, LEADER, publish::Publisher};
use sqlx::{PgConnection, PgPool};

use crate::helpers::audit::{allocated, append, check, enter, noms, tamper, three_cases};

/// Inserts an event in a transaction of the test's own.
async fn insert(connection: &mut PgConnection, case: &str, sequence: i64) {
    sqlx::query(
        "insert into events
             (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('case', $1, $2, 'PomDeallocated', '1.0.0', '{}', '{}')",
    )
    .bind(case)
    .bind(sequence)
    .execute(connection)
    .await
    .unwrap();
}

/// The cases of the events in the order of the journal.
async fn order(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select case_id from journal where source = 'event' order by position")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_older_transaction_that_is_open_hides_newer_commits_and_loses_none(pool: PgPool) {
    let journal = Journal::new(pool.clone());
    let mut older = pool.begin().await.unwrap();
    insert(&mut older, "A1111AA", 1).await;
    append(&pool, &noms("B2222BB"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    assert_eq!(journal.step().await.unwrap(), JournalStep::UpToDate);
    older.commit().await.unwrap();
    enter(&pool, &journal, 2).await;
    assert_eq!(order(&pool).await, ["A1111AA", "B2222BB"]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_transaction_that_starts_first_and_inserts_last_is_not_skipped(pool: PgPool) {
    let journal = Journal::new(pool.clone());
    let mut slow = pool.begin().await.unwrap();
    sqlx::query("select pg_current_xact_id()").execute(&mut *slow).await.unwrap();
    append(&pool, &noms("B2222BB"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    assert_eq!(journal.step().await.unwrap(), JournalStep::UpToDate);
    insert(&mut slow, "A1111AA", 1).await;
    slow.commit().await.unwrap();
    append(&pool, &noms("C3333CC"), 0, &[allocated("m2", "2026-07-01T09:00:00Z", 1)]).await;
    enter(&pool, &journal, 3).await;
    assert_eq!(order(&pool).await, ["A1111AA", "B2222BB", "C3333CC"]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_rolled_back_transaction_leaves_no_hole(pool: PgPool) {
    let journal = Journal::new(pool.clone());
    append(&pool, &noms("A1111AA"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    let mut given_up = pool.begin().await.unwrap();
    insert(&mut given_up, "B2222BB", 1).await;
    given_up.rollback().await.unwrap();
    append(&pool, &noms("C3333CC"), 0, &[allocated("m2", "2026-07-01T09:00:00Z", 1)]).await;
    enter(&pool, &journal, 2).await;
    assert_eq!(order(&pool).await, ["A1111AA", "C3333CC"]);
    assert_eq!(check(&pool).await.unwrap().events, 2);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_leader_killed_in_the_middle_of_a_batch_leaves_nothing_behind(pool: PgPool) {
    three_cases(&pool).await;
    let journal = Journal::new(pool.clone());
    let mut leader = pool.begin().await.unwrap();
    let leads: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)")
        .bind(LEADER)
        .fetch_one(&mut *leader)
        .await
        .unwrap();
    assert!(leads);
    sqlx::query(
        "insert into journal (position, source, source_id, xid, case_id, sequence, leaf)
         select 1, 'event', id, xid, aggregate_id, sequence, sha256('half') from events order by xid, id limit 1",
    )
    .execute(&mut *leader)
    .await
    .unwrap();
    assert_eq!(journal.step().await.unwrap(), JournalStep::NotLeader);

    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *leader).await.unwrap();
    sqlx::query("select pg_terminate_backend($1, 10000)").bind(backend).execute(&pool).await.unwrap();
    enter(&pool, &journal, 12).await;
    assert_eq!(check(&pool).await.unwrap().events, 12);
}

#[sqlx::test(migrations = "migrations/store")]
async fn replicas_that_race_enter_every_event_once(pool: PgPool) {
    let appending = tokio::spawn({
        let pool = pool.clone();
        async move { three_cases(&pool).await }
    });
    let racing: Vec<_> = (0..4)
        .map(|_| {
            let (journal, pool) = (Journal::new(pool.clone()).with_batch(2), pool.clone());
            tokio::spawn(async move { enter(&pool, &journal, 12).await })
        })
        .collect();
    appending.await.unwrap();
    for replica in racing {
        replica.await.unwrap();
    }
    let intact = check(&pool).await.unwrap();
    assert_eq!((intact.events, intact.waiting), (12, 0));
}

#[sqlx::test(migrations = "migrations/store")]
async fn after_a_restore_into_a_younger_cluster_nothing_is_lost(pool: PgPool) {
    let journal = Journal::new(pool.clone());
    // As in a dump from a cluster whose transaction numbers were far higher: one event entered, one not yet.
    append(&pool, &noms("A1111AA"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    let older = |case: &str, xid: &str| {
        format!(
            "update events set xid = '{xid}' where aggregate_id = '{case}';
             update message_receipts set xid = '{xid}' where case_id = '{case}'"
        )
    };
    tamper(&pool, &older("A1111AA", "900000000000")).await;
    enter(&pool, &journal, 1).await;
    append(&pool, &noms("B2222BB"), 0, &[allocated("m2", "2026-07-01T09:00:00Z", 1)]).await;
    tamper(&pool, &older("B2222BB", "900000000001")).await;
    append(&pool, &noms("C3333CC"), 0, &[allocated("m3", "2026-07-01T09:00:00Z", 1)]).await;
    enter(&pool, &journal.with_batch(1), 3).await;
    append(&pool, &noms("D4444DD"), 0, &[allocated("m4", "2026-07-01T09:00:00Z", 1)]).await;
    enter(&pool, &Journal::new(pool.clone()), 4).await;
    assert_eq!(order(&pool).await, ["A1111AA", "B2222BB", "C3333CC", "D4444DD"]);
    let intact = check(&pool).await.unwrap();
    assert_eq!((intact.events, intact.waiting), (4, 0));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_running_journal_is_woken_by_appends_and_stops_when_told(pool: PgPool) {
    let stop = std::sync::Arc::new(tokio::sync::Notify::new());
    let running = tokio::spawn({
        let (journal, stop) = (Journal::new(pool.clone()), stop.clone());
        async move { journal.run(Publisher::default(), async move { stop.notified().await }).await }
    });
    three_cases(&pool).await;
    let entered = async {
        while Journal::new(pool.clone()).last().await.unwrap() < 24 {
            sqlx::query("select pg_notify('events_appended', '')").execute(&pool).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), entered).await.expect("entered in time");
    stop.notify_one();
    tokio::time::timeout(std::time::Duration::from_secs(60), running)
        .await
        .expect("stopped in time")
        .unwrap();
}
