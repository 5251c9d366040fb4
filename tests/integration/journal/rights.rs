//! Who may change what: nobody changes what is append-only by mistake, and the role of the service cannot.

use manage_pom_cases_and_delius::audit::journal::Journal;
use sqlx::PgPool;

use crate::helpers::audit::{enter, three_cases};

/// Twelve events of three cases, all entered, and a row in every table.
async fn entered(pool: &PgPool) {
    three_cases(pool).await;
    enter(pool, &Journal::new(pool.clone()), 12).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn events_and_journal_refuse_every_change_even_to_their_owner(pool: PgPool) {
    entered(&pool).await;
    sqlx::raw_sql(
        "insert into access_log (by_whom, via, action, case_id, found) values ('a', 'cli', 'history', 'A1111AA', true);
         insert into outbox_attempts (outbox_id, attempt, worker, error) select id, 1, 'w', 'e' from outbox limit 1;
         insert into parked_messages (message_id, reason, detail, body, body_sha256, received_at)
         values ('m', 'InvalidMessage', 'd', '', '', now());
         insert into checkpoints (size, note) values (1, 'n');
         insert into erasures (by_whom, why, pseudonyms, positions, removed) values ('a', 'w', '{p}', '{}', '{}');
         insert into parked_decisions (parked_id, decision, by_whom, why) select id, 'skipped', 'a', 'w' from parkings;
         insert into waiting_decisions (message_id, decision, by_whom, why) values ('m', 'retried', 'a', 'w');
         insert into bulk_runs (id, dry_run, started_at) values ('00000000-0000-0000-0000-000000000001', true, now());
         insert into bulk_decisions (run_id, decision, by_whom) select id, 'begun', 'a' from bulk_runs;
         insert into reconcile_runs (started_at, by_whom, why, fixed, summary) values (now(), 'a', 'w', false, '{}');
         insert into reconcile_accepted (case_id, difference, by_whom, why) values ('A1111AA', 'd', 'a', 'w');
         insert into erasure_requests (message_id, crn, body, requested_at) values ('m', 'X123456', '', now())",
    )
    .execute(&pool)
    .await
    .unwrap();
    for (table, first) in [
        ("events", "set metadata = '{}'"),
        ("journal", "set position = position + 100"),
        ("journal_subtrees", "set index = 7"),
        ("checkpoints", "set note = ''"),
        ("erasures", "set why = ''"),
        ("access_log", "set found = true"),
        ("message_receipts", "set receive_count = 1"),
        ("outbox_attempts", "set error = ''"),
        ("parked_decisions", "set why = ''"),
        ("parkings", "set reason = ''"),
        ("waiting_decisions", "set why = ''"),
        ("bulk_decisions", "set why = ''"),
        ("reconcile_runs", "set why = ''"),
        ("reconcile_accepted", "set why = ''"),
        ("erasure_requests", "set crn = ''"),
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
