//! What operators see of the waiting messages, and what they decide.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use crate::{case::NomsNumber, database, outbox::view::Select};

/// A waiting message without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct WaitingSummary {
    pub id: i64,
    pub message_id: String,
    pub event_type: Option<String>,
    pub case_id: Option<String>,
    /// The dependency that it waits for, if it is one.
    pub dependency: Option<String>,
    /// Why the last attempt failed.
    pub last_answer: String,
    pub attempts: i32,
    pub received_at: DateTime<Utc>,
    pub next_attempt_at: DateTime<Utc>,
}

const SUMMARY: &str =
    "select id, message_id, event_type, case_id, dependency, last_answer, attempts, received_at,
         next_attempt_at from waiting_messages";

/// The waiting messages that match, in the order in which they began to wait. The reason is looked for in the last
/// answer and in the dependency.
pub async fn list(pool: &PgPool, select: &Select) -> sqlx::Result<Vec<WaitingSummary>> {
    sqlx::query_as(&format!(
        "{SUMMARY} where ($1::text[] is null or case_id = any($1))
           and ($2::text is null or strpos(lower(concat(last_answer, ' ', dependency)), lower($2)) > 0)
           and ($3::timestamptz is null or received_at >= $3)
         order by id limit $4"
    ))
    .bind(&select.case)
    .bind(&select.reason)
    .bind(select.since)
    .bind(i64::from(select.limit))
    .fetch_all(pool)
    .await
}

/// Those that name this NOMS number.
pub async fn of_case(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<Vec<WaitingSummary>> {
    sqlx::query_as(&format!("{SUMMARY} where case_id = $1 order by id"))
        .bind(noms.as_str())
        .fetch_all(connection)
        .await
}

/// One waiting message.
pub async fn find(pool: &PgPool, id: i64) -> sqlx::Result<Option<WaitingSummary>> {
    sqlx::query_as(&format!("{SUMMARY} where id = $1")).bind(id).fetch_optional(pool).await
}

/// How many wait, and since when the oldest does.
pub async fn backlog(pool: &PgPool) -> sqlx::Result<(i64, Option<DateTime<Utc>>)> {
    sqlx::query_as("select count(*), min(waiting_since) from waiting_messages").fetch_one(pool).await
}

/// What an operator can decide on a waiting message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingDecision {
    /// It is tried again now.
    Retry,
    /// It is parked and tried no more.
    Park,
}

/// Carries a decision out. `false` when the message does not wait any more.
pub async fn decide(
    pool: &PgPool,
    id: i64,
    decision: WaitingDecision,
    by_whom: &str,
    why: &str,
) -> sqlx::Result<bool> {
    let mut transaction = database::begin(pool).await?;
    let (name, statement) = match decision {
        WaitingDecision::Retry => (
            "retried",
            "update waiting_messages set next_attempt_at = clock_timestamp() where id = $1 returning message_id",
        ),
        WaitingDecision::Park => (
            "parked",
            "with gone as (delete from waiting_messages where id = $1 returning *)
             insert into parked_messages
                 (message_id, event_type, case_id, reason, detail, body, body_sha256, attributes, received_at)
             select message_id, event_type, case_id, 'ParkedByOperator', last_answer, body, body_sha256, attributes,
                    received_at
             from gone
             on conflict (message_id) do update
             set state = 'parked', reason = excluded.reason, detail = excluded.detail
             returning message_id",
        ),
    };
    let message_id: Option<String> =
        sqlx::query_scalar(statement).bind(id).fetch_optional(&mut *transaction).await?;
    let Some(message_id) = message_id else { return Ok(false) };
    sqlx::query("insert into waiting_decisions (message_id, decision, by_whom, why) values ($1, $2, $3, $4)")
        .bind(message_id)
        .bind(name)
        .bind(by_whom)
        .bind(why)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}
