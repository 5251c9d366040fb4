//! Replay says whether the stored events still mean the stored writes, and shows that it read everything.

use manage_pom_cases_and_delius::audit::{
    journal::{Journal, verify::FindingKind},
    replay::{self, Discrepancy, Unlike},
};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::helpers::audit::{check, enter, noms, settle, tamper, three_cases};

async fn run(pool: &PgPool, sql: &str) {
    assert!(sqlx::raw_sql(sql).execute(pool).await.unwrap().rows_affected() > 0);
}

async fn first_difference(pool: &PgPool) -> (String, u64, Discrepancy) {
    match replay::all(pool, |_, _| {}).await.unwrap() {
        Err(Unlike::Write(found)) => (found.case, found.write.sequence, found.discrepancy),
        other => panic!("expected a write that differs, got {other:?}"),
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn untouched_writes_are_identical_and_everything_was_read(pool: PgPool) {
    three_cases(&pool).await;
    settle(&pool, &noms("A1111AA"), 4, 1, "77").await;
    let journal = Journal::new(pool.clone()).with_batch(5);
    enter(&pool, &journal, 5).await;
    let replayed = replay::all(&pool, |_, _| {}).await.unwrap().unwrap();
    // A batch can be short while a transaction of another database holds the horizon, so that there are more than five.
    let entered: i64 = sqlx::query_scalar("select count(*) from journal where source = 'event'")
        .fetch_one(&pool)
        .await
        .unwrap();
    let entered = entered.cast_unsigned();
    assert!((5..13).contains(&entered), "{entered}");
    assert_eq!((replayed.events, replayed.writes, replayed.not_entered), (13, 12, 13 - entered));
    assert_eq!(replayed.journal.unwrap().0, journal.last().await.unwrap());

    enter(&pool, &journal, 13).await;
    let replayed = replay::all(&pool, |_, _| {}).await.unwrap().unwrap();
    assert_eq!((replayed.events, replayed.not_entered), (13, 0));
    assert_eq!(replayed.journal.unwrap().0, journal.last().await.unwrap());

    let one = replay::one(&pool, &noms("A1111AA")).await.unwrap().unwrap().unwrap();
    assert_eq!((one.events, one.writes), (5, 4));
    assert!(replay::one(&pool, &noms("Z9999ZZ")).await.unwrap().is_none());
}

#[sqlx::test(migrations = "migrations/store")]
async fn everything_is_read_with_the_connections_that_there_are(pool: PgPool) {
    three_cases(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 12).await;
    for connections in [1, 2, 3] {
        let options = (*pool.connect_options()).clone();
        let few = PgPoolOptions::new().max_connections(connections).connect_lazy_with(options);
        assert_eq!(check(&few).await.unwrap().events, 12, "{connections} connections");
        assert_eq!(
            replay::all(&few, |_, _| {}).await.unwrap().unwrap().events,
            12,
            "{connections} connections"
        );
        few.close().await;
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_changed_intent_is_shown_with_its_case_and_event(pool: PgPool) {
    three_cases(&pool).await;
    run(&pool, "update outbox set intent = jsonb_set(intent, '{pom,surname}', '\"LOVELACE\"') where case_id = 'B2222BB' and sequence = 2").await;
    let (case, sequence, discrepancy) = first_difference(&pool).await;
    assert_eq!((case.as_str(), sequence), ("B2222BB", 2));
    assert!(matches!(discrepancy, Discrepancy::Intent { .. }));
    assert!(replay::one(&pool, &noms("A1111AA")).await.unwrap().unwrap().is_ok());
    assert!(replay::one(&pool, &noms("B2222BB")).await.unwrap().unwrap().is_err());
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_lost_write_and_one_that_no_event_means_are_found(pool: PgPool) {
    three_cases(&pool).await;
    run(&pool, "delete from outbox where case_id = 'C3333CC' and sequence = 4").await;
    let (case, sequence, discrepancy) = first_difference(&pool).await;
    assert_eq!((case.as_str(), sequence), ("C3333CC", 4));
    assert!(matches!(discrepancy, Discrepancy::NotStored { .. }));

    run(
        &pool,
        "update outbox set case_id = 'C3333CC', sequence = 4, is_head = false where case_id = 'A1111AA' and sequence = 1",
    )
    .await;
    assert_eq!(first_difference(&pool).await.0, "A1111AA");
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_write_whose_event_does_not_exist_is_found(pool: PgPool) {
    three_cases(&pool).await;
    run(&pool, "insert into outbox (id, case_id, sequence, ordinal, kind, intent) select gen_random_uuid(), 'D4444DD', 9, 0, kind, intent from outbox limit 1").await;
    let (case, sequence, discrepancy) = first_difference(&pool).await;
    assert_eq!((case.as_str(), sequence), ("D4444DD", 9));
    assert!(matches!(discrepancy, Discrepancy::NotDerived { .. }));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_replay_of_changed_events_says_so(pool: PgPool) {
    three_cases(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 12).await;
    tamper(&pool, "delete from events where aggregate_id = 'B2222BB' and sequence = 1").await;
    match replay::all(&pool, |_, _| {}).await.unwrap() {
        Err(Unlike::Tampered(finding)) => assert_eq!(finding.position, 3),
        other => panic!("expected a finding, got {other:?}"),
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_event_that_cannot_be_read_ends_the_replay_with_an_error(pool: PgPool) {
    three_cases(&pool).await;
    tamper(&pool, "update events set payload = '{\"event\": \"Unheard\"}' where aggregate_id = 'B2222BB' and sequence = 2").await;
    let error = replay::all(&pool, |_, _| {}).await.unwrap_err().to_string();
    assert!(error.contains("event 2 of case B2222BB"), "{error}");
}

async fn tampered(pool: &PgPool, case: &str) -> (i64, FindingKind) {
    match replay::one(pool, &noms(case)).await.unwrap() {
        Some(Err(Unlike::Tampered(finding))) => (finding.position, finding.kind),
        other => panic!("expected a finding, got {other:?}"),
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_replay_of_one_case_shows_that_it_read_every_event_as_it_was_entered(pool: PgPool) {
    three_cases(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 12).await;
    tamper(&pool, "delete from outbox where case_id = 'A1111AA' and sequence = 4; delete from events where aggregate_id = 'A1111AA' and sequence = 4").await;
    assert_eq!(tampered(&pool, "A1111AA").await, (19, FindingKind::Missing { source: "event" }));
    tamper(&pool, "delete from outbox where case_id = 'A1111AA' and sequence = 3; delete from events where aggregate_id = 'A1111AA' and sequence = 3").await;
    assert_eq!(tampered(&pool, "A1111AA").await, (13, FindingKind::Missing { source: "event" }));
    tamper(&pool, "delete from events where aggregate_id = 'A1111AA'").await;
    assert_eq!(tampered(&pool, "A1111AA").await, (1, FindingKind::Missing { source: "event" }));

    tamper(&pool, "update events set metadata = metadata || '{\"receiveCount\": \"2\"}' where aggregate_id = 'B2222BB' and sequence = 2").await;
    assert_eq!(tampered(&pool, "B2222BB").await, (9, FindingKind::Edited { source: "event" }));
    let one = replay::one(&pool, &noms("C3333CC")).await.unwrap().unwrap().unwrap();
    assert_eq!((one.events, one.not_entered), (4, 0));
    tamper(&pool, "delete from journal where position = 17").await;
    assert_eq!(tampered(&pool, "C3333CC").await, (23, FindingKind::Inserted { source: "event" }));
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_replay_of_one_case_misses_an_event_that_was_not_entered_yet(pool: PgPool) {
    three_cases(&pool).await;
    tamper(&pool, "delete from outbox where case_id = 'A1111AA' and sequence = 4; delete from events where aggregate_id = 'A1111AA' and sequence = 4").await;
    let lost = FindingKind::Lost { case: "A1111AA".to_owned(), message: "A1111AA-3".to_owned() };
    assert_eq!(tampered(&pool, "A1111AA").await, (1, lost));
    tamper(&pool, "delete from outbox where case_id = 'A1111AA' and sequence = 2; delete from events where aggregate_id = 'A1111AA' and sequence = 2").await;
    assert_eq!(tampered(&pool, "A1111AA").await, (1, FindingKind::Missing { source: "event" }));
    let other = replay::decisions_of(&pool, &noms("A1111AA")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(other.sequence, 2);
}
