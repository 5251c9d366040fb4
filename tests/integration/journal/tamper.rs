//! Whoever changes the events, with every right in the database, is found out and the first position is named.

use chrono::Utc;
use manage_pom_cases_and_delius::{
    audit::journal::{
        Journal,
        canonical::{self, Hash},
        digest::Digest,
        verify::{Finding, Intact, Wrong, verify},
    },
    event_store::reader::EventRow,
};
use sqlx::{PgPool, Row};

use crate::helpers::audit::{enter, tamper, three_cases};

/// Twelve events of three cases (A, B, C, A, B, …), all entered.
async fn entered(pool: &PgPool) -> Digest {
    three_cases(pool).await;
    let journal = Journal::new(pool.clone());
    enter(pool, &journal, 12).await;
    let (position, hash) = journal.last().await.unwrap().unwrap();
    Digest { position, hash, at: Utc::now() }
}

async fn check(pool: &PgPool, digests: &[Digest]) -> Result<Intact, Finding> {
    verify(pool, digests, |_, _| {}).await.unwrap()
}

async fn found(pool: &PgPool) -> (i64, Wrong) {
    let finding = check(pool, &[]).await.unwrap_err();
    assert!(finding.to_string().starts_with(&format!("position {}", finding.position)));
    (finding.position, finding.wrong)
}

fn lost(case: &str, message: &str) -> Wrong {
    Wrong::Lost { case: case.to_owned(), message: message.to_owned() }
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_untouched_journal_is_intact_and_agrees_with_its_digest(pool: PgPool) {
    let digest = entered(&pool).await;
    let intact = check(&pool, &[digest]).await.unwrap();
    assert_eq!((intact.count, intact.last), (12, Some((12, digest.hash))));
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_edited_payload_is_named(pool: PgPool) {
    entered(&pool).await;
    let edit = "update events set payload = jsonb_set(payload, '{pom,surname}', '\"LOVELACE\"')
                where aggregate_id = 'A1111AA' and sequence = 3";
    tamper(&pool, edit).await;
    assert_eq!(found(&pool).await, (7, Wrong::Edited));
    let finding = check(&pool, &[]).await.unwrap_err();
    assert_eq!(finding.event, Some(("A1111AA".to_owned(), 3)));
}

#[sqlx::test(migrations = "migrations/store")]
async fn edited_metadata_and_times_are_named(pool: PgPool) {
    entered(&pool).await;
    tamper(&pool, "update events set recorded_at = recorded_at - interval '1 microsecond' where aggregate_id = 'C3333CC' and sequence = 2").await;
    assert_eq!(found(&pool).await, (6, Wrong::Edited));
    tamper(&pool, "update events set metadata = metadata || '{\"receiveCount\": \"2\"}' where aggregate_id = 'B2222BB' and sequence = 1").await;
    assert_eq!(found(&pool).await, (2, Wrong::Edited));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_deleted_event_is_named_with_and_without_its_entry(pool: PgPool) {
    entered(&pool).await;
    tamper(&pool, "delete from events where aggregate_id = 'B2222BB' and sequence = 3").await;
    assert_eq!(found(&pool).await, (8, Wrong::Missing));
    tamper(&pool, "delete from journal where position = 8").await;
    assert_eq!(found(&pool).await, (8, Wrong::Missing));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_cut_off_end_is_named_with_the_help_of_the_digest(pool: PgPool) {
    let digest = entered(&pool).await;
    tamper(&pool, "delete from events where aggregate_id = 'C3333CC' and sequence = 4").await;
    assert_eq!(found(&pool).await, (12, Wrong::Missing));
    tamper(&pool, "delete from journal where position = 12").await;
    assert_eq!(found(&pool).await, (12, lost("C3333CC", "C3333CC-3")), "its receipt is still there");
    tamper(&pool, "delete from message_receipts where message_id = 'C3333CC-3'").await;
    assert_eq!(check(&pool, &[]).await.unwrap().count, 11);
    let finding = check(&pool, &[digest]).await.unwrap_err();
    assert_eq!((finding.position, finding.wrong), (12, Wrong::Truncated { noted: 12 }));
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_event_slipped_in_among_older_ones_is_named(pool: PgPool) {
    entered(&pool).await;
    tamper(
        &pool,
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, id, xid)
         overriding system value
         select aggregate_type, 'D4444DD', 1, event_type, event_version, payload, metadata, -1, xid
         from events where aggregate_id = 'B2222BB' and sequence = 2",
    )
    .await;
    assert_eq!(found(&pool).await, (5, Wrong::Inserted));
    // The journal does not take it up either.
    assert_eq!(Journal::new(pool.clone()).catch_up().await.unwrap(), 0);
}

#[sqlx::test(migrations = "migrations/store")]
async fn of_a_slipped_in_and_an_edited_event_the_first_is_named(pool: PgPool) {
    entered(&pool).await;
    tamper(
        &pool,
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, id, xid)
         overriding system value
         select aggregate_type, 'D4444DD', 1, event_type, event_version, payload, metadata, -1, xid
         from events where aggregate_id = 'B2222BB' and sequence = 2;
         update events set metadata = '{}' where aggregate_id = 'C3333CC' and sequence = 1",
    )
    .await;
    assert_eq!(found(&pool).await, (3, Wrong::Edited));
}

#[sqlx::test(migrations = "migrations/store")]
async fn two_swapped_events_are_named_at_the_first(pool: PgPool) {
    entered(&pool).await;
    tamper(
        &pool,
        "with pair as (select sequence, payload from events where aggregate_id = 'A1111AA' and sequence in (2, 4))
         update events set payload = pair.payload from pair
         where events.aggregate_id = 'A1111AA' and events.sequence = 6 - pair.sequence",
    )
    .await;
    assert_eq!(found(&pool).await, (4, Wrong::Edited));
}

#[sqlx::test(migrations = "migrations/store")]
async fn two_swapped_entries_are_named_as_reordered(pool: PgPool) {
    entered(&pool).await;
    tamper(
        &pool,
        "update journal set position = 1000 + position where position in (5, 9);
         update journal set position = 1014 - position where position in (1005, 1009)",
    )
    .await;
    assert_eq!(found(&pool).await, (5, Wrong::Reordered));
}

/// Writes the chain anew from a position on, as an attacker who knows how it is made would.
async fn rehash(pool: &PgPool, from: i64, to: i64) {
    let mut previous = Hash::GENESIS;
    let rows = sqlx::query(
        "select j.position, j.hash, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version,
                e.payload::text as payload, e.metadata::text as metadata, e.id, e.xid::text as xid, e.recorded_at
         from journal j join events e using (aggregate_type, aggregate_id, sequence) order by j.position",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for row in rows {
        let position: i64 = row.get("position");
        let event: EventRow = sqlx::FromRow::from_row(&row).unwrap();
        let bytes = canonical::bytes(&event).unwrap();
        let hash = previous.followed_by(&bytes);
        if (from..=to).contains(&position) {
            let digest = Hash::of(&bytes);
            tamper(
                pool,
                &format!(
                    "update journal set hash = '\\x{hash}', event_digest = '\\x{digest}' where position = {position}"
                ),
            )
            .await;
            previous = hash;
        } else {
            let stored: Vec<u8> = row.get("hash");
            previous =
                Hash::from_hex(&stored.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).unwrap();
        }
    }
}

const EDIT_FIFTH: &str = "update events set payload = jsonb_set(payload, '{pom,surname}', '\"LOVELACE\"')
                          where aggregate_id = 'B2222BB' and sequence = 2";

#[sqlx::test(migrations = "migrations/store")]
async fn a_chain_hashed_anew_in_part_is_named_where_the_new_part_ends(pool: PgPool) {
    entered(&pool).await;
    tamper(&pool, EDIT_FIFTH).await;
    rehash(&pool, 5, 8).await;
    assert_eq!(found(&pool).await, (9, Wrong::Rehashed));
}

#[sqlx::test(migrations = "migrations/store")]
async fn two_swapped_entries_are_named_though_the_chain_was_hashed_anew(pool: PgPool) {
    entered(&pool).await;
    tamper(
        &pool,
        "update journal set position = 1000 + position where position in (10, 12);
         update journal set position = 1022 - position where position in (1010, 1012)",
    )
    .await;
    rehash(&pool, 10, 12).await;
    assert_eq!(found(&pool).await, (11, Wrong::Reordered));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_chain_hashed_anew_to_its_end_is_found_by_the_digest(pool: PgPool) {
    three_cases(&pool).await;
    let journal = Journal::new(pool.clone()).with_batch(4);
    enter(&pool, &journal, 4).await;
    let (position, hash) = journal.last().await.unwrap().unwrap();
    let early = Digest { position, hash, at: Utc::now() };
    enter(&pool, &journal, 12).await;
    let (position, hash) = journal.last().await.unwrap().unwrap();
    let late = Digest { position, hash, at: Utc::now() };
    tamper(&pool, EDIT_FIFTH).await;
    rehash(&pool, 5, 12).await;
    assert_eq!(check(&pool, &[]).await.unwrap().count, 12);
    let finding = check(&pool, &[early, late]).await.unwrap_err();
    assert_eq!((finding.position, finding.wrong), (12, Wrong::Rewritten { agrees: 4 }));
}

#[sqlx::test(migrations = "migrations/store")]
async fn events_and_journal_refuse_every_change_even_to_their_owner(pool: PgPool) {
    entered(&pool).await;
    sqlx::raw_sql(
        "insert into access_log (by_whom, via, action, case_id, found) values ('a', 'cli', 'history', 'A1111AA', true);
         insert into outbox_attempts (outbox_id, attempt, worker, error) select id, 1, 'w', 'e' from outbox limit 1;
         insert into parked_messages (message_id, reason, detail, body, body_sha256, received_at)
         values ('m', 'InvalidMessage', 'd', '', '', now());
         insert into parked_decisions (parked_id, decision, by_whom, why) select id, 'skipped', 'a', 'w' from parkings",
    )
    .execute(&pool)
    .await
    .unwrap();
    for (table, first) in [
        ("events", "set metadata = '{}'"),
        ("journal", "set position = position + 100"),
        ("access_log", "set found = true"),
        ("message_receipts", "set receive_count = 1"),
        ("outbox_attempts", "set error = ''"),
        ("parked_decisions", "set why = ''"),
        ("parkings", "set reason = ''"),
    ] {
        for statement in [
            format!("update {table} {first}"),
            format!("delete from {table}"),
            format!("truncate {table} cascade"),
        ] {
            let error = sqlx::query(&statement).execute(&pool).await.unwrap_err();
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{statement}");
        }
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_role_of_the_service_may_add_and_read_but_not_change(pool: PgPool) {
    entered(&pool).await;
    let role: String =
        sqlx::query_scalar("select 'service_of_' || current_database()").fetch_one(&pool).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql(&format!("create role \"{role}\"; select allow_service('{role}'); set role \"{role}\""))
        .execute(&mut *connection)
        .await
        .unwrap();
    let mut denied = vec![];
    for statement in [
        "update events set metadata = '{}'",
        "delete from events",
        "truncate events",
        "update journal set position = position",
        "delete from journal",
        "delete from access_log",
        "delete from message_receipts",
        "update parkings set reason = ''",
        "alter table events disable trigger all",
    ] {
        let error = sqlx::query(statement).execute(&mut *connection).await.unwrap_err();
        denied.push(error.as_database_error().unwrap().code().unwrap().into_owned());
    }
    assert_eq!(denied, vec!["42501"; 9]);
    sqlx::raw_sql("set session_replication_role = replica").execute(&mut *connection).await.unwrap_err();
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('case', 'D4444DD', 1, 'PomDeallocated', '1.0.0', '{}', '{}')",
    )
    .execute(&mut *connection)
    .await
    .unwrap();
    sqlx::query("update outbox set attempt = attempt").execute(&mut *connection).await.unwrap();
    sqlx::raw_sql(&format!("reset role; drop owned by \"{role}\"; drop role \"{role}\""))
        .execute(&mut *connection)
        .await
        .unwrap();
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_migration_gives_the_role_of_the_service_its_rights_on_new_tables(pool: PgPool) {
    let role: String =
        sqlx::query_scalar("select 'm_' || md5(current_database())").fetch_one(&pool).await.unwrap();
    let gone = role.replacen('m', "g", 1);
    for role in [&role, &gone] {
        let allow = format!("create role \"{role}\"; select allow_service('{role}')");
        sqlx::raw_sql(&allow).execute(&pool).await.unwrap();
    }
    sqlx::raw_sql(&format!(
        "create table of_a_new_version (); drop owned by \"{gone}\"; drop role \"{gone}\""
    ))
    .execute(&pool)
    .await
    .unwrap();
    let may = async |right: &str, table: &str| -> bool {
        let may = sqlx::query_scalar("select has_table_privilege($1, $2, $3)");
        may.bind(&role).bind(table).bind(right).fetch_one(&pool).await.unwrap()
    };
    assert!(!may("insert", "of_a_new_version").await);
    let migrated = crate::cli::audit::run(&pool, &["migrate"]).await;
    assert_eq!(migrated.code, 0, "{}", migrated.err);
    assert!(migrated.out.contains(&format!("{role} may run the service")), "{}", migrated.out);
    assert!(may("insert", "of_a_new_version").await);
    for (right, table) in [("update", "events"), ("delete", "journal"), ("insert", "service_roles")] {
        assert!(!may(right, table).await, "{right} {table}");
    }
    sqlx::raw_sql(&format!("drop owned by \"{role}\"; drop role \"{role}\"")).execute(&pool).await.unwrap();
}
