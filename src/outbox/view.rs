//! The outbox as operators and auditors see it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::table::STILL_REFUSED;
use crate::case::NomsNumber;

/// A row of the outbox.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
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
    /// Name of the last outcome, once there is one.
    pub outcome: Option<String>,
}

/// What an operator looks for. Absent: anything.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// NOMS numbers of one person.
    pub case: Option<Vec<String>>,
    /// Text that the reason, the error or the outcome contains.
    pub reason: Option<String>,
    /// State. Without one: what waits for something.
    pub state: Option<String>,
    /// Not older than this.
    pub since: Option<DateTime<Utc>>,
    /// At most so many.
    pub limit: u32,
}

const COLUMNS: &str = "id, case_id, sequence, ordinal, kind, intent, state, attempt, last_error, created_at,
    available_at, finished_at,
    (select settled.payload->'outcome'->>'name' from events settled
     where settled.aggregate_type = 'case' and settled.aggregate_id = outbox.case_id
       and settled.event_type in ('DeliusUpdated', 'DeliusUnchanged', 'DeliusWriteRefused')
       and settled.payload->'write' = jsonb_build_object('sequence', outbox.sequence, 'ordinal', outbox.ordinal)
     order by settled.sequence desc limit 1) as outcome";

/// The rows that match, oldest first. Without a state: those that wait, for their turn or for an operator; with
/// `every` as the state, finished ones too.
pub async fn list(pool: &PgPool, select: &Select) -> sqlx::Result<Vec<OutboxRow>> {
    sqlx::query_as(&format!(
        "select * from (select {COLUMNS} from outbox
             where case $1 when 'every' then true when 'waiting' then state in ('pending', 'parked') else state = $1 end
               and ($2::text[] is null or case_id = any($2)) and ($4::timestamptz is null or created_at >= $4)) as found
         where $3::text is null or strpos(lower(last_error), lower($3)) > 0 or strpos(lower(outcome), lower($3)) > 0
         order by created_at, case_id, sequence, ordinal limit $5"
    ))
    .bind(select.state.as_deref().unwrap_or("waiting"))
    .bind(&select.case)
    .bind(&select.reason)
    .bind(select.since)
    .bind(i64::from(select.limit))
    .fetch_all(pool)
    .await
}

/// A write that was refused and not applied since.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct RefusedWrite {
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
    /// Why: the name of the outcome.
    pub outcome: String,
    /// When it was refused last.
    pub refused_at: DateTime<Utc>,
}

/// Those that match, oldest first.
pub async fn refused(pool: &PgPool, select: &Select) -> sqlx::Result<Vec<RefusedWrite>> {
    sqlx::query_as(&format!(
        "select * from (
             select distinct on (o.id) o.id, o.case_id, o.sequence, o.ordinal, o.kind,
                    refused.payload->'outcome'->>'name' as outcome, refused.recorded_at as refused_at
             from events refused
             join outbox o on o.case_id = refused.aggregate_id
                          and o.sequence = (refused.payload->'write'->>'sequence')::bigint
                          and o.ordinal = (refused.payload->'write'->>'ordinal')::integer
             where {STILL_REFUSED} and ($1::text[] is null or refused.aggregate_id = any($1))
             order by o.id, refused.sequence desc) as found
         where ($2::text is null or strpos(lower(outcome), lower($2)) > 0)
           and ($3::timestamptz is null or refused_at >= $3)
         order by refused_at, case_id limit $4"
    ))
    .bind(&select.case)
    .bind(&select.reason)
    .bind(select.since)
    .bind(i64::from(select.limit))
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

/// Where a write stands on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It waits for its turn, or is being applied.
    Waiting,
    /// It waits behind a parked write of its case.
    Blocked,
    /// It waits for an operator.
    Parked,
    /// An operator gave it up.
    Skipped,
    /// It was applied or refused.
    Finished,
}

/// How many of the writes that were derived from these events (case and sequence) stand where.
pub async fn standings(pool: &PgPool, events: &[(NomsNumber, u64)]) -> sqlx::Result<Vec<(Standing, u64)>> {
    let cases: Vec<&str> = events.iter().map(|(noms, _)| noms.as_str()).collect();
    let sequences: Vec<i64> = events.iter().map(|(_, sequence)| sequence.cast_signed()).collect();
    let counted: Vec<(String, i64)> = sqlx::query_as(
        "select case when o.state = 'pending' and exists (
                     select from outbox lower
                     where lower.case_id = o.case_id and lower.state = 'parked'
                       and (lower.sequence, lower.ordinal) < (o.sequence, o.ordinal))
                 then 'blocked' else o.state end as standing,
                count(*)
         from unnest($1::text[], $2::bigint[]) as derived (case_id, sequence)
         join outbox o using (case_id, sequence)
         group by standing",
    )
    .bind(cases)
    .bind(sequences)
    .fetch_all(pool)
    .await?;
    let standing = |state: &str| match state {
        "blocked" => Standing::Blocked,
        "parked" => Standing::Parked,
        "skipped" => Standing::Skipped,
        "done" => Standing::Finished,
        _ => Standing::Waiting,
    };
    Ok(counted.into_iter().map(|(state, count)| (standing(&state), count.cast_unsigned())).collect())
}

/// The parked writes of a case, which block the later ones.
pub async fn parked_of(pool: &PgPool, noms: &NomsNumber) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select id from outbox where case_id = $1 and state = 'parked' order by sequence, ordinal",
    )
    .bind(noms.as_str())
    .fetch_all(pool)
    .await
}
