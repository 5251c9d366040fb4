//! Erasure of a person: everything that identifies them, under every number that they ever had, leaves our store, and the
//! journal stays verifiable.
//!
//! A database function, owned by the migration role, does it in one transaction: see `migrations/store/0010_erasure.sql`.
//! What stays is the record of the erasure, under a pseudonym of each NOMS number. The pseudonym is derived slowly, so
//! that somebody who has the database would need about a year of one core to find the number by trying all of them, and
//! somebody who has the number can still be answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use aws_lc_rs::pbkdf2;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{
    case::{Crn, NomsNumber, PersonId, identity::Person},
    database,
    event_store::identities,
    london::date_time_zone,
};

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

/// Whom an erasure is about: everything that is known to belong to one person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    pub numbers: BTreeSet<NomsNumber>,
    pub crns: BTreeSet<Crn>,
    /// Numbers that were another person's before or are now: their streams hold the record of both.
    pub shared: BTreeSet<NomsNumber>,
}

impl Subject {
    fn of(person: Person) -> Self {
        let shared = person.parts.iter().filter(|part| !part.is_whole());
        let shared = shared.map(|part| part.noms.clone()).collect();
        Self { numbers: person.numbers(), shared, crns: person.crns }
    }

    /// NOMS numbers and CRNs, for messages.
    pub fn named(&self) -> String {
        let numbers = self.numbers.iter().map(ToString::to_string);
        numbers.chain(self.crns.iter().map(ToString::to_string)).collect::<Vec<_>>().join(", ")
    }
}

/// The person whom the identifier means now, with everything that the store knows to belong to them. A CRN for which the
/// store knows no number stands for itself: messages and cached records may name it.
///
/// # Errors
/// When the store does not answer.
pub async fn subject(pool: &PgPool, id: &PersonId) -> sqlx::Result<Subject> {
    let mut person = identities::person(pool, id, None, None).await?;
    let mut crns = BTreeSet::new();
    if let PersonId::Crn(crn) = id {
        crns.insert(crn.clone());
        if person.is_none()
            && let Some(noms) = number_of(pool, crn).await?
        {
            person = identities::person(pool, &PersonId::Noms(noms), None, None).await?;
        }
    }
    let mut subject = person.map(Subject::of).unwrap_or_default();
    subject.crns.append(&mut crns);
    Ok(subject)
}

/// The number that a request or a cached record gives for a CRN.
async fn number_of(pool: &PgPool, crn: &Crn) -> sqlx::Result<Option<NomsNumber>> {
    let found: Option<String> = sqlx::query_scalar(
        "select case_id from erasure_requests where crn = $1 and case_id is not null
         union all select noms_number from case_records where crn = $1 and noms_number is not null limit 1",
    )
    .bind(crn.as_str())
    .fetch_optional(pool)
    .await?;
    Ok(found.and_then(|noms| noms.parse().ok()))
}

/// A person who may be due for erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureCandidate {
    /// NOMS numbers; none for a request about a CRN that no case is known for.
    pub numbers: BTreeSet<NomsNumber>,
    /// CRN of a request.
    pub crn: Option<Crn>,
    /// When the request came.
    pub requested_at: Option<DateTime<Utc>>,
    /// When the last event under any of the numbers was recorded.
    pub last_event_at: Option<DateTime<Utc>>,
}

/// Requests that are not carried out yet, then persons about whom nothing was recorded for so many years.
///
/// # Errors
/// When the store does not answer.
pub async fn candidates(pool: &PgPool, retention_years: Option<u32>) -> sqlx::Result<Vec<ErasureCandidate>> {
    let requests: Vec<(String, DateTime<Utc>)> =
        sqlx::query_as("select crn, requested_at from erasure_requests order by requested_at, crn")
            .fetch_all(pool)
            .await?;
    let mut candidates = vec![];
    for (crn, requested_at) in requests {
        let crn: Crn = crn.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let Subject { numbers, .. } = subject(pool, &PersonId::Crn(crn.clone())).await?;
        let last_event_at = last_event(pool, &numbers).await?;
        candidates.push(ErasureCandidate {
            numbers,
            crn: Some(crn),
            requested_at: Some(requested_at),
            last_event_at,
        });
    }
    if let Some(years) = retention_years {
        candidates.append(&mut past_retention(pool, years).await?);
    }
    Ok(candidates)
}

/// A person whose record goes on under another number is not past retention.
async fn past_retention(pool: &PgPool, years: u32) -> sqlx::Result<Vec<ErasureCandidate>> {
    let (streams, before): (Vec<String>, DateTime<Utc>) = sqlx::query_as(
        "with expired as (
             select aggregate_id, max(recorded_at) as last from events group by aggregate_id
             having max(recorded_at) < now() - make_interval(years => $1))
         select coalesce(array_agg(aggregate_id order by last, aggregate_id), '{}'), now() - make_interval(years => $1)
         from expired",
    )
    .bind(years.cast_signed())
    .fetch_one(pool)
    .await?;
    let mut candidates: Vec<ErasureCandidate> = vec![];
    for stream in streams {
        let noms: NomsNumber = stream.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let Subject { numbers, .. } = subject(pool, &PersonId::Noms(noms)).await?;
        let last_event_at = last_event(pool, &numbers).await?.filter(|last| *last < before);
        let is_new = candidates.iter().all(|other| other.numbers != numbers);
        if is_new && last_event_at.is_some() {
            candidates.push(ErasureCandidate { numbers, crn: None, requested_at: None, last_event_at });
        }
    }
    Ok(candidates)
}

async fn last_event(pool: &PgPool, numbers: &BTreeSet<NomsNumber>) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("select max(recorded_at) from events where aggregate_id = any($1)")
        .bind(texts(numbers))
        .fetch_one(pool)
        .await
}

fn texts(ids: &BTreeSet<impl ToString>) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Erases everything of the person, under every number, in one transaction; what was removed, or `None` when nothing is
/// held.
///
/// # Errors
/// When the store does not answer, or refuses (the reason must not name the person).
pub async fn apply(
    pool: &PgPool,
    subject: &Subject,
    by: &str,
    why: &str,
) -> sqlx::Result<Option<RemovedRows>> {
    let mut transaction = database::begin(pool).await?;
    let mut pseudonyms = vec![];
    for noms in &subject.numbers {
        pseudonyms.push(pseudonym(&mut transaction, noms).await?);
    }
    let removed: Option<Json<RemovedRows>> = sqlx::query_scalar("select erase_person($1, $2, $3, $4, $5)")
        .bind(texts(&subject.numbers))
        .bind(texts(&subject.crns))
        .bind(pseudonyms)
        .bind(by)
        .bind(why)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    if let Some(Json(removed)) = &removed {
        let rows: u64 = removed.values().sum();
        tracing::info!(by, rows, "person erased");
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
    let erasures: Vec<(DateTime<Utc>, String, String, Json<RemovedRows>)> = sqlx::query_as(
        "select at, by_whom, why, removed from erasures where pseudonyms @> array[$1] order by id",
    )
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
