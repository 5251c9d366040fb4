//! The table of runs.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::case::NomsNumber;

/// First of the two numbers of the advisory lock that one process at a time holds: "bulk" in ASCII.
const LOCK: i32 = 0x6275_6c6b;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct BulkRun {
    /// Its id.
    pub id: Uuid,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// NOMS number up to which every message is enqueued.
    pub cursor: Option<String>,
    /// Messages enqueued so far.
    pub handed_over: i64,
    /// Messages that could not be accepted for a fault of ours.
    pub not_accepted: i64,
}

impl BulkRun {
    /// Where the run continues.
    pub fn cursor(&self) -> Option<NomsNumber> {
        self.cursor.as_ref().and_then(|cursor| cursor.parse().ok())
    }
}

/// The lock on the runs of one kind; released when it is dropped.
pub struct RunLock {
    _session: PgConnection,
}

/// Takes the lock; `None` when another process has it.
pub async fn lock_run(pool: &PgPool, dry_run: bool) -> sqlx::Result<Option<RunLock>> {
    // A separate session: the lock ends with it, however this process ends.
    let mut session = PgConnection::connect_with(&pool.connect_options()).await?;
    let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1, $2)")
        .bind(LOCK)
        .bind(i32::from(dry_run))
        .fetch_one(&mut session)
        .await?;
    Ok(taken.then_some(RunLock { _session: session }))
}

/// The unfinished run of this kind, or a new one; `true` when it is resumed.
pub async fn resume_or_begin(pool: &PgPool, dry_run: bool) -> sqlx::Result<(BulkRun, bool)> {
    let unfinished = sqlx::query_as(
        "select id, dry_run, started_at, cursor, handed_over, not_accepted
         from bulk_runs where dry_run = $1 and finished_at is null",
    )
    .bind(dry_run)
    .fetch_optional(pool)
    .await?;
    if let Some(run) = unfinished {
        return Ok((run, true));
    }
    let begun = sqlx::query_as(
        "insert into bulk_runs (id, dry_run, started_at)
         values ($1, $2, date_trunc('second', clock_timestamp()))
         returning id, dry_run, started_at, cursor, handed_over, not_accepted",
    )
    .bind(Uuid::now_v7())
    .bind(dry_run)
    .fetch_one(pool)
    .await?;
    Ok((begun, false))
}

/// Abandons the unfinished run of this kind, so that the next one is new; returns whether there was one.
pub async fn abandon(pool: &PgPool, dry_run: bool) -> sqlx::Result<bool> {
    let abandoned = sqlx::query(
        "update bulk_runs set finished_at = clock_timestamp(), abandoned = true
         where dry_run = $1 and finished_at is null",
    )
    .bind(dry_run)
    .execute(pool)
    .await?;
    Ok(abandoned.rows_affected() > 0)
}

/// Advances the cursor past one NOMS number, whose message was enqueued or could not be accepted.
pub(crate) async fn advance(pool: &PgPool, run: &BulkRun, noms: &NomsNumber) -> sqlx::Result<()> {
    sqlx::query("update bulk_runs set cursor = $2, handed_over = $3, not_accepted = $4 where id = $1")
        .bind(run.id)
        .bind(noms.as_str())
        .bind(run.handed_over)
        .bind(run.not_accepted)
        .execute(pool)
        .await?;
    Ok(())
}

/// Records who set the run going, and why.
pub async fn decided(
    pool: &PgPool,
    run: &BulkRun,
    decision: &str,
    (by_whom, why): (&str, Option<&str>),
) -> sqlx::Result<()> {
    sqlx::query("insert into bulk_decisions (run_id, decision, by_whom, why) values ($1, $2, $3, $4)")
        .bind(run.id)
        .bind(decision)
        .bind(by_whom)
        .bind(why)
        .execute(pool)
        .await?;
    Ok(())
}

/// Marks the run as finished.
pub async fn finish(pool: &PgPool, run: &BulkRun) -> sqlx::Result<()> {
    sqlx::query("update bulk_runs set finished_at = clock_timestamp() where id = $1")
        .bind(run.id)
        .execute(pool)
        .await?;
    Ok(())
}
