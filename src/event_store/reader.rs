//! Reads stored events for audit: whole rows with their raw text, in pages, on a connection of the caller's.
//!
//! Architecture invariant: an error ends the reading and reaches the caller. Nothing here can return a part as if
//! it were the whole.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use cqrs_es::persist::SerializedEvent;
use sqlx::{FromRow, PgConnection, PgPool};

use super::{
    journal::{
        canonical::Hash,
        one_case, strays,
        verify::{self, Chain, Finding},
    },
    upcasters,
};
use crate::case::{CaseEvent, NomsNumber};

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
const PAGE: i64 = 500;

/// The columns of an [`EventRow`] from the table `events` under the alias `e`.
pub(super) const COLUMNS: &str = "e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version, \
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
        let lifts = upcasters();
        let lifted = lifts.iter().any(|lift| lift.can_upcast(&self.event_type, &self.event_version));
        let event = if lifted {
            self.serialized().and_then(|mut event| {
                for lift in &lifts {
                    if lift.can_upcast(&event.event_type, &event.event_version) {
                        event = lift.upcast(event);
                    }
                }
                serde_json::from_value(event.payload)
            })
        } else {
            serde_json::from_str(&self.payload)
        };
        event.map_err(|error| ReadError::Event {
            case: self.aggregate_id.clone(),
            sequence: self.sequence,
            what: format!("{:?} at column {}", error.classify(), error.column()),
        })
    }

    fn serialized(&self) -> serde_json::Result<SerializedEvent> {
        Ok(SerializedEvent::new(
            self.aggregate_id.clone(),
            usize::try_from(self.sequence).unwrap_or_default(),
            self.aggregate_type.clone(),
            self.event_type.clone(),
            self.event_version.clone(),
            serde_json::from_str(&self.payload)?,
            serde_json::from_str(&self.metadata)?,
        ))
    }
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

/// Whether the events of a case, as [`events_of`] read them, are all of them and as the journal entered them; how many
/// of them it has entered.
pub async fn check_case(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    events: &[EventRow],
) -> sqlx::Result<Result<u64, Finding>> {
    one_case::check(connection, noms, events).await
}

/// What the chain does not show, see [`verify::verify`]: events that were never entered and never would be, and what is
/// gone before it was entered. `end` is the last position of the journal.
pub async fn first_stray(connection: &mut PgConnection, end: i64) -> sqlx::Result<Option<Finding>> {
    strays::first(connection, end).await
}

/// Reads every event once, in the order of the journal and then those that it has not entered yet, in pages, and
/// follows the hash chain on the way.
#[derive(Debug)]
pub struct AuditReader {
    chain: Chain,
    tail: Option<Tail>,
    not_entered: u64,
}

/// What a page turned out to be.
#[derive(Debug)]
pub enum Read {
    /// The next events; none at the end.
    Page(Vec<EventRow>),
    /// The journal shows that the events are not what was recorded.
    Tampered(Finding),
}

/// Where the events that are not entered yet have been read to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tail {
    xid: String,
    id: i64,
}

impl Default for AuditReader {
    fn default() -> Self {
        Self::new()
    }
}

impl AuditReader {
    /// From the beginning.
    pub fn new() -> Self {
        Self { chain: Chain::START, tail: None, not_entered: 0 }
    }

    /// The next page. All pages must be read in the same picture of the store, see [`begin_picture`].
    pub async fn next_page(&mut self, connection: &mut PgConnection) -> sqlx::Result<Read> {
        if self.tail.is_none() {
            let mut page = verify::entered_after(connection, self.chain.position(), PAGE).await?;
            let more = page.len() > PAGE as usize;
            let followed = if more { PAGE as usize } else { page.len() };
            for index in 0..followed {
                if let Err(finding) = self.chain.follow(&page[index], page.get(index + 1)) {
                    return Ok(Read::Tampered(finding));
                }
            }
            page.truncate(followed);
            if !page.is_empty() {
                return Ok(Read::Page(page.into_iter().filter_map(|entered| entered.event).collect()));
            }
            self.tail = Some(Tail { xid: "0".to_owned(), id: 0 });
        }
        let tail = self.tail.clone().unwrap_or_else(|| Tail { xid: "0".to_owned(), id: 0 });
        let sql = format!(
            "select {COLUMNS} from events e
             where (e.xid, e.id) > ($1::text::xid8, $2::bigint)
               and not exists (select from journal j where j.aggregate_type = e.aggregate_type
                                   and j.aggregate_id = e.aggregate_id and j.sequence = e.sequence)
             order by e.xid, e.id limit $3"
        );
        let page: Vec<EventRow> =
            sqlx::query_as(&sql).bind(tail.xid).bind(tail.id).bind(PAGE).fetch_all(connection).await?;
        if let Some(last) = page.last() {
            self.tail = Some(Tail { xid: last.xid.clone(), id: last.id });
        }
        self.not_entered += page.len() as u64;
        Ok(Read::Page(page))
    }

    /// The last position of the journal that was read, and its hash as recomputed from the events.
    pub fn last(&self) -> Option<(i64, Hash)> {
        self.chain.last()
    }

    /// How many of the events read are not entered yet.
    pub fn not_entered(&self) -> u64 {
        self.not_entered
    }
}
