//! The outbox table: the statements that add to it, claim from it and change it. Those that belong to an append
//! run in the transaction of the append.
//!
//! Architecture invariant: every change after the claim is guarded by (id, attempt, state), so a worker that was
//! paused beyond its lease changes nothing when it wakes up.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    case::{AddressedWrite, DeliusWrite, NomsNumber, WriteRef},
    trace::{TRACEPARENT, TraceContext},
};

/// Under this name the metadata of an event hold the message that it goes back to.
pub const MESSAGE_ID: &str = "messageId";

/// How a row leaves or re-enters the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The claimed attempt settled it.
    Done {
        /// The attempt that claimed it.
        attempt: u32,
    },
    /// The claimed attempt gave it up: an operator has to look.
    Parked {
        /// The attempt that claimed it.
        attempt: u32,
    },
    /// An operator has a parked row go on.
    Resumed,
    /// An operator gave a parked row up.
    Skipped,
}

impl Transition {
    /// The state in which the row has to be.
    pub fn before(self) -> &'static str {
        match self {
            Self::Done { .. } | Self::Parked { .. } => "pending",
            Self::Resumed | Self::Skipped => "parked",
        }
    }

    /// The attempt that has to be the last one.
    pub fn attempt(self) -> Option<u32> {
        match self {
            Self::Done { attempt } | Self::Parked { attempt } => Some(attempt),
            Self::Resumed | Self::Skipped => None,
        }
    }

    /// The state in which it leaves the row.
    pub fn after(self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Parked { .. } => "parked",
            Self::Resumed => "pending",
            Self::Skipped => "skipped",
        }
    }
}

/// A row that this worker holds until its lease ends.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The write.
    pub write: AddressedWrite,
    /// Its place in the case.
    pub reference: WriteRef,
    /// The attempt that this claim is, from 1.
    pub attempt: u32,
    /// Attempts so far that failed for an unknown reason.
    pub unknown_failures: u32,
    /// The last error, and for how long it has been the same.
    pub failing: Option<(String, Duration)>,
    /// The trace that it belongs to: that of its event.
    pub trace: TraceContext,
    /// The message that its event goes back to, if it goes back to one.
    pub message_id: Option<String>,
    /// When the write was derived.
    pub derived_at: DateTime<Utc>,
    /// Whether anything is recorded about the identifiers of the person: only then the person may have another number.
    pub identity_known: bool,
}

/// After so many attempts that failed for no reason we know, the service parks a write.
pub const PARK_AFTER: u32 = 8;

/// The attempt that a lease which ran out stands for.
const LOST: &str = "the attempt ended without a result: its process died, or could not reach the store";

const CLAIM: &str = include_str!("claim.sql");

/// Claims up to `limit` heads that are due: of each case only the lowest unfinished row, and none whose lease is running.
///
/// A lease that ran out means an attempt that nobody has heard of again. It counts as one that failed for an unknown
/// reason: a write that crashes its process must not do so for ever.
pub async fn claim(pool: &PgPool, worker: &str, limit: u32, lease: Duration) -> sqlx::Result<Vec<Claim>> {
    let rows = sqlx::query(CLAIM)
        .bind(i64::from(limit))
        .bind(worker)
        .bind(lease.as_secs_f64())
        .bind(LOST)
        .fetch_all(pool)
        .await?;
    let mut claims = vec![];
    for row in &rows {
        match claimed(row) {
            Ok(claim) => claims.push(claim),
            Err(error) => leave(pool, worker, row, lease, &error).await?,
        }
    }
    Ok(claims)
}

/// A row that this version cannot read (a newer one is being rolled out) is put back for the time of a lease: whoever
/// can read it claims it then, and the other cases go on meanwhile. That it was not read is no reason to park it.
async fn leave(
    pool: &PgPool,
    worker: &str,
    row: &PgRow,
    delay: Duration,
    error: &sqlx::Error,
) -> sqlx::Result<()> {
    let (id, attempt): (Uuid, i32) = (row.try_get("id")?, row.try_get("attempt")?);
    tracing::error!(%error, write_id = %id, "this version cannot read a write of the outbox; left to another");
    put_back(pool, (id, attempt), worker, "this version cannot read the write; left to another", true, delay)
        .await
        .map(|_| ())
}

fn claimed(row: &PgRow) -> sqlx::Result<Claim> {
    let noms: String = row.try_get("case_id")?;
    let noms: NomsNumber = noms.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let Json(write): Json<DeliusWrite> = row.try_get("intent")?;
    let id: Uuid = row.try_get("id")?;
    let cause: Option<Json<BTreeMap<String, String>>> = row.try_get("cause")?;
    let mut cause = cause.unwrap_or_default().0;
    let trace = cause.get(TRACEPARENT).and_then(|text| TraceContext::parse(text));
    Ok(Claim {
        trace: trace.unwrap_or_else(|| TraceContext::of_identity(&id.to_string())),
        message_id: cause.remove(MESSAGE_ID),
        write: AddressedWrite { id, noms, write },
        reference: WriteRef {
            sequence: row.try_get::<i64, _>("sequence")?.cast_unsigned(),
            ordinal: row.try_get::<i32, _>("ordinal")?.cast_unsigned(),
        },
        attempt: row.try_get::<i32, _>("attempt")?.cast_unsigned(),
        unknown_failures: row.try_get::<i32, _>("unknown_failures")?.cast_unsigned(),
        failing: failing(row)?,
        derived_at: row.try_get("created_at")?,
        identity_known: row.try_get("identity_known")?,
    })
}

fn failing(row: &PgRow) -> sqlx::Result<Option<(String, Duration)>> {
    let (error, seconds): (Option<String>, Option<f64>) =
        (row.try_get("last_error")?, row.try_get("failing_seconds")?);
    Ok(error.zip(seconds).map(|(error, seconds)| (error, Duration::from_secs_f64(seconds.max(0.0)))))
}

/// Renews the lease of a claim; `false` when it was lost.
pub async fn renew(pool: &PgPool, claim: &Claim, lease: Duration) -> sqlx::Result<bool> {
    let changed = sqlx::query(
        "update outbox
         set lease_until = clock_timestamp() + make_interval(secs => $3),
             available_at = clock_timestamp() + make_interval(secs => $3)
         where id = $1 and attempt = $2 and state = 'pending'",
    )
    .bind(claim.write.id)
    .bind(claim.attempt.cast_signed())
    .bind(lease.as_secs_f64())
    .execute(pool)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Gives a claimed row back, to be claimed by anybody at once; `false` when the lease was lost.
pub async fn release(pool: &PgPool, claim: &Claim) -> sqlx::Result<bool> {
    let changed = sqlx::query(
        "update outbox set lease_until = null, leased_by = null, available_at = clock_timestamp()
         where id = $1 and attempt = $2 and state = 'pending'",
    )
    .bind(claim.write.id)
    .bind(claim.attempt.cast_signed())
    .execute(pool)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Puts a claimed row back for later and keeps the failed attempt; `false` when the lease was lost.
pub async fn defer(
    pool: &PgPool,
    claim: &Claim,
    worker: &str,
    error: &str,
    known: bool,
    delay: Duration,
) -> sqlx::Result<bool> {
    put_back(pool, (claim.write.id, claim.attempt.cast_signed()), worker, error, known, delay).await
}

async fn put_back(
    pool: &PgPool,
    (id, attempt): (Uuid, i32),
    worker: &str,
    error: &str,
    known: bool,
    delay: Duration,
) -> sqlx::Result<bool> {
    let changed = sqlx::query(
        "with deferred as (
             update outbox
             set lease_until = null, leased_by = null, last_error = $4,
                 failing_since = case when last_error is not distinct from $4
                                      then coalesce(failing_since, clock_timestamp()) else clock_timestamp() end,
                 unknown_failures = unknown_failures + $5,
                 available_at = clock_timestamp() + make_interval(secs => $6)
             where id = $1 and attempt = $2 and state = 'pending'
             returning id, attempt),
         kept as (
             insert into outbox_attempts (outbox_id, attempt, worker, error)
             select id, attempt, $3, $4 from deferred on conflict do nothing)
         select id from deferred",
    )
    .bind(id)
    .bind(attempt)
    .bind(worker)
    .bind(error)
    .bind(i32::from(!known))
    .bind(delay.as_secs_f64())
    .execute(pool)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Keeps the failed attempt of a claim that is about to be parked.
pub async fn note(pool: &PgPool, claim: &Claim, worker: &str, error: &str) -> sqlx::Result<()> {
    sqlx::query(
        "with noted as (
             update outbox set last_error = $4 where id = $1 and attempt = $2 and state = 'pending'
             returning id, attempt)
         insert into outbox_attempts (outbox_id, attempt, worker, error)
         select id, attempt, $3, $4 from noted on conflict do nothing",
    )
    .bind(claim.write.id)
    .bind(claim.attempt.cast_signed())
    .bind(worker)
    .bind(error)
    .execute(pool)
    .await?;
    Ok(())
}

/// What waits in the outbox, for health and metrics.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Backlog {
    /// Rows that wait or are being applied.
    pub pending: i64,
    /// Rows that wait for an operator; each blocks its case.
    pub parked: i64,
    /// Rows that wait although they are due to be parked: not even that could be recorded. Each blocks its case.
    pub stuck: i64,
    /// When the oldest unfinished row was derived.
    pub oldest: Option<DateTime<Utc>>,
}

/// Counts what waits.
pub async fn backlog(pool: &PgPool) -> sqlx::Result<Backlog> {
    sqlx::query_as(
        "select count(*) filter (where state = 'pending') as pending,
                count(*) filter (where state = 'parked') as parked,
                count(*) filter (where state = 'pending' and unknown_failures >= $1) as stuck,
                min(created_at) as oldest
         from outbox where state in ('pending', 'parked')",
    )
    .bind(PARK_AFTER.cast_signed())
    .fetch_one(pool)
    .await
}

/// That the event `refused` says of a write that it was refused, and no later event of the case that it was settled
/// otherwise or is made again under that event: an operator's retry names it, a link to a person writes everything again.
pub(super) const STILL_REFUSED: &str = "refused.event_type = 'DeliusWriteRefused' and not exists (
    select from events later
    where later.aggregate_type = refused.aggregate_type and later.aggregate_id = refused.aggregate_id
      and later.sequence > refused.sequence
      and case
          when later.event_type in ('DeliusUpdated', 'DeliusUnchanged', 'DeliusWriteRetried')
              then later.payload->'write' = refused.payload->'write'
          when later.event_type in ('IdentifierLinked', 'IdentityChanged')
              then jsonb_array_length(later.payload->'released') > 0
          when later.event_type = 'WritesReasserted'
              then later.payload->'released' @> jsonb_build_array(refused.payload->'intent')
      end)";

/// How many writes were refused and neither applied nor made again since.
pub async fn refused_count(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar(&format!(
        "select count(distinct (refused.aggregate_id, refused.payload->'write')) from events refused
         where {STILL_REFUSED}"
    ))
    .fetch_one(pool)
    .await
}

/// How many writes of the case wait for their turn (and not for an operator).
pub async fn waiting_of(pool: &PgPool, noms: &NomsNumber) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "select count(*) from outbox o
         where case_id = $1 and state = 'pending' and not exists (
             select from outbox parked
             where parked.case_id = o.case_id and parked.state = 'parked'
               and (parked.sequence, parked.ordinal) < (o.sequence, o.ordinal))",
    )
    .bind(noms.as_str())
    .fetch_one(pool)
    .await
}
