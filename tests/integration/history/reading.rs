//! A case's history as read from the store.

use chrono::Utc;
use manage_pom_cases_and_delius::{
    audit::{
        history::{self, Access, Action, Held, Question},
        journal::{Journal, verify::FindingKind},
        render::Format,
    },
    case::{NomsNumber, WriteState, identity::Person},
    event_store::receipts::Receipt,
    ingest::{
        Delivery, parked,
        route::{ParkReason, Parking},
    },
};
use serde_json::json;
use sqlx::PgPool;

use crate::helpers::audit::{allocated, append, check, enter, first_write, noms, settle, tamper, utc};

async fn a_case(pool: &PgPool) {
    let case = noms("A1234BC");
    append(pool, &case, 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    settle(pool, &case, 1, 1, "77").await;
    append(pool, &case, 2, &[allocated("m2", "2026-07-10T09:00:00Z", 2)]).await;
    sqlx::query(
        "insert into message_receipts (message_id, case_id, disposition, body_sha256, receive_count, received_at)
         values ('m1', 'A1234BC', 'duplicate', '00', 2, '2026-07-01T09:10:00Z')",
    )
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_history_tells_writes_duplicates_and_who_holds_the_case(pool: PgPool) {
    a_case(&pool).await;
    let file = history::load(&pool, &noms("A1234BC")).await.unwrap().unwrap();
    let story = history::build(&file, &Question::default());
    assert_eq!(story.answer.held, Held::Somebody);
    assert_eq!(story.answer.holder.as_ref().unwrap().staff_code, 2);
    assert_eq!(story.entries.len(), 2);
    let write = &story.entries[0].writes[0];
    assert_eq!((write.id, write.state), (first_write(&pool, &noms("A1234BC"), 1).await, WriteState::Applied));
    assert_eq!(story.entries[0].marks.duplicates, 1);
    assert_eq!(story.entries[1].writes[0].state, WriteState::Pending);
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_unknown_case_has_no_history(pool: PgPool) {
    assert!(history::load(&pool, &noms("Z9999ZZ")).await.unwrap().is_none());
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_was_known_before_an_append_is_told_the_same_after_it(pool: PgPool) {
    a_case(&pool).await;
    let before = Question { known_at: Some(Utc::now()), ..Question::default() };
    let ask = async || {
        let file = history::load(&pool, &noms("A1234BC")).await.unwrap().unwrap();
        let mut story = history::build(&file, &before);
        story.asked_at = utc("2027-01-01T00:00:00Z");
        story
    };
    let first = ask().await;
    append(&pool, &noms("A1234BC"), 3, &[allocated("m3", "2026-07-05T09:00:00Z", 3)]).await;
    settle(&pool, &noms("A1234BC"), 4, 3, "78").await;
    assert_eq!(ask().await, first);
    let now = history::load(&pool, &noms("A1234BC")).await.unwrap().unwrap();
    assert_eq!(history::build(&now, &Question::default()).timeline.len(), 3);
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_answer_is_provisional_while_an_append_is_under_way(pool: PgPool) {
    a_case(&pool).await;
    let mut open = pool.begin().await.unwrap();
    sqlx::query("select pg_current_xact_id()").execute(&mut *open).await.unwrap();
    let started: chrono::DateTime<Utc> =
        sqlx::query_scalar("select now()").fetch_one(&mut *open).await.unwrap();
    let ask = async |known_at| {
        let file = history::load(&pool, &noms("A1234BC")).await.unwrap().unwrap();
        history::build(&file, &Question { known_at: Some(known_at), ..Question::default() }).provisional
    };
    assert!(ask(started).await);
    assert!(!ask(started - chrono::TimeDelta::seconds(1)).await);
    open.rollback().await.unwrap();
    assert!(!ask(started).await);
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_entry_is_explained_from_its_message_to_its_row_and_back(pool: PgPool) {
    a_case(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 3).await;
    let row = "prison_offender_manager:77".parse().unwrap();
    let found = history::by_delius_row(&pool, &row, Access::cli("auditor")).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].entry.position, 1);
    assert_eq!(found[0].message.as_ref().unwrap().message_id, "m1");
    assert!(found[0].message.as_ref().unwrap().evidence.intact);
    let receipts = &found[0].message.as_ref().unwrap().receipts;
    assert_eq!(
        receipts.iter().map(|receipt| receipt.disposition.as_str()).collect::<Vec<_>>(),
        ["recorded", "duplicate"]
    );
    assert_eq!(found[0].journal.as_ref().unwrap().position, 1);
    let other = "prison_offender_manager:7".parse().unwrap();
    assert_eq!(history::by_delius_row(&pool, &other, Access::cli("auditor")).await.unwrap(), []);
}

#[sqlx::test(migrations = "migrations/store")]
async fn every_reading_is_recorded_whether_the_case_is_known_or_not(pool: PgPool) {
    a_case(&pool).await;
    let question = Question { known_at: Some(utc("2026-07-02T00:00:00Z")), ..Question::default() };
    let access = Access::http("AUDITOR_GEN", Some("audit-client")).to(Action::History).asking(&question);
    history::load_for(&pool, &Person::only(noms("A1234BC")), access.clone()).await.unwrap();
    history::load_for(&pool, &Person::only(noms("Z9999ZZ")), access).await.unwrap();
    let log: Vec<serde_json::Value> = sqlx::query_scalar(
        "select jsonb_build_array(by_whom, client, action, case_id, known_at, found) from access_log order by id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let line = |case: &str, found| {
        json!(["AUDITOR_GEN", "audit-client", "history", case, "2026-07-02T00:00:00+00:00", found])
    };
    assert_eq!(log, [line("A1234BC", true), line("Z9999ZZ", false)]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_parked_message_about_a_case_is_part_of_its_history(pool: PgPool) {
    sqlx::raw_sql(
        "insert into parked_messages (message_id, event_type, case_id, reason, detail, body, body_sha256, received_at)
         values ('m9', 'offender-management.handover.changed', 'A1234BC', 'ForeignDetailUrl', 'lies elsewhere', '', '', now());
         insert into parked_decisions (parked_id, decision, by_whom, why) select id, 'skipped', 'op', 'a test' from parked_messages",
    )
    .execute(&pool)
    .await
    .unwrap();
    let file = history::load(&pool, &noms("A1234BC")).await.unwrap().unwrap();
    let story = history::build(&file, &Question::default());
    assert_eq!((story.counts.parked_messages, story.parked[0].reason.as_str()), (1, "ForeignDetailUrl"));
    assert_eq!(story.parked[0].decisions[0].by, "op");
}

fn parking(body: &str) -> (Receipt, Delivery) {
    let receipt = Receipt {
        message_id: "m9".to_owned(),
        event_type: None,
        body_sha256: "00".to_owned(),
        receive_count: 1,
        received_at: utc("2026-07-01T09:00:00Z"),
    };
    (receipt, crate::helpers::world::delivery(body))
}

#[sqlx::test(migrations = "migrations/store")]
async fn parking_a_message_again_does_not_change_what_was_known_before(pool: PgPool) {
    let case = noms("A1234BC");
    a_case(&pool).await;
    let park = async |noms: Option<&NomsNumber>, reason: ParkReason| {
        let (mut receipt, delivery) = parking("a message");
        receipt.event_type = noms.map(|_| "offender-management.handover.changed".to_owned());
        let parking = Parking { reason, detail: format!("{reason:?}") };
        parked::park(&pool, receipt, &delivery, noms, &parking).await.unwrap();
        sqlx::query_scalar::<_, chrono::DateTime<Utc>>("select clock_timestamp()")
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    let ask = async |known_at| {
        let file = history::load(&pool, &case).await.unwrap().unwrap();
        let story = history::build(&file, &Question { known_at: Some(known_at), ..Question::default() });
        story.parked.into_iter().map(|item| (item.message_type.is_some(), item.reason)).collect::<Vec<_>>()
    };
    let unknown = park(None, ParkReason::InvalidMessage).await;
    let known = park(Some(&case), ParkReason::ForeignDetailUrl).await;
    let before = (ask(unknown).await, ask(known).await);
    assert_eq!(before, (vec![], vec![(true, "ForeignDetailUrl".to_owned())]));
    let again = park(None, ParkReason::IdentifierMismatch).await;
    assert_eq!((ask(unknown).await, ask(known).await), before);
    assert_eq!(ask(again).await, [(true, "IdentifierMismatch".to_owned())], "what was learnt is kept");
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_time_that_cannot_be_told_stops_no_reader(pool: PgPool) {
    a_case(&pool).await;
    let journal = Journal::new(pool.clone());
    enter(&pool, &journal, 3).await;
    let spoil = "alter table events drop constraint events_recorded_at_check;
        set local session_replication_role = replica;
        update events set recorded_at = 'infinity' where sequence = 1;
        update message_receipts set received_at = '-infinity', recorded_at = 'infinity';";
    tamper(&pool, spoil).await;
    let finding = check(&pool).await.unwrap_err();
    assert_eq!((finding.position, finding.kind), (1, FindingKind::Edited { source: "event" }));
    let file = history::load(&pool, &noms("A1234BC")).await.unwrap().unwrap();
    let story = history::build(&file, &Question::default());
    for format in [Format::Table, Format::Json, Format::Csv, Format::Html] {
        manage_pom_cases_and_delius::audit::render::render(&story, format).unwrap();
    }
    assert!(history::explain(&file, 1).is_some());
    append(&pool, &noms("B2222BB"), 0, &[allocated("m5", "2026-07-01T09:00:00Z", 1)]).await;
    tamper(&pool, "update events set recorded_at = '-infinity' where aggregate_id = 'B2222BB'").await;
    enter(&pool, &journal, 4).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn no_event_is_recorded_at_a_time_that_cannot_be_told(pool: PgPool) {
    let error = sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                             recorded_at)
         values ('case', 'D4444DD', 1, 'PomDeallocated', '1.0.0', '{}', '{}', 'infinity')",
    )
    .execute(&pool)
    .await
    .unwrap_err();
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("events_recorded_at_check"));
}
