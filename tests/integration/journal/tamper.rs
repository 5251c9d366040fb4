//! Whoever changes what a history shows, with every right in the database, is found out; the first position and the kind
//! of the change are named.

use chrono::Utc;
use manage_pom_cases_and_delius::audit::journal::{
    Journal,
    checkpoint::{Checkpoint, Signer},
    hash::Hash,
    proofs,
    publish::Publisher,
    sources::{EVENTS, Record},
    tree,
    verify::{FindingKind, VerifyRequest},
};
use manage_pom_cases_and_delius::event_store::reader::EventRow;
use sqlx::PgPool;

use crate::helpers::audit::{check, check_with, enter, enter_until, position_of, tamper, three_cases};

/// Everything that is a leaf, with its table.
const SOURCES: [(&str, &str); 12] = [
    ("event", "events"),
    ("receipt", "message_receipts"),
    ("parkedMessage", "parked_messages"),
    ("parking", "parkings"),
    ("parkedDecision", "parked_decisions"),
    ("writeAttempt", "outbox_attempts"),
    ("access", "access_log"),
    ("waitingDecision", "waiting_decisions"),
    ("bulkDecision", "bulk_decisions"),
    ("reconcileRun", "reconcile_runs"),
    ("differenceAccepted", "reconcile_accepted"),
    ("erasureRequest", "erasure_requests"),
];

/// Twelve events of three cases (A, B, C, A, B, …) with their receipts, and two rows in every other table.
async fn entered(pool: &PgPool) -> i64 {
    three_cases(pool).await;
    for round in 1..=2 {
        sqlx::raw_sql(&format!(
            "insert into access_log (by_whom, via, action, case_id, found)
             values ('auditor', 'cli', 'history', 'A1111AA', true);
             insert into outbox_attempts (outbox_id, attempt, worker, error)
             select id, {round}, 'w', 'e' from outbox order by case_id, sequence limit 1;
             insert into parked_messages (message_id, reason, detail, body, body_sha256, received_at)
             values ('parked-{round}', 'InvalidMessage', 'd', 'body', '', now());
             insert into parked_decisions (parked_id, decision, by_whom, why)
             select id, 'skipped', 'operator', 'why' from parked_messages where message_id = 'parked-{round}';
             insert into waiting_decisions (message_id, decision, by_whom, why) values ('w', 'retried', 'operator', 'why');
             insert into bulk_runs (id, dry_run, started_at, finished_at)
             values ('00000000-0000-0000-0000-00000000000{round}', true, now(), now());
             insert into bulk_decisions (run_id, decision, by_whom)
             values ('00000000-0000-0000-0000-00000000000{round}', 'begun', 'operator');
             insert into reconcile_runs (started_at, by_whom, why, fixed, summary)
             values (now(), 'operator', 'why', false, '{{\"differ\": {round}}}');
             insert into reconcile_accepted (case_id, difference, by_whom, why)
             values ('A1111AA', 'dates', 'operator', 'why');
             insert into erasure_requests (message_id, crn, body, requested_at)
             values ('erase-{round}', 'X123456', 'body', now())"
        ))
        .execute(pool)
        .await
        .unwrap();
    }
    let journal = Journal::new(pool.clone());
    enter_until(pool, &journal, "select count(*) = 44 from journal").await;
    assert_eq!(check(pool).await.unwrap().waiting, 0);
    44
}

async fn position(pool: &PgPool, source: &str, nth: i64) -> i64 {
    sqlx::query_scalar("select position from journal where source = $1 order by position offset $2 limit 1")
        .bind(source)
        .bind(nth)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn found(pool: &PgPool) -> (i64, &'static str) {
    let finding = check(pool).await.unwrap_err();
    assert!(finding.to_string().starts_with(&format!("position {}", finding.position)), "{finding}");
    assert!(finding.to_string().contains(finding.name()), "{finding}");
    (finding.position, finding.name())
}

fn signer() -> Signer {
    Signer::new("test/journal", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap()
}

/// A checkpoint of the log as it is, kept outside.
async fn noted(pool: &PgPool) -> Checkpoint {
    let mut connection = pool.acquire().await.unwrap();
    let size = proofs::size(&mut connection).await.unwrap();
    let root = proofs::root(&mut connection, size).await.unwrap();
    Checkpoint::parse(&signer().sign(size, root, Utc::now())).unwrap()
}

fn with(kept_outside: Vec<Checkpoint>) -> VerifyRequest {
    VerifyRequest { kept_outside, ..VerifyRequest::default() }
}

/// Runs a change of a table, then checks, then puts the table back.
async fn changed(pool: &PgPool, table: &str, change: &str) -> (i64, &'static str) {
    sqlx::raw_sql(&format!("create table before as table {table}")).execute(pool).await.unwrap();
    tamper(pool, change).await;
    let found = found(pool).await;
    tamper(pool, &format!("delete from {table}; insert into {table} overriding system value table before"))
        .await;
    sqlx::raw_sql("drop table before").execute(pool).await.unwrap();
    assert!(check(pool).await.is_ok(), "{table} is put back");
    found
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_untouched_journal_is_intact_and_agrees_with_its_checkpoint(pool: PgPool) {
    let size = entered(&pool).await.cast_unsigned();
    let checkpoint = noted(&pool).await;
    let intact = check_with(&pool, &with(vec![checkpoint.clone()])).await.unwrap();
    assert_eq!((intact.events, intact.size, intact.root), (12, size, checkpoint.root));
    assert_eq!((intact.from, intact.checkpoints), (1, (0, 1)));
}

#[sqlx::test(migrations = "migrations/store")]
async fn in_every_table_an_edit_a_deletion_and_an_insertion_are_named(pool: PgPool) {
    entered(&pool).await;
    let edits = [
        "payload = jsonb_set(payload, '{pom,surname}', '\"LOVELACE\"')",
        "disposition = 'duplicate'",
        "body = 'other'",
        "reason = 'UnhandledEventType'",
        "by_whom = 'somebody else'",
        "error = 'other'",
        "case_id = 'B2222BB'",
        "why = 'another reason'",
        "by_whom = 'somebody else'",
        "summary = '{\"differ\": 0}'",
        "difference = 'another one'",
        "body = 'other'",
    ];
    for ((source, table), edit) in SOURCES.into_iter().zip(edits) {
        let second = position(&pool, source, 1).await;
        let row = format!("(xid, id) = (select xid, source_id from journal where position = {second})");
        let edited = changed(&pool, table, &format!("update {table} set {edit} where {row}")).await;
        assert_eq!(edited, (second, "edited"), "{table}");
        let deleted = changed(&pool, table, &format!("delete from {table} where {row}")).await;
        assert_eq!(deleted, (second, "missing"), "{table}");
        let time = format!("update {table} set xid = (xid::text::bigint + 1)::text::xid8 where {row}");
        assert_eq!(changed(&pool, table, &time).await, (second, "edited"), "{table}");

        let columns: String = sqlx::query_scalar(
            "select string_agg(column_name, ', ') from information_schema.columns
             where table_name = $1 and column_name not in ('id', 'message_id', 'aggregate_id', 'sequence', 'attempt')",
        )
        .bind(table)
        .fetch_one(&pool)
        .await
        .unwrap();
        let (keys, values) = match table {
            "events" => (", aggregate_id, sequence", ", 'D4444DD', 1"),
            "message_receipts" | "parked_messages" | "erasure_requests" | "waiting_decisions" => {
                (", message_id", ", 'slipped in'")
            }
            "outbox_attempts" => (", attempt", ", 77"),
            _ => ("", ""),
        };
        let insert = format!(
            "insert into {table} (id, {columns}{keys}) overriding system value
             select -1, {columns}{values} from {table} where {row}"
        );
        let (at, kind) = changed(&pool, table, &insert).await;
        assert!(kind == "inserted" && at <= second, "{table}: {at} {kind}");
        // The journal does not take it up either.
        assert_eq!(Journal::new(pool.clone()).catch_up().await.unwrap(), 0);
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn of_a_slipped_in_and_an_edited_row_the_first_is_named(pool: PgPool) {
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
    assert_eq!(found(&pool).await, (5, "edited"));
}

#[sqlx::test(migrations = "migrations/store")]
async fn swapped_rows_and_swapped_entries_are_named_at_the_first(pool: PgPool) {
    entered(&pool).await;
    let rows = "with pair as (select sequence, payload from events where aggregate_id = 'A1111AA' and sequence in (2, 4))
                update events set payload = pair.payload from pair
                where events.aggregate_id = 'A1111AA' and events.sequence = 6 - pair.sequence";
    assert_eq!(changed(&pool, "events", rows).await, (position_of(&pool, "A1111AA", 2).await, "edited"));
    let entries = "update journal set position = 1000 + position where position in (9, 17);
                   update journal set position = 1026 - position where position in (1009, 1017)";
    assert_eq!(changed(&pool, "journal", entries).await, (9, "swapped"));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_changed_entry_of_the_journal_is_named_and_its_row_is_not_suspected(pool: PgPool) {
    entered(&pool).await;
    // Another salt is not told apart from another row.
    let salt = "update journal set salt = substr(sha256('other'), 1, 16) where position = 9";
    assert_eq!(changed(&pool, "journal", salt).await, (9, "edited"));
    for change in ["leaf = sha256('other')", "salt = null", "case_id = null"] {
        let change = format!("update journal set {change} where position = 9");
        assert_eq!(changed(&pool, "journal", &change).await, (9, "hash rewritten"), "{change}");
    }
    assert_eq!(changed(&pool, "journal", "delete from journal where position = 9").await, (9, "missing"));
    let subtree = "update journal_subtrees set hash = sha256('other') where level = 4 and index = 1";
    assert_eq!(changed(&pool, "journal_subtrees", subtree).await, (17, "hash rewritten"));
    assert_eq!(
        changed(&pool, "journal_subtrees", "delete from journal_subtrees").await,
        (1, "hash rewritten")
    );
}

const EDIT: &str = "update events set payload = jsonb_set(payload, '{pom,surname}', '\"LOVELACE\"')
                    where aggregate_id = 'B2222BB' and sequence = 2";

/// Makes the entry fit the changed event, as an attacker who knows how leaves are made would.
async fn fit_leaf(pool: &PgPool) -> i64 {
    let position = position_of(pool, "B2222BB", 2).await;
    let event: EventRow = sqlx::query_as(
        "select aggregate_type, aggregate_id, sequence, event_type, event_version, payload::text as payload,
                metadata::text as metadata, id, xid::text as xid, recorded_at
         from events where aggregate_id = 'B2222BB' and sequence = 2",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let salt: Vec<u8> = sqlx::query_scalar("select salt from journal where position = $1")
        .bind(position)
        .fetch_one(pool)
        .await
        .unwrap();
    let leaf = EVENTS.leaf(&Record::of_event(&event), &salt).unwrap();
    tamper(pool, &format!("update journal set leaf = '\\x{leaf}' where position = {position}")).await;
    position
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_event_and_its_leaf_rewritten_are_found_by_the_subtree_and_all_of_it_by_a_checkpoint(
    pool: PgPool,
) {
    entered(&pool).await;
    let checkpoint = noted(&pool).await;
    tamper(&pool, EDIT).await;
    let position = fit_leaf(&pool).await;
    let finding = check(&pool).await.unwrap_err();
    assert_eq!(finding.kind, FindingKind::HashRewritten { through: 16 });
    assert!((finding.position..=16).contains(&position));

    let leaves: Vec<Vec<u8>> =
        sqlx::query_scalar("select leaf from journal where position <= 16 order by position")
            .fetch_all(&pool)
            .await
            .unwrap();
    let mut tree = tree::Frontier::default();
    for leaf in leaves {
        tree.push(
            Hash::from_hex(&leaf.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).unwrap(),
            |_, _| {},
        );
    }
    let fit =
        format!("update journal_subtrees set hash = '\\x{}' where level = 4 and index = 0", tree.root());
    tamper(&pool, &fit).await;
    assert!(check(&pool).await.is_ok(), "everything in the database fits");
    let finding = check_with(&pool, &with(vec![checkpoint])).await.unwrap_err();
    assert_eq!((finding.position, finding.kind), (1, FindingKind::Rewritten { agrees: 0 }));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_log_written_anew_is_named_after_the_last_checkpoint_that_agrees(pool: PgPool) {
    three_cases(&pool).await;
    let journal = Journal::new(pool.clone());
    enter_until(&pool, &journal.clone().with_batch(4), "select count(*) >= 4 from journal").await;
    let early = noted(&pool).await;
    enter(&pool, &journal, 12).await;
    let late = noted(&pool).await;
    // With other salts every leaf is another one. The first ones are put back as they were.
    sqlx::raw_sql(&format!("create table kept as select * from journal where position <= {}", early.size))
        .execute(&pool)
        .await
        .unwrap();
    tamper(&pool, "delete from journal; delete from journal_subtrees; insert into journal table kept").await;
    enter_until(&pool, &journal, "select count(*) = 24 from journal").await;
    // What is stored for the log begins with the kept leaves, so that only the checkpoint shows it.
    assert!(check(&pool).await.is_ok());
    let finding = check_with(&pool, &with(vec![early.clone(), late])).await.unwrap_err();
    let position = early.size.cast_signed() + 1;
    assert_eq!((finding.position, finding.kind), (position, FindingKind::Rewritten { agrees: early.size }));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_cut_off_end_is_named_with_the_help_of_a_checkpoint(pool: PgPool) {
    three_cases(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 12).await;
    let checkpoint = noted(&pool).await;
    tamper(&pool, "delete from events where aggregate_id = 'C3333CC' and sequence = 4").await;
    assert_eq!(found(&pool).await, (23, "missing"));
    tamper(&pool, "delete from journal where position = 23").await;
    assert_eq!(found(&pool).await, (23, "missing"));
    tamper(&pool, "delete from journal where position = 24").await;
    assert_eq!(found(&pool).await, (23, "missing"), "the receipt is still there");
    tamper(&pool, "delete from message_receipts where message_id = 'C3333CC-3'").await;
    assert_eq!(check(&pool).await.unwrap().size, 22);
    let finding = check_with(&pool, &with(vec![checkpoint])).await.unwrap_err();
    assert_eq!((finding.position, finding.kind), (23, FindingKind::CutOff { size: 24 }));
}

#[sqlx::test(migrations = "migrations/store")]
async fn stored_checkpoints_are_compared_and_a_changed_one_is_named(pool: PgPool) {
    let size = entered(&pool).await;
    let publisher = Publisher { signer: Some(signer().into()), ..Publisher::default() };
    let published = async { while publisher.publish_if_due(&pool).await.unwrap().is_none() {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), published).await.expect("nobody else leads");
    assert_eq!(publisher.publish_if_due(&pool).await.unwrap(), None, "not due yet");
    let request = VerifyRequest { verifiers: vec![signer().verifier().clone()], ..VerifyRequest::default() };
    assert_eq!(check_with(&pool, &request).await.unwrap().checkpoints, (1, 0));

    let other = "update checkpoints set note = replace(note, 'time 20', 'time 19')";
    tamper(&pool, other).await;
    let finding = check_with(&pool, &request).await.unwrap_err();
    assert_eq!((finding.position, finding.kind), (size, FindingKind::CheckpointForged));
    let forger = Signer::new("test/journal", "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=").unwrap();
    let forged = forger.sign(size.cast_unsigned(), Hash::of(b"other"), Utc::now());
    tamper(&pool, &format!("update checkpoints set note = '{forged}'")).await;
    assert_eq!(check_with(&pool, &request).await.unwrap_err().kind, FindingKind::CheckpointForged);
    assert_eq!(
        check(&pool).await.unwrap_err().name(),
        "rewritten",
        "its root is another one, whoever signed it"
    );
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_empty_journal_over_rows_is_an_error(pool: PgPool) {
    assert_eq!(check(&pool).await.unwrap().size, 0);
    entered(&pool).await;
    tamper(&pool, "delete from journal; delete from journal_subtrees").await;
    let finding = check(&pool).await.unwrap_err();
    assert_eq!((finding.position, finding.kind), (1, FindingKind::Empty { rows: 44 }));
}
