//! The cached records in our store.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, types::Json};

use super::{document::RenderedRecord, feed::ConsumerReport};
use crate::{
    case::{Crn, NomsNumber, PersonId},
    database::{KeptConnections, in_time, within},
    delius::records::CaseFacts,
};

/// The point before a read of Delius: invalidations up to `generation` are contained in what it reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct GenerationMark {
    pub(super) generation: i64,
    pub(super) at: DateTime<Utc>,
}

/// How long a read waits for the store. After that it goes to Delius without it, because the caller waits for both.
const ANSWER: Duration = Duration::from_secs(2);

/// The channel on which invalidations reach every replica.
pub(super) const CHANNEL: &str = "case_records";

/// The current generation; a read-through takes it before it asks Delius.
pub(super) async fn mark(store: &KeptConnections) -> Result<GenerationMark, sqlx::Error> {
    let asked = sqlx::query_as("SELECT last_value, clock_timestamp() FROM case_record_generation");
    let answer = async {
        let mut connection = store.take().await?;
        let answer = asked.fetch_one(connection.asked()).await?;
        connection.answered();
        Ok(answer)
    };
    let (generation, at) = within(ANSWER, answer).await?;
    Ok(GenerationMark { generation, at })
}

/// Stores what was read, unless the case was invalidated after the mark or a later read was stored first. Returns the
/// CRNs that were stored.
pub(super) async fn keep(
    store: &PgPool,
    mark: GenerationMark,
    facts: &[&CaseFacts],
) -> Result<Vec<Crn>, sqlx::Error> {
    let crns: Vec<_> = facts.iter().map(|it| it.record.crn.as_str()).collect();
    let noms: Vec<_> = facts.iter().map(|it| it.record.noms_id.as_ref().map(NomsNumber::as_str)).collect();
    let bodies: Vec<_> = facts.iter().map(|it| Json(*it)).collect();
    let keep = sqlx::query_scalar(
        "INSERT INTO case_records AS held (crn, noms_number, generation, facts, loaded_at)
         SELECT crn, noms_number, $4, facts, $5
           FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS new (crn, noms_number, facts)
          ORDER BY crn
         ON CONFLICT (crn) DO UPDATE
            SET noms_number = excluded.noms_number, facts = excluded.facts, loaded_at = excluded.loaded_at,
                touched_at = now()
          WHERE held.generation <= $4 AND (held.loaded_at IS NULL OR held.loaded_at <= $5)
         RETURNING crn",
    )
    .bind(crns)
    .bind(noms)
    .bind(bodies)
    .bind(mark.generation)
    .bind(mark.at);
    let kept: Vec<String> = within(ANSWER, keep.fetch_all(store)).await?;
    Ok(kept.into_iter().filter_map(|crn| crn.parse().ok()).collect())
}

/// The cases that were invalidated after the mark, by CRN or by NOMS number alone. Ask after they were stored: an
/// invalidation that is not visible here sees the stored row.
pub(super) async fn invalidated_since(
    store: &PgPool,
    mark: GenerationMark,
    facts: &[&CaseFacts],
) -> Result<Vec<Crn>, sqlx::Error> {
    let crns: Vec<_> = facts.iter().map(|it| it.record.crn.as_str()).collect();
    let noms: Vec<_> = facts.iter().map(|it| it.record.noms_id.as_ref().map(NomsNumber::as_str)).collect();
    let invalidated_since: Vec<String> = sqlx::query_scalar(
        "SELECT crn FROM unnest($1::text[], $2::text[]) AS read (crn, noms_number)
          WHERE EXISTS (SELECT FROM case_records AS held
                         WHERE held.crn = ANY (ARRAY[read.crn, read.noms_number]) AND held.generation > $3)",
    )
    .bind(crns)
    .bind(noms)
    .bind(mark.generation)
    .fetch_all(store)
    .await?;
    Ok(invalidated_since.into_iter().filter_map(|crn| crn.parse().ok()).collect())
}

/// The cached records of these people. A row that this version cannot read is ignored.
pub(super) async fn fetch(store: &PgPool, people: &[PersonId]) -> Result<Vec<RenderedRecord>, sqlx::Error> {
    let (crns, noms) = identifiers(people);
    let asked = sqlx::query_as(
        "SELECT generation, facts, extract(epoch FROM clock_timestamp() - loaded_at)::float8
           FROM case_records
          WHERE facts IS NOT NULL AND (crn = ANY ($1) OR noms_number = ANY ($2))",
    )
    .bind(crns)
    .bind(noms);
    let rows: Vec<(i64, Option<Json<serde_json::Value>>, f64)> =
        within(ANSWER, asked.fetch_all(store)).await?;
    Ok(rows.into_iter().filter_map(|(generation, facts, age)| document(generation, facts?.0, age)).collect())
}

fn document(generation: i64, facts: serde_json::Value, age_s: f64) -> Option<RenderedRecord> {
    let age = chrono::Duration::milliseconds((age_s * 1000.0) as i64);
    let facts = serde_json::from_value(facts).ok()?;
    RenderedRecord::new(facts, Utc::now() - age, generation).ok()
}

/// Drops the cached records of these people under a new generation, and notifies every replica: one transaction.
///
/// Which case has a NOMS number may be known only to a read in flight. So an invalidation by NOMS number first commits a
/// row of its own, named by the number: a read that does not see that row was stored before it, and is found here.
pub(super) async fn drop_cached(store: &PgPool, people: &[PersonId]) -> Result<(), sqlx::Error> {
    let (crns, noms) = identifiers(people);
    if !noms.is_empty() {
        sqlx::query(
            "INSERT INTO case_records (crn, generation)
             SELECT number, nextval('case_record_generation')
               FROM (SELECT DISTINCT number FROM unnest($1::text[]) AS number ORDER BY number) AS named
             ON CONFLICT (crn) DO UPDATE SET generation = nextval('case_record_generation'), touched_at = now()",
        )
        .bind(&noms)
        .execute(store)
        .await?;
    }
    sqlx::query(
        "WITH named AS (
             SELECT unnest($1::text[]) AS crn
             UNION
             SELECT crn FROM case_records WHERE noms_number = ANY ($2)
         ), dropped AS (
             INSERT INTO case_records AS held (crn, generation)
             SELECT crn, nextval('case_record_generation') FROM named ORDER BY crn
             ON CONFLICT (crn) DO UPDATE
                SET generation = nextval('case_record_generation'), noms_number = NULL, facts = NULL,
                    loaded_at = NULL, touched_at = now()
             RETURNING crn, generation
         )
         SELECT pg_notify($3, crn || ' ' || generation) FROM dropped
         UNION ALL
         SELECT pg_notify($3, number) FROM unnest($2::text[]) AS number",
    )
    .bind(crns)
    .bind(noms)
    .bind(CHANNEL)
    .execute(store)
    .await?;
    Ok(())
}

/// Drops every cached record and notifies every replica of each; returns how many there were.
pub(super) async fn drop_all(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query(
        "WITH named AS (
             SELECT crn FROM case_records WHERE facts IS NOT NULL ORDER BY crn FOR UPDATE
         ), dropped AS (
             UPDATE case_records AS held
                SET generation = nextval('case_record_generation'), noms_number = NULL, facts = NULL,
                    loaded_at = NULL, touched_at = now()
               FROM named
              WHERE held.crn = named.crn
             RETURNING held.crn, held.generation
         )
         SELECT pg_notify($1, crn || ' ' || generation) FROM dropped",
    )
    .bind(CHANNEL)
    .execute(connection)
    .await?;
    Ok(dropped.rows_affected())
}

/// Drops the cached records of people whom Delius does not know (any more).
pub(super) async fn drop_unknown(store: &PgPool, people: &[PersonId]) -> Result<(), sqlx::Error> {
    let (crns, noms) = identifiers(people);
    let drop = sqlx::query(
        "WITH dropped AS (
             UPDATE case_records
                SET generation = nextval('case_record_generation'), noms_number = NULL, facts = NULL,
                    loaded_at = NULL, touched_at = now()
              WHERE facts IS NOT NULL AND (crn = ANY ($1) OR noms_number = ANY ($2))
             RETURNING crn, generation
         )
         SELECT pg_notify($3, crn || ' ' || generation) FROM dropped",
    )
    .bind(crns)
    .bind(noms)
    .bind(CHANNEL);
    within(ANSWER, drop.execute(store)).await?;
    Ok(())
}

/// Sends a token on the channel, to see whether it arrives, and reads the consumers' reports.
pub(super) async fn probe(store: &PgPool, word: &str) -> Result<Vec<ConsumerReport>, sqlx::Error> {
    let rows: Vec<(Option<f64>, Option<i64>)> = sqlx::query_as(
        "WITH said AS MATERIALIZED (SELECT pg_notify($1, $2))
         SELECT extract(epoch FROM now() - polled_at)::float8, lag_ms
           FROM said LEFT JOIN change_feed_heartbeat ON TRUE",
    )
    .bind(CHANNEL)
    .bind(word)
    .fetch_all(store)
    .await?;
    let millis = Duration::from_millis;
    Ok(rows
        .into_iter()
        .filter_map(|(age, lag)| {
            Some(ConsumerReport {
                age: millis((age?.max(0.0) * 1000.0) as u64),
                lag: millis(lag?.unsigned_abs()),
            })
        })
        .collect())
}

/// Deletes rows that nobody can need any more: invalidations older than any read can last, records older than may be
/// served.
pub(super) async fn forget(store: &PgPool, keep_s: f64) -> Result<u64, sqlx::Error> {
    let old = sqlx::query(
        "DELETE FROM case_records
          WHERE touched_at < now() - make_interval(secs => CASE WHEN facts IS NULL THEN 3600 ELSE $1 END)",
    )
    .bind(keep_s);
    let done = in_time(old.execute(store)).await?;
    let silent = sqlx::query("DELETE FROM change_feed_heartbeat WHERE polled_at < now() - interval '1 day'");
    in_time(silent.execute(store)).await?;
    Ok(done.rows_affected())
}

fn identifiers(people: &[PersonId]) -> (Vec<&str>, Vec<&str>) {
    let (mut crns, mut noms) = (Vec::new(), Vec::new());
    for person in people {
        match person {
            PersonId::Crn(crn) => crns.push(crn.as_str()),
            PersonId::Noms(number) => noms.push(number.as_str()),
        }
    }
    (crns, noms)
}
