//! For every column of the store it is known whether an erasure removes what it holds of a person. Who adds a column decides
//! it here, and `erase_person` follows.

use std::collections::BTreeMap;

use sqlx::PgPool;

/// What an erasure does to a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erasure {
    /// The rows of the person are deleted.
    Deleted,
    /// These columns are emptied, or set to a value that names nobody, in the rows of the person.
    Emptied(&'static [&'static str]),
    /// Nothing in it says anything about a person.
    Untouched,
}

use Erasure::{Deleted, Emptied, Untouched};

const TABLES: [(&str, Erasure, &str); 30] = [
    (
        "access_log",
        Emptied(&["case_id", "position"]),
        "action as_of at by_whom case_id client format found id known_at position via xid",
    ),
    ("bulk_decisions", Untouched, "at by_whom decision id run_id why xid"),
    (
        "bulk_runs",
        Emptied(&["cursor"]),
        "abandoned cursor dry_run finished_at handed_over id not_accepted started_at",
    ),
    ("case_records", Deleted, "crn facts generation loaded_at noms_number touched_at"),
    ("change_feed_heartbeat", Untouched, "consumer lag_ms polled_at"),
    ("checkpoints", Untouched, "note published_at size"),
    ("delius_staff", Deleted, "prison staff_code staff_id written_at"),
    ("erasure_requests", Deleted, "body case_id crn id message_id recorded_at requested_at xid"),
    ("erasure_salt", Untouched, "salt"),
    ("erasures", Untouched, "at by_whom id positions pseudonyms removed why xid"),
    (
        "events",
        Deleted,
        "aggregate_id aggregate_type event_type event_version id metadata payload recorded_at sequence xid",
    ),
    ("identity_facts", Deleted, "at case_id kind one ordinal other recorded_at sequence"),
    (
        "journal",
        Emptied(&["case_id", "salt"]),
        "case_id cluster entered_at leaf position salt sequence source source_id xid",
    ),
    ("journal_subtrees", Untouched, "hash index level"),
    (
        "message_receipts",
        Deleted,
        "body_sha256 case_id detail disposition event_type id message_id receive_count received_at recorded_at xid",
    ),
    (
        "outbox",
        Deleted,
        "attempt available_at case_id created_at failing_since finished_at id intent is_head kind last_error lease_until leased_by ordinal sequence state unknown_failures",
    ),
    ("outbox_attempts", Deleted, "at attempt error id outbox_id worker xid"),
    (
        "outcome_notices",
        Deleted,
        "applied_at attempt available_at case_id last_error occurred_at outcome position sent_at traceparent write_id",
    ),
    ("parked_decisions", Deleted, "at by_whom decision id parked_id why xid"),
    (
        "parked_messages",
        Deleted,
        "attributes body body_sha256 case_id detail event_type id message_id reason received_at recorded_at state xid",
    ),
    ("parkings", Deleted, "at case_id detail event_type id parked_id reason xid"),
    ("rebuilds", Emptied(&["last_case"]), "added cases corrected finished_at id last_case started_at"),
    ("reconcile_accepted", Deleted, "accepted_at by_whom case_id difference id why xid"),
    ("reconcile_runs", Untouched, "by_whom ended_at fixed id started_at summary why xid"),
    ("service_roles", Untouched, "allowed_at role"),
    ("staff_directory", Deleted, "email forename learned_at staff_code surname"),
    ("unreflected_allocations", Deleted, "case_id sequence staff_code"),
    ("waiting_decisions", Deleted, "at by_whom decision id message_id why xid"),
    (
        "waiting_messages",
        Deleted,
        "alone_since attempts attributes body body_sha256 case_id claim claims dependency event_type faults id last_answer last_attempt_at leased_by leased_until message_id next_attempt_at received_at receive_count sqs_id undocumented waiting_since",
    ),
    ("_sqlx_migrations", Untouched, "checksum description execution_time installed_on success version"),
];

fn sorted(columns: &str) -> Vec<String> {
    let mut columns: Vec<String> = columns.split_whitespace().map(str::to_owned).collect();
    columns.sort();
    columns
}

#[sqlx::test(migrations = "migrations/store")]
async fn every_column_of_the_store_is_known_to_be_erased_or_to_name_nobody(pool: PgPool) {
    let stored: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, string_agg(column_name::text, ' ') from information_schema.columns
         join information_schema.tables using (table_schema, table_name)
         where table_schema = 'public' and table_type = 'BASE TABLE' group by table_name",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let stored: BTreeMap<String, Vec<String>> =
        stored.into_iter().map(|(table, columns)| (table, sorted(&columns))).collect();
    let known: BTreeMap<String, Vec<String>> =
        TABLES.iter().map(|(table, _, columns)| ((*table).to_owned(), sorted(columns))).collect();
    assert_eq!(stored, known, "decide here what an erasure does to a new table or column");

    let function: String = sqlx::query_scalar("select prosrc from pg_proc where proname = 'erase_person'")
        .fetch_one(&pool)
        .await
        .unwrap();
    let function = function.split_whitespace().collect::<Vec<_>>().join(" ");
    for (table, erasure, _) in TABLES {
        let deletes = function.contains(&format!("delete from {table} "));
        let updates = function.contains(&format!("update {table} set "));
        let expected = match erasure {
            Deleted => (true, false),
            Emptied(columns) => {
                let statement = function.split(&format!("update {table} set ")).nth(1).unwrap_or_default();
                let set = statement.split(" where ").next().unwrap_or_default();
                for column in columns {
                    assert!(set.contains(&format!("{column} = ")), "{table}.{column}");
                }
                (false, true)
            }
            Untouched => (false, false),
        };
        assert_eq!((deletes, updates), expected, "{table}");
    }
}
