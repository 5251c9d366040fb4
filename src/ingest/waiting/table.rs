//! The table of waiting messages: kept, claimed by lease, rescheduled, finished.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgPool, types::Json};

use super::treatment::Attempts;
use crate::{
    breakers::{Dependency, SNS},
    case::sha256_hex,
    ingest::{accept::Sender, message::Delivery},
};

/// A claimed message.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct WaitingMessage {
    pub message_id: String,
    pub event_type: Option<String>,
    pub case_id: Option<String>,
    body: Vec<u8>,
    attributes: Json<BTreeMap<String, String>>,
    sqs_id: Option<String>,
    receive_count: i32,
    received_at: DateTime<Utc>,
    #[sqlx(flatten)]
    pub attempts: Attempts,
    /// Claims in a row that ended without a result, this one included.
    pub claims: i32,
    /// Number of the claim: whoever has another one has lost the message.
    claim: i64,
    pub last_answer: String,
    dependency: Option<String>,
}

impl WaitingMessage {
    /// Whether SNS may not have signed it; see [`sns`](crate::ingest::sns).
    pub(super) fn sender(&self) -> Sender {
        match self.dependency.as_deref() {
            Some(dependency) if dependency == SNS.as_str() => Sender::Sns,
            _ => Sender::Trusted,
        }
    }

    /// The message as it was received.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            body: self.body.clone(),
            attributes: self.attributes.0.clone(),
            sqs_id: self.sqs_id.clone(),
            receive_count: self.receive_count.unsigned_abs(),
            received_at: self.received_at,
        }
    }
}

/// A message that is to wait.
#[derive(Debug)]
pub struct Waiting<'a> {
    pub message_id: &'a str,
    pub event_type: Option<&'a str>,
    pub case_id: Option<&'a str>,
    pub delivery: &'a Delivery,
    pub attempts: Attempts,
    pub after: Duration,
    /// The dependency without which no attempt makes sense.
    pub dependency: Option<Dependency>,
    pub last_answer: &'a str,
}

/// Commits a message that has to wait. One that waits already stays as it is.
pub async fn keep(pool: &PgPool, waiting: &Waiting<'_>) -> sqlx::Result<()> {
    let Waiting { message_id, event_type, case_id, delivery, attempts, after, dependency, last_answer } =
        waiting;
    sqlx::query(
        "insert into waiting_messages
             (message_id, event_type, case_id, body, body_sha256, attributes, sqs_id, receive_count, received_at,
              attempts, faults, undocumented, alone_since, next_attempt_at, dependency, last_answer)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                 clock_timestamp() + make_interval(secs => $14), $15, $16)
         on conflict (message_id) do nothing",
    )
    .bind(message_id)
    .bind(event_type)
    .bind(case_id)
    .bind(&delivery.body)
    .bind(sha256_hex(&delivery.body))
    .bind(Json(&delivery.attributes))
    .bind(&delivery.sqs_id)
    .bind(delivery.receive_count.cast_signed())
    .bind(delivery.received_at)
    .bind(attempts.attempts)
    .bind(attempts.faults)
    .bind(attempts.undocumented)
    .bind(attempts.alone_since)
    .bind(after.as_secs_f64())
    .bind(dependency.map(Dependency::as_str))
    .bind(last_answer)
    .execute(pool)
    .await?;
    failpoint!("kept_waiting");
    Ok(())
}

const CLAIMED: &str =
    "returning message_id, event_type, case_id, body, attributes, sqs_id, receive_count, received_at,
             attempts, faults, undocumented, alone_since, claims, claim, last_answer, dependency";

/// Claims due messages for a lease, except those that wait for a dependency which is down.
pub async fn claim(
    pool: &PgPool,
    worker: &str,
    limit: u32,
    lease: Duration,
    down: &[Dependency],
) -> sqlx::Result<Vec<WaitingMessage>> {
    let down: Vec<&str> = down.iter().map(|dependency| dependency.as_str()).collect();
    sqlx::query_as(&format!(
        "update waiting_messages
         set leased_by = $1, leased_until = clock_timestamp() + make_interval(secs => $3), claims = claims + 1,
             claim = claim + 1
         where message_id in (
             select message_id from waiting_messages
             where next_attempt_at <= clock_timestamp()
               and (leased_until is null or leased_until < clock_timestamp())
               and (dependency is null or dependency <> all ($4))
             order by next_attempt_at limit $2 for update skip locked)
         {CLAIMED}"
    ))
    .bind(worker)
    .bind(i64::from(limit))
    .bind(lease.as_secs_f64())
    .bind(down)
    .fetch_all(pool)
    .await
}

/// Claims one message that waits for this dependency, due or not, to probe with. The one that was tried least: a message
/// with a fault of its own is tried more often than others and must not be the only probe.
pub async fn claim_probe(
    pool: &PgPool,
    worker: &str,
    lease: Duration,
    dependency: Dependency,
) -> sqlx::Result<Option<WaitingMessage>> {
    sqlx::query_as(&format!(
        "update waiting_messages
         set leased_by = $1, leased_until = clock_timestamp() + make_interval(secs => $2), claims = claims + 1,
             claim = claim + 1
         where message_id = (
             select message_id from waiting_messages
             where dependency = $3 and (leased_until is null or leased_until < clock_timestamp())
             order by attempts, next_attempt_at limit 1 for update skip locked)
         {CLAIMED}"
    ))
    .bind(worker)
    .bind(lease.as_secs_f64())
    .bind(dependency.as_str())
    .fetch_optional(pool)
    .await
}

/// The claimed message is accepted or parked.
pub async fn finish(pool: &PgPool, message: &WaitingMessage) -> sqlx::Result<()> {
    // Whoever has the claim now: the message is accounted for.
    sqlx::query("delete from waiting_messages where message_id = $1")
        .bind(&message.message_id)
        .execute(pool)
        .await?;
    Ok(())
}

/// The claimed message was not accepted and is tried again later.
pub async fn reschedule(
    pool: &PgPool,
    message: &WaitingMessage,
    attempts: Attempts,
    after: Duration,
    dependency: Option<Dependency>,
    last_answer: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "update waiting_messages
         set leased_by = null, leased_until = null, claims = 0, attempts = $3, faults = $4, undocumented = $5,
             alone_since = $6, next_attempt_at = clock_timestamp() + make_interval(secs => $7), dependency = $8,
             last_answer = $9, last_attempt_at = clock_timestamp()
         where message_id = $1 and claim = $2",
    )
    .bind(&message.message_id)
    .bind(message.claim)
    .bind(attempts.attempts)
    .bind(attempts.faults)
    .bind(attempts.undocumented)
    .bind(attempts.alone_since)
    .bind(after.as_secs_f64())
    .bind(dependency.map(Dependency::as_str))
    .bind(last_answer)
    .execute(pool)
    .await?;
    Ok(())
}

/// Gives a claim back unfinished, because the service stops.
pub async fn release(pool: &PgPool, message: &WaitingMessage) -> sqlx::Result<()> {
    sqlx::query(
        "update waiting_messages set leased_by = null, leased_until = null, claims = 0
         where message_id = $1 and claim = $2",
    )
    .bind(&message.message_id)
    .bind(message.claim)
    .execute(pool)
    .await?;
    Ok(())
}

/// The dependency is back: what waited for it is due. What fails for reasons of its own keeps its pace.
pub async fn make_due(pool: &PgPool, dependency: Dependency) -> sqlx::Result<u64> {
    let due = sqlx::query(
        "update waiting_messages set next_attempt_at = clock_timestamp()
         where dependency = $1 and next_attempt_at > clock_timestamp() and alone_since is null and undocumented < 2",
    )
    .bind(dependency.as_str())
    .execute(pool)
    .await?;
    Ok(due.rows_affected())
}
