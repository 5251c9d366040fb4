//! The outbox table: the statements that add to it, claim from it and change it. Those that belong to an append
//! run in the transaction of the append.
//!
//! Architecture invariant: every change after the claim is guarded by (id, attempt, state), so a worker that was
//! paused beyond its lease changes nothing when it wakes up.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::projector;
use crate::case::{AddressedWrite, DeliusWrite, NomsNumber, WriteRef};

/// Adds the writes derived from one event. Adding them again changes nothing.
pub async fn insert(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    writes: &[(WriteRef, DeliusWrite)],
) -> sqlx::Result<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = writes.iter().map(|(write, _)| projector::write_id(noms, *write)).collect();
    let sequences: Vec<i64> = writes.iter().map(|(write, _)| write.sequence.cast_signed()).collect();
    let ordinals: Vec<i32> = writes.iter().map(|(write, _)| write.ordinal.cast_signed()).collect();
    let kinds: Vec<&str> = writes.iter().map(|(_, intent)| projector::kind(intent)).collect();
    let intents: Vec<Json<&DeliusWrite>> = writes.iter().map(|(_, intent)| Json(intent)).collect();
    sqlx::query(
        "insert into outbox (id, case_id, sequence, ordinal, kind, intent)
         select id, $1, sequence, ordinal, kind, intent
         from unnest($2::uuid[], $3::bigint[], $4::integer[], $5::text[], $6::jsonb[])
              as derived (id, sequence, ordinal, kind, intent)
         on conflict (id) do nothing",
    )
    .bind(noms.as_str())
    .bind(ids)
    .bind(sequences)
    .bind(ordinals)
    .bind(kinds)
    .bind(intents)
    .execute(connection)
    .await?;
    Ok(())
}

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

/// Changes the state of one row; `false` when the row is not (any more) in the state that allows it.
pub async fn transition(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    write: WriteRef,
    transition: Transition,
) -> sqlx::Result<bool> {
    let (from, attempt, to) = match transition {
        Transition::Done { attempt } => ("pending", Some(attempt.cast_signed()), "done"),
        Transition::Parked { attempt } => ("pending", Some(attempt.cast_signed()), "parked"),
        Transition::Resumed => ("parked", None, "pending"),
        Transition::Skipped => ("parked", None, "skipped"),
    };
    let changed = sqlx::query(
        "update outbox
         set state = $5, lease_until = null, leased_by = null, unknown_failures = 0,
             available_at = clock_timestamp(),
             finished_at = case when $5 in ('done', 'skipped') then clock_timestamp() end
         where id = $1 and state = $2 and ($3::integer is null or attempt = $3) and case_id = $4",
    )
    .bind(projector::write_id(noms, write))
    .bind(from)
    .bind(attempt)
    .bind(noms.as_str())
    .bind(to)
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
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
    /// Attempts so far that failed for no reason we know.
    pub unknown_failures: u32,
}

/// Claims up to `limit` heads that are due: of each case only the lowest unfinished row, and none whose lease
/// is running.
pub async fn claim(pool: &PgPool, worker: &str, limit: u32, lease: Duration) -> sqlx::Result<Vec<Claim>> {
    sqlx::query(
        "with head as (
             select o.id from outbox o
             where o.state = 'pending' and o.available_at <= clock_timestamp()
               and (o.lease_until is null or o.lease_until < clock_timestamp())
               and not exists (
                   select from outbox lower
                   where lower.case_id = o.case_id and lower.state in ('pending', 'parked')
                     and (lower.sequence, lower.ordinal) < (o.sequence, o.ordinal))
             order by o.available_at
             limit $1
             for update of o skip locked)
         update outbox
         set attempt = attempt + 1, leased_by = $2, lease_until = clock_timestamp() + make_interval(secs => $3)
         from head where outbox.id = head.id
         returning outbox.id, case_id, sequence, ordinal, intent, attempt, unknown_failures",
    )
    .bind(i64::from(limit))
    .bind(worker)
    .bind(lease.as_secs_f64())
    .fetch_all(pool)
    .await
    .map(|rows| rows.iter().filter_map(understood).collect())
}

/// A row that this version cannot read (a newer one is being rolled out) is left to its lease: whoever can read it
/// claims it then, and the other cases go on meanwhile.
fn understood(row: &PgRow) -> Option<Claim> {
    claimed(row)
        .inspect_err(|error| {
            let id: Option<Uuid> = row.try_get("id").ok();
            tracing::error!(%error, write_id = ?id, "this version cannot read a write of the outbox; left to another");
        })
        .ok()
}

fn claimed(row: &PgRow) -> sqlx::Result<Claim> {
    let noms: String = row.try_get("case_id")?;
    let noms: NomsNumber = noms.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let Json(write): Json<DeliusWrite> = row.try_get("intent")?;
    Ok(Claim {
        write: AddressedWrite { id: row.try_get("id")?, noms, write },
        reference: WriteRef {
            sequence: row.try_get::<i64, _>("sequence")?.cast_unsigned(),
            ordinal: row.try_get::<i32, _>("ordinal")?.cast_unsigned(),
        },
        attempt: row.try_get::<i32, _>("attempt")?.cast_unsigned(),
        unknown_failures: row.try_get::<i32, _>("unknown_failures")?.cast_unsigned(),
    })
}

/// Renews the lease of a claim; `false` when it was lost.
pub async fn renew(pool: &PgPool, claim: &Claim, lease: Duration) -> sqlx::Result<bool> {
    let changed = sqlx::query(
        "update outbox set lease_until = clock_timestamp() + make_interval(secs => $3)
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
        "update outbox set lease_until = null, leased_by = null
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
    let changed = sqlx::query(
        "with deferred as (
             update outbox
             set lease_until = null, leased_by = null, last_error = $4,
                 unknown_failures = unknown_failures + $5,
                 available_at = clock_timestamp() + make_interval(secs => $6)
             where id = $1 and attempt = $2 and state = 'pending'
             returning id, attempt)
         insert into outbox_attempts (outbox_id, attempt, worker, error)
         select id, attempt, $3, $4 from deferred on conflict do nothing",
    )
    .bind(claim.write.id)
    .bind(claim.attempt.cast_signed())
    .bind(worker)
    .bind(error)
    .bind(i32::from(!known))
    .bind(delay.as_secs_f64())
    .execute(pool)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// What waits in the outbox, for health and metrics.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Backlog {
    /// Rows that wait or are being applied.
    pub pending: i64,
    /// Rows that wait for an operator; each blocks its case.
    pub parked: i64,
    /// When the oldest unfinished row was derived.
    pub oldest: Option<DateTime<Utc>>,
}

/// Counts what waits.
pub async fn backlog(pool: &PgPool) -> sqlx::Result<Backlog> {
    sqlx::query_as(
        "select count(*) filter (where state = 'pending') as pending,
                count(*) filter (where state = 'parked') as parked,
                min(created_at) as oldest
         from outbox where state in ('pending', 'parked')",
    )
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
