//! Erasure of a case: everything that identifies the person leaves our store, and the journal stays verifiable.
//!
//! A database function, owned by the migration role, does it in one transaction: see `migrations/store/0010_erasure.sql`.
//! What stays is the record of the erasure, under a pseudonym of the NOMS number. The pseudonym is derived slowly, so
//! that somebody who has the database would need about a year of one core to find the number by trying all of them, and
//! somebody who has the number can still be answered.

use std::{collections::BTreeMap, num::NonZeroU32};

use aws_lc_rs::pbkdf2;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool, types::Json};

use crate::{case::NomsNumber, database, london::date_time_zone};

/// Rounds of PBKDF2; about 0.2 s on a current core.
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();

/// What was removed, by kind.
pub type RemovedRows = BTreeMap<String, u64>;

/// An erasure that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    pub at: DateTime<Utc>,
    pub by: String,
    pub why: String,
    pub removed: RemovedRows,
}

impl Erasure {
    /// One sentence.
    pub fn described(&self) -> String {
        let events = self.removed.get("events").copied().unwrap_or_default();
        let at = date_time_zone(self.at);
        format!("erased on {at} by {}: {} ({events} events; their proofs are kept)", self.by, self.why)
    }
}

/// A case that may be due for erasure.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ErasureCandidate {
    /// NOMS number; none for a request about a CRN that no case is known for.
    pub case_id: Option<String>,
    /// CRN of a request.
    pub crn: Option<String>,
    /// When the request came.
    pub requested_at: Option<DateTime<Utc>>,
    /// When the last event of the case was recorded.
    pub last_event_at: Option<DateTime<Utc>>,
}

/// Requests that are not carried out yet (those that are parked because no case of ours is known for them, too), then cases whose last event is older than so many years.
///
/// # Errors
/// When the store does not answer.
pub async fn candidates(pool: &PgPool, retention_years: Option<u32>) -> sqlx::Result<Vec<ErasureCandidate>> {
    let mut candidates: Vec<ErasureCandidate> = sqlx::query_as(
        "select case_id, crn, requested_at,
                (select max(recorded_at) from events where aggregate_id = case_id) as last_event_at
         from erasure_requests
         union all
         select coalesce(case_id, (select noms_number from case_records where case_records.crn = parked.crn)), crn,
                received_at,
                (select max(recorded_at) from events where aggregate_id = case_id)
         from (select case_id, received_at,
                      (regexp_match(encode(body, 'escape'), '[\"\\\\]([A-Z][0-9]{6})[\"\\\\]'))[1] as crn
               from parked_messages
               where event_type = 'probation-case.deleted.gdpr' and state = 'parked') parked
         order by requested_at, crn",
    )
    .fetch_all(pool)
    .await?;
    if let Some(years) = retention_years {
        let expired: Vec<ErasureCandidate> = sqlx::query_as(
            "select aggregate_id as case_id, null::text as crn, null::timestamptz as requested_at,
                    max(recorded_at) as last_event_at
             from events group by aggregate_id
             having max(recorded_at) < clock_timestamp() - make_interval(years => $1)
             order by max(recorded_at), aggregate_id",
        )
        .bind(years.cast_signed())
        .fetch_all(pool)
        .await?;
        candidates.extend(expired);
    }
    Ok(candidates)
}

/// Erases one stream; what was removed, or `None` when nothing is held under the number.
///
/// # Errors
/// When the store does not answer, or refuses (the reason must not name the person).
pub async fn apply(
    pool: &PgPool,
    noms: &NomsNumber,
    by: &str,
    why: &str,
) -> sqlx::Result<Option<RemovedRows>> {
    let mut transaction = database::begin(pool).await?;
    let pseudonym = pseudonym(&mut transaction, noms).await?;
    let removed: Option<Json<RemovedRows>> = sqlx::query_scalar("select erase_case($1, $2, $3, $4)")
        .bind(noms.as_str())
        .bind(pseudonym)
        .bind(by)
        .bind(why)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    if let Some(Json(removed)) = &removed {
        tracing::info!(by, ?removed, "case erased");
    }
    Ok(removed.map(|Json(removed)| removed))
}

/// The erasures of the number, oldest first.
///
/// # Errors
/// When the store does not answer.
pub async fn of(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<Vec<Erasure>> {
    // The pseudonym costs a noticeable time: not where nobody was ever erased.
    if !sqlx::query_scalar::<_, bool>("select exists (select from erasures)")
        .fetch_one(&mut *connection)
        .await?
    {
        return Ok(vec![]);
    }
    let pseudonym = pseudonym(connection, noms).await?;
    let erasures: Vec<(DateTime<Utc>, String, String, Json<RemovedRows>)> =
        sqlx::query_as("select at, by_whom, why, removed from erasures where pseudonym = $1 order by id")
            .bind(pseudonym)
            .fetch_all(connection)
            .await?;
    Ok(erasures.into_iter().map(|(at, by, why, Json(removed))| Erasure { at, by, why, removed }).collect())
}

async fn pseudonym(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<String> {
    let salt: Vec<u8> = sqlx::query_scalar("select salt from erasure_salt").fetch_one(connection).await?;
    let noms = noms.clone();
    let derived = tokio::task::spawn_blocking(move || {
        let mut derived = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, noms.as_str().as_bytes(), &mut derived);
        derived.iter().map(|byte| format!("{byte:02x}")).collect()
    });
    derived.await.map_err(|_| sqlx::Error::WorkerCrashed)
}
