//! Reads stored events for audit: whole rows with their raw text, in pages, on a connection of the caller's.
//!
//! Architecture invariant: an error ends the reading and reaches the caller. Nothing here can return a part as if
//! it were the whole.

use std::{collections::HashSet, num::NonZero, sync::Arc};

use chrono::{DateTime, Utc};
use sqlx::{Executor as _, FromRow, PgConnection, PgPool, Postgres, Transaction};

use super::load::decoded;
use crate::{
    case::{CaseEvent, NomsNumber},
    database,
    trace::{TRACEPARENT, TraceContext},
};

/// A row of the events table, with JSON as text: numbers keep every digit that was stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct EventRow {
    /// Kind of the stream.
    pub aggregate_type: String,
    /// NOMS number of the case.
    pub aggregate_id: String,
    /// Place in the stream, from 1.
    pub sequence: i64,
    /// Name of the event.
    pub event_type: String,
    /// Version of its shape.
    pub event_version: String,
    /// The event as JSON.
    pub payload: String,
    /// Its metadata as JSON.
    pub metadata: String,
    /// Identity of the row.
    pub id: i64,
    /// The transaction that added it, as decimal text.
    pub xid: String,
    /// When it was recorded; a time outside the years 1 to 9999 as the nearest one within, see [`told`].
    pub recorded_at: DateTime<Utc>,
}

/// Events read at once: bounds the memory.
pub(crate) const PAGE: i64 = 500;

/// The columns of an [`EventRow`] from the table `events` under the alias `e`.
pub(crate) const COLUMNS: &str = "e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version, \
     e.payload::text as payload, e.metadata::text as metadata, e.id, e.xid::text as xid, \
     greatest('0001-01-01T00:00:00Z'::timestamptz, \
         least('9999-12-31T23:59:59.999999Z'::timestamptz, e.recorded_at)) as recorded_at";

/// A column with a time, within the years 1 to 9999. PostgreSQL holds times that cannot be read at all (`infinity`);
/// whoever put one there must not be able to stop an audit by it.
pub fn told(column: &str) -> String {
    format!(
        "greatest('0001-01-01T00:00:00Z'::timestamptz, least('9999-12-31T23:59:59.999999Z'::timestamptz, {column}))
             as {column}"
    )
}

/// Why stored events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store did not answer.
    #[error("the event store could not be read")]
    Store(#[from] sqlx::Error),
    /// A stored event is not what this code takes it for. The message never repeats the event.
    #[error("event {sequence} of case {case} cannot be understood by this version of the code ({what})")]
    Event {
        /// NOMS number.
        case: String,
        /// Place in the stream.
        sequence: i64,
        /// What does not fit.
        what: String,
    },
}

impl EventRow {
    /// The event in its present shape.
    pub fn event(&self) -> Result<CaseEvent, ReadError> {
        event_of((&self.aggregate_id, self.sequence), &self.event_type, &self.event_version, &self.payload)
    }

    /// The trace that it belongs to, as log lines show it.
    pub fn trace_id(&self) -> Option<String> {
        let metadata: serde_json::Value = serde_json::from_str(&self.metadata).ok()?;
        Some(TraceContext::parse(metadata.get(TRACEPARENT)?.as_str()?)?.trace_id())
    }
}

/// A stored event in its present shape, from its columns.
///
/// # Errors
/// When it cannot be understood; the error names the place.
pub fn event_of(
    (case, sequence): (&str, i64),
    event_type: &str,
    event_version: &str,
    payload: &str,
) -> Result<CaseEvent, ReadError> {
    decoded(event_type, event_version, payload).map_err(|error| ReadError::Event {
        case: case.to_owned(),
        sequence,
        what: format!("{:?} at column {}", error.classify(), error.column()),
    })
}

/// Every event of a case, in order; empty for an unknown case.
pub async fn events_of(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<Vec<EventRow>> {
    let sql = format!(
        "select {COLUMNS} from events e where e.aggregate_type = 'case' and e.aggregate_id = $1 order by e.sequence"
    );
    sqlx::query_as(&sql).bind(noms.as_str()).fetch_all(connection).await
}

/// Makes the connection's transaction one consistent, unwritable picture of the store.
pub async fn begin_picture(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("set transaction isolation level repeatable read, read only").execute(connection).await?;
    Ok(())
}

/// A picture of the store that several connections read at once, for as long as the transaction that it is of is open.
#[derive(Debug, Clone)]
pub struct SharedPicture {
    pool: PgPool,
    snapshot: Arc<str>,
}

impl SharedPicture {
    /// Of a transaction in which [`begin_picture`] was called.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(pool: &PgPool, connection: &mut PgConnection) -> sqlx::Result<Self> {
        let snapshot: String =
            sqlx::query_scalar("select pg_export_snapshot()").fetch_one(connection).await?;
        // The only connection of a pool holds the picture.
        let pool = match pool.options().get_max_connections() {
            1 => database::pool(1).connect_lazy_with((*pool.connect_options()).clone()),
            _ => pool.clone(),
        };
        Ok(Self { pool, snapshot: snapshot.into() })
    }

    /// Another transaction in the same picture.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        let mut transaction = database::begin(&self.pool).await?;
        // A snapshot's name is given by PostgreSQL; the statement takes no parameters.
        let see = format!(
            "set transaction isolation level repeatable read, read only; set transaction snapshot '{}'",
            self.snapshot
        );
        transaction.execute(see.as_str()).await?;
        Ok(transaction)
    }

    /// How many connections may read at once: while one waits for the store, the rows of another are looked at. One holds
    /// the picture and one is left to others.
    pub fn parallel(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let connections = self.pool.options().get_max_connections().saturating_sub(2).max(1) as usize;
        (2 * cores).clamp(1, 8).min(connections)
    }
}

/// Case and sequence of every event that records a change of the row in Delius, oldest first.
pub async fn changes_of_row(
    connection: &mut PgConnection,
    table: &str,
    row_id: &str,
) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "select aggregate_id, sequence from events
         where event_type = 'DeliusUpdated'
           and payload #> '{outcome,changes}'
               @> jsonb_build_array(jsonb_build_object('table', $1::text, 'rowId', $2::text))
         order by recorded_at, sequence",
    )
    .bind(table)
    .bind(row_id)
    .fetch_all(connection)
    .await
}

/// The next cases after this one, in the order of their NOMS numbers.
pub async fn cases_after(pool: &PgPool, after: &str, limit: u32) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select aggregate_id from events
         where aggregate_type = 'case' and sequence = 1 and aggregate_id > $1
         order by aggregate_id limit $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await
}

/// How many cases there are.
pub async fn count_cases(pool: &PgPool) -> sqlx::Result<u64> {
    let sql = "select count(*) from events where aggregate_type = 'case' and sequence = 1";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
    Ok(count.cast_unsigned())
}

/// How many events there are.
pub async fn count(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let count: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(connection).await?;
    Ok(count.cast_unsigned())
}

/// Which of these events exist.
pub async fn existing(
    connection: &mut PgConnection,
    cases: &[&str],
    sequences: &[i64],
) -> sqlx::Result<HashSet<(String, i64)>> {
    let found: Vec<(String, i64)> = sqlx::query_as(
        "select aggregate_id, sequence from events
         where aggregate_type = 'case'
           and (aggregate_id, sequence) in (select * from unnest($1::text[], $2::bigint[]))",
    )
    .bind(cases)
    .bind(sequences)
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().collect())
}
