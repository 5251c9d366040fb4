//! The auditor's commands as they are run: what they print and how they exit.

use std::path::PathBuf;

use manage_pom_cases_and_delius::audit::journal::{Journal, checkpoint::Signer, publish::Publisher};
use serde_json::Value;
use sqlx::{ConnectOptions, PgPool};
use tokio::process::Command;

use crate::helpers::audit::{enter, first_write, noms, settle, tamper, three_cases};

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) async fn run(pool: &PgPool, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_manage-pom-cases-and-delius"))
        .args(arguments)
        .env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
        .env("USER", "auditor")
        .env("RUST_LOG", "warn")
        .env_remove("DELIUS_DATABASE_URL")
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A file of its own for the checkpoints of one test.
struct CheckpointFile(PathBuf);

impl CheckpointFile {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("checkpoints-{}", uuid::Uuid::now_v7())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for CheckpointFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_history_is_printed_and_its_reading_recorded(pool: PgPool) {
    three_cases(&pool).await;
    let table = run(&pool, &["history", "a1111aa"]).await;
    assert_eq!((table.code, table.err.as_str()), (0, ""));
    assert!(table.out.contains("ADA BYRON103 (103), LEI, since 04/07/2026 10:00:00"), "{}", table.out);
    let json = run(&pool, &["history", "A1111AA", "--as-of", "2026-07-02", "--format", "json"]).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["answer"]["holder"]["staffCode"], 101);
    let readers: Vec<String> =
        sqlx::query_scalar("select by_whom || ' ' || format from access_log order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(readers, ["auditor table", "auditor json"]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_cannot_be_answered_is_told_in_one_line(pool: PgPool) {
    let unknown = run(&pool, &["history", "Z9999ZZ"]).await;
    assert_eq!(
        (unknown.code, unknown.err.as_str()),
        (1, "error: nothing is recorded for NOMS number Z9999ZZ\n")
    );
    let by_crn = run(&pool, &["history", "X123456"]).await;
    assert_eq!(by_crn.code, 2);
    assert!(by_crn.err.starts_with("error: DELIUS_DATABASE_URL: not set"), "{}", by_crn.err);
    assert_eq!(run(&pool, &["replay", "Z9999ZZ"]).await.code, 1);
    assert_eq!(run(&pool, &["history", "A1111AA", "--as-of", "yesterday"]).await.code, 2);
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_entry_is_explained_and_found_by_its_row(pool: PgPool) {
    three_cases(&pool).await;
    settle(&pool, &noms("A1111AA"), 4, 1, "77").await;
    let explained = run(&pool, &["history", "A1111AA", "--explain", "1"]).await;
    assert!(explained.out.contains("SNS message   A1111AA-0"), "{}", explained.out);
    assert!(explained.out.contains("prison_offender_manager:77 inserted, version 1"), "{}", explained.out);
    let by_row = run(&pool, &["history", "--delius-row", "prison_offender_manager:77"]).await;
    assert_eq!(by_row.out, explained.out);
    assert_eq!(run(&pool, &["history", "A1111AA", "--explain", "99"]).await.code, 1);
    for format in ["csv", "html"] {
        let other = run(&pool, &["history", "A1111AA", "--explain", "1", "--format", format]).await;
        let said = "error: --format: an entry is explained as table or json only\n";
        assert_eq!((other.code, other.out.as_str(), other.err.as_str()), (2, "", said));
    }
    assert_eq!(run(&pool, &["history", "--delius-row", "contact:77"]).await.code, 1);
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_differs_between_two_dates_is_shown_and_its_reading_recorded(pool: PgPool) {
    three_cases(&pool).await;
    let dates = ["history", "A1111AA", "--diff", "2026-07-01", "2026-07-03"];
    let table = run(&pool, &dates).await;
    assert_eq!(table.code, 0, "{}", table.err);
    for said in [
        "ADA BYRON100 (100), LEI, since 01/07/2026 10:00:00",
        "ADA BYRON102 (102), LEI, since 03/07/2026 10:00:00",
        "holder: another; handover dates: the same",
        "What happened in between: 2 entries",
        "What was recorded in between about the time before: 0 entries",
    ] {
        assert!(table.out.contains(said), "{said}: {}", table.out);
    }
    let json = run(&pool, &[&dates[..], &["--format", "json"]].concat()).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["before"]["holder"]["staffCode"], 100);
    assert_eq!(json["happened"][1]["position"], 3);
    for (more, said) in [
        (["--format", "csv"], "error: --format: a difference is shown as table or json only\n"),
        (["--format", "html"], "error: --format: a difference is shown as table or json only\n"),
    ] {
        assert_eq!(run(&pool, &[&dates[..], &more].concat()).await.err, said);
    }
    let turned = run(&pool, &["history", "A1111AA", "--diff", "2026-07-03", "2026-07-01"]).await;
    assert_eq!(turned.err, "error: --diff: the first time is after the second one\n");
    let readings: Vec<String> =
        sqlx::query_scalar("select action || ' ' || format from access_log order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(readings, ["difference table", "difference json"]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn whoever_is_shown_a_write_or_a_parked_message_is_recorded(pool: PgPool) {
    three_cases(&pool).await;
    sqlx::raw_sql(
        "insert into parked_messages (message_id, case_id, reason, detail, body, body_sha256, received_at)
         values ('p', 'A1111AA', 'InvalidMessage', 'd', 'bytes', '', now())",
    )
    .execute(&pool)
    .await
    .unwrap();
    let write = first_write(&pool, &noms("A1111AA"), 3).await.to_string();
    for arguments in [["outbox", "show", &write, "--by", "reader"], ["parked", "show", "1", "--by", "reader"]]
    {
        let shown = run(&pool, &arguments).await;
        assert_eq!(shown.code, 0, "{}", shown.err);
    }
    let readings: Vec<(String, String, Option<String>, Option<i64>)> =
        sqlx::query_as("select by_whom, action, case_id, position from access_log order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let of =
        |action: &str, position| ("reader".into(), action.into(), Some("A1111AA".into()), Some(position));
    assert_eq!(readings, [of("write", 3), of("parkedMessage", 1)]);
    let nobody = run(&pool, &["outbox", "show", &write, "--by", "unknown"]).await;
    assert_eq!(nobody.code, 2, "{}", nobody.out);
}

#[sqlx::test(migrations = "migrations/store")]
async fn verify_and_replay_exit_with_what_they_found(pool: PgPool) {
    three_cases(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 12).await;
    let signer = Signer::new("test/journal", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
    let key = signer.verifier().to_string();
    let file = CheckpointFile::new();
    let publisher =
        Publisher { signer: Some(signer.into()), file: Some(file.path().into()), ..Publisher::default() };
    while publisher.publish_if_due(&pool).await.unwrap().is_none() {}
    let intact = run(&pool, &["verify"]).await;
    assert_eq!(intact.code, 0, "{}{}", intact.out, intact.err);
    assert!(intact.out.starts_with("intact: 12 events, 24 entries\n"), "{}", intact.out);
    assert!(intact.out.contains("NO CHECKPOINT FROM OUTSIDE was given"), "{}", intact.out);
    let with = ["verify", "--checkpoint", file.path(), "--key", &key];
    let again = run(&pool, &with).await;
    assert!(again.out.contains("agrees with 1 checkpoints of the store\n"), "{}{}", again.out, again.err);
    assert!(again.out.contains("only grew since 1 checkpoints kept outside"), "{}", again.out);
    let replayed = run(&pool, &["replay", "--all"]).await;
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    assert!(replayed.out.starts_with("identical: 12 events mean the 12 writes"), "{}", replayed.out);

    tamper(
        &pool,
        "delete from journal where position > 20;
         delete from events e where not exists (select from journal j where j.source = 'event' and j.source_id = e.id);
         delete from message_receipts r
         where not exists (select from events e where e.metadata ->> 'messageId' = r.message_id);
         delete from checkpoints",
    )
    .await;
    assert_eq!(run(&pool, &["verify"]).await.code, 0, "a cut-off end shows by a checkpoint only");
    let cut_off = run(&pool, &with).await;
    assert_eq!(cut_off.code, 1);
    assert!(cut_off.out.starts_with("not intact: first at position 21: cut off."), "{}", cut_off.out);
    let replayed = run(&pool, &["replay", "--all"]).await;
    assert_eq!(replayed.code, 1, "two writes have lost their events");

    let rebuilt = run(&pool, &["rebuild"]).await;
    assert_eq!(rebuilt.code, 1, "a rebuild adds; it does not take away what it cannot explain");
    let forged = std::fs::read_to_string(file.path()).unwrap().replace("time 20", "time 19");
    for (text, said) in
        [("nonsense", "not a checkpoint"), (forged.as_str(), "the signature of the checkpoint is wrong")]
    {
        std::fs::write(file.path(), text).unwrap();
        let refused = run(&pool, &with).await;
        assert!(refused.code == 1 && refused.err.contains(said), "{}", refused.err);
    }
}
