//! The outbox as operators and auditors see it.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

/// A row of the outbox.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct OutboxRow {
    /// Id of the write.
    pub id: Uuid,
    /// NOMS number.
    pub case_id: String,
    /// Sequence of the event that it was derived from.
    pub sequence: i64,
    /// Place among the writes of that event.
    pub ordinal: i32,
    /// Kind of write.
    pub kind: String,
    /// What is to be written.
    pub intent: Json<serde_json::Value>,
    /// `pending`, `done`, `parked` or `skipped`.
    pub state: String,
    /// Attempts so far.
    pub attempt: i32,
    /// Last error, without personal data.
    pub last_error: Option<String>,
    /// When it was derived.
    pub created_at: DateTime<Utc>,
    /// When it is due.
    pub available_at: DateTime<Utc>,
    /// When it was finished.
    pub finished_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "id, case_id, sequence, ordinal, kind, intent, state, attempt, last_error, created_at,
                       available_at, finished_at";

/// The rows that wait, oldest first; finished ones only when `all`.
pub async fn list(pool: &PgPool, all: bool) -> sqlx::Result<Vec<OutboxRow>> {
    sqlx::query_as(&format!(
        "select {COLUMNS} from outbox where $1 or state in ('pending', 'parked')
         order by created_at, case_id, sequence, ordinal"
    ))
    .bind(all)
    .fetch_all(pool)
    .await
}

/// One row.
pub async fn find(pool: &PgPool, id: Uuid) -> sqlx::Result<Option<OutboxRow>> {
    sqlx::query_as(&format!("select {COLUMNS} from outbox where id = $1")).bind(id).fetch_optional(pool).await
}

/// A failed attempt.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: i32,
    /// Who made it.
    pub worker: String,
    /// What went wrong, without personal data.
    pub error: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// The failed attempts of a write, oldest first.
pub async fn attempts(pool: &PgPool, id: Uuid) -> sqlx::Result<Vec<Attempt>> {
    sqlx::query_as(
        "select attempt, worker, error, at from outbox_attempts where outbox_id = $1 order by attempt",
    )
    .bind(id)
    .fetch_all(pool)
    .await
}
