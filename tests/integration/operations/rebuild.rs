//! The derived tables can be lost and rebuilt from the events.

use std::time::Duration;

use manage_pom_cases_and_delius::{
    audit::replay,
    case::CaseEvent,
    operations::rebuild::{Progress, Rebuild, Step},
};
use serde_json::Value;
use sqlx::PgPool;

use crate::helpers::audit::{allocated, append, learned, noms, settle, superseded, three_cases};

/// The content of every derived table.
async fn derived(pool: &PgPool) -> Vec<Value> {
    sqlx::query_scalar(
        "select jsonb_build_array('outbox', id, case_id, sequence, ordinal, kind, intent, state) from outbox
         union all select jsonb_build_array('staff', staff_code, forename, surname, email) from staff_directory
         union all select jsonb_build_array('waiting', case_id, sequence, staff_code) from unreflected_allocations
         order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn finish(rebuild: &Rebuild) -> Progress {
    loop {
        if let Step::Finished(progress) = rebuild.step().await.unwrap() {
            return progress;
        }
    }
}

async fn three_cases_in_every_state(pool: &PgPool) {
    three_cases(pool).await;
    settle(pool, &noms("A1111AA"), 4, 1, "77").await;
    settle(pool, &noms("A1111AA"), 5, 2, "78").await;
    append(pool, &noms("B2222BB"), 4, &[superseded("m9", "2026-07-09T09:00:00Z", 900)]).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_was_lost_is_rebuilt_as_it_was(pool: PgPool) {
    three_cases_in_every_state(&pool).await;
    let before = derived(&pool).await;
    sqlx::raw_sql("delete from outbox; delete from staff_directory; delete from unreflected_allocations")
        .execute(&pool)
        .await
        .unwrap();
    let progress = finish(&Rebuild::resume_or_begin(&pool).await.unwrap()).await;
    assert_eq!((progress.cases, progress.added, progress.corrected), (3, 12, 0));
    assert_eq!(derived(&pool).await, before);
    assert!(replay::all(&pool, |_, _| {}).await.unwrap().is_ok());
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_state_that_the_events_do_not_tell_of_is_corrected(pool: PgPool) {
    three_cases_in_every_state(&pool).await;
    let before = derived(&pool).await;
    sqlx::raw_sql(
        "update outbox set state = 'pending' where case_id = 'A1111AA' and sequence = 1;
         update outbox set state = 'skipped' where case_id = 'C3333CC' and sequence = 2;
         insert into unreflected_allocations values ('C3333CC', 1, 5)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let progress = finish(&Rebuild::resume_or_begin(&pool).await.unwrap()).await;
    assert_eq!((progress.added, progress.corrected), (0, 2));
    assert_eq!(derived(&pool).await, before);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_rebuild_that_was_stopped_goes_on_where_it_was(pool: PgPool) {
    three_cases_in_every_state(&pool).await;
    let before = derived(&pool).await;
    sqlx::raw_sql("delete from outbox").execute(&pool).await.unwrap();
    let stopped = Rebuild::resume_or_begin(&pool).await.unwrap().with_page(1);
    let Step::Done(first) = stopped.step().await.unwrap() else { panic!("there are three cases") };
    assert_eq!((first.cases, first.added), (1, 4));

    let resumed = Rebuild::resume_or_begin(&pool).await.unwrap();
    let progress = finish(&resumed).await;
    assert_eq!((progress.id, progress.cases, progress.added), (first.id, 3, 12));
    assert_eq!(derived(&pool).await, before);
    let next = finish(&Rebuild::resume_or_begin(&pool).await.unwrap()).await;
    assert_eq!((next.id == first.id, next.cases, next.added), (false, 3, 0));
}

/// Rebuilds while the case changes: the rebuild has read the events of the case and waits for the staff codes when
/// `meanwhile` begins to append. The append waits for the rebuild; nobody waits for the staff codes any more then.
async fn rebuild_while(pool: &PgPool, meanwhile: impl AsyncFnOnce()) {
    let mut held = pool.begin().await.unwrap();
    sqlx::query("lock table staff_directory in exclusive mode").execute(&mut *held).await.unwrap();
    let rebuild = Rebuild::resume_or_begin(pool).await.unwrap();
    let rebuilding = tokio::spawn(async move { finish(&rebuild).await });
    until_it_waits(pool, "insert into staff_directory").await;
    let let_go = async {
        until_it_waits(pool, "-- A batch of appends").await;
        held.rollback().await.unwrap();
    };
    tokio::join!(meanwhile(), let_go);
    rebuilding.await.unwrap();
}

/// Until a statement that begins so waits for a lock.
async fn until_it_waits(pool: &PgPool, beginning: &str) {
    let waits = "select exists (select from pg_stat_activity where datname = current_database()
                 and wait_event_type = 'Lock' and starts_with(query, $1))";
    let waiting = async {
        while !sqlx::query_scalar::<_, bool>(waits).bind(beginning).fetch_one(pool).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the statement waits");
}

async fn waiting(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar(
        "select sequence from unreflected_allocations where case_id = 'A1234BC' order by sequence",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_allocation_that_begins_to_wait_during_a_rebuild_is_not_forgotten(pool: PgPool) {
    let case = noms("A1234BC");
    append(&pool, &case, 0, &[learned("m1", "2026-07-01T09:00:00Z", 1)]).await;
    rebuild_while(&pool, async || {
        append(&pool, &case, 1, &[superseded("m2", "2026-07-05T09:00:00Z", 900)]).await;
    })
    .await;
    assert_eq!(waiting(&pool).await, [2]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_allocation_that_is_reflected_during_a_rebuild_does_not_wait_again(pool: PgPool) {
    let case = noms("A1234BC");
    let before = [learned("m1", "2026-07-01T09:00:00Z", 1), superseded("m2", "2026-07-05T09:00:00Z", 900)];
    append(&pool, &case, 0, &before).await;
    rebuild_while(&pool, async || {
        let mut reflecting = allocated("m2", "2026-07-05T09:00:00Z", 900);
        if let CaseEvent::PomAllocated { reflects, .. } = &mut reflecting {
            *reflects = Some(2);
        }
        append(&pool, &case, 2, &[reflecting]).await;
    })
    .await;
    assert_eq!(waiting(&pool).await, [0_i64; 0]);
}
