//! The tables whose rows are leaves of the journal: the events, and everything else that a history shows.
//!
//! Architecture invariant: a row of these tables never changes in the columns that are named here. Each table has the
//! columns `id` and `xid` (the transaction that added the row); see the migration of the journal.

mod table;

use std::collections::BTreeMap;

use sqlx::{FromRow, PgConnection, Row as _, postgres::PgRow};

pub use table::SOURCES;

use super::{canonical, hash::Hash};
use crate::event_store::reader::EventRow;

/// A table whose rows are leaves.
#[derive(Debug)]
pub struct Source {
    /// As the journal stores it, and as findings name it.
    pub name: &'static str,
    pub table: &'static str,
    /// Which rows of the table are leaves.
    condition: &'static str,
    /// NOMS number, where the row names one.
    case: &'static str,
    /// Place in the stream of the case, for events.
    sequence: &'static str,
    columns: &'static [SourceColumn],
}

#[derive(Debug, Clone, Copy)]
enum SourceColumn {
    Text(&'static str),
    Json(&'static str),
    Time(&'static str),
}

use SourceColumn::{Json, Text, Time};

/// A row that is, or is to be, a leaf.
#[derive(Debug, Clone, FromRow)]
pub struct Record {
    pub id: i64,
    /// The transaction that added it, as decimal text.
    pub xid: String,
    /// NOMS number, where the row names one.
    pub case_id: Option<String>,
    /// Of an event.
    pub sequence: Option<i64>,
    /// Every column, in the order of the source.
    pub fields: Vec<Option<String>>,
}

impl Record {
    /// The record that an event, as read for audit, is.
    pub fn of_event(event: &EventRow) -> Self {
        let text = |text: &str| Some(text.to_owned());
        Self {
            id: event.id,
            xid: event.xid.clone(),
            case_id: text(&event.aggregate_id),
            sequence: Some(event.sequence),
            fields: vec![
                text(&event.aggregate_type),
                text(&event.aggregate_id),
                Some(event.sequence.to_string()),
                text(&event.event_type),
                text(&event.event_version),
                text(&event.payload),
                text(&event.metadata),
                Some(event.id.to_string()),
                text(&event.xid),
                Some(event.recorded_at.timestamp_micros().to_string()),
            ],
        }
    }
}

/// Columns of [`Source::load`] before the first field.
const LOADED_BEFORE: usize = 4;

/// The source of the events.
pub static EVENTS: &Source = &SOURCES[0];

impl Source {
    /// The source of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SOURCES.iter().find(|source| source.name == name)
    }

    /// Its place in the order of the sources.
    pub fn rank(&self) -> usize {
        SOURCES.iter().position(|source| source.name == self.name).unwrap_or(SOURCES.len())
    }

    /// Selects records from the table as `t`, which is to be followed by further conditions that begin with `and`.
    pub(super) fn select(&self) -> String {
        let fields: Vec<String> = self.columns.iter().map(|column| column.sql()).collect();
        self.selecting(&format!("array[{}]::text[] as fields", fields.join(", ")))
    }

    fn selecting(&self, columns: &str) -> String {
        let Self { table, condition, case, sequence, .. } = self;
        format!(
            "select t.id, t.xid::text as xid, {case} as case_id, {sequence} as sequence, {columns}
             from {table} t where {condition}"
        )
    }

    /// That no entry of the journal is for the row `t`.
    pub(super) fn not_entered(&self) -> String {
        // A value and not a test for existence, which the server may answer by reading the whole journal beside every row.
        let name = self.name;
        format!(
            "(select j.source_id from journal j where j.source = '{name}' and j.source_id = t.id) is null"
        )
    }

    /// Selects the rows of transaction `$1` and later ones that are not entered: `id`, `row_xid`, `case_id`, `sequence`.
    /// For reports, which look at all rows.
    pub(super) fn not_entered_since(&self) -> String {
        let Self { name, table, condition, case, sequence, .. } = self;
        format!(
            "select t.id, t.xid as row_xid, {case} as case_id, {sequence} as sequence from {table} t
             where {condition} and t.xid >= $1::text::xid8
               and not exists (select from journal j where j.source = '{name}' and j.source_id = t.id)"
        )
    }

    /// The canonical bytes of a record.
    ///
    /// # Errors
    /// When a JSON column is not JSON.
    pub fn bytes(&self, record: &Record) -> serde_json::Result<Vec<u8>> {
        let fields = self.columns.iter().zip(&record.fields).map(|(column, field)| match (column, field) {
            (_, None) => canonical::CanonicalField::Null,
            (Json(_), Some(text)) => canonical::CanonicalField::Json(text),
            (_, Some(text)) => canonical::CanonicalField::Text(text),
        });
        canonical::bytes(self.name, fields)
    }

    /// The record that these canonical fields are; `None` when they are not of this source.
    pub fn record(&self, fields: &[Option<&str>]) -> Option<Record> {
        let fields: Vec<Option<String>> = fields.iter().map(|field| field.map(str::to_owned)).collect();
        let mut record = Record { id: 0, xid: String::new(), case_id: None, sequence: None, fields };
        if record.fields.len() != self.columns.len() {
            return None;
        }
        let text = |name| self.column(&record, name).map(str::to_owned);
        let (id, xid) = (text("id")?.parse().ok()?, text("xid")?);
        let case_id = text("aggregate_id").or_else(|| text("case_id"));
        let sequence = text("sequence").and_then(|sequence| sequence.parse().ok());
        (record.id, record.xid, record.case_id, record.sequence) = (id, xid, case_id, sequence);
        Some(record)
    }

    /// The column of this name, or expression.
    pub fn column<'a>(&self, record: &'a Record, name: &str) -> Option<&'a str> {
        let place = self.columns.iter().position(|column| column.name() == name)?;
        record.fields.get(place)?.as_deref()
    }

    /// The leaf of a record. `None` when the record cannot have been entered like this.
    pub fn leaf(&self, record: &Record, salt: &[u8]) -> Option<Hash> {
        self.bytes(record).ok().map(|bytes| Hash::leaf(salt, &bytes))
    }

    /// The rows with these ids, by id. Events are found by transaction and id, which is what they are indexed by.
    pub(crate) async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[(String, i64)],
    ) -> sqlx::Result<BTreeMap<i64, Record>> {
        let (xids, ids): (Vec<&str>, Vec<i64>) = keys.iter().map(|(xid, id)| (xid.as_str(), *id)).unzip();
        let condition = match self.name {
            "event" => {
                "(t.xid, t.id) in (select x::xid8, i from unnest($1::text[], $2::bigint[]) as k (x, i))"
            }
            _ => "t.id = any($2) and $1::text[] is not null",
        };
        // Column by column: the server would have to build an array for every row first.
        let columns: Vec<String> = self.columns.iter().map(|column| column.sql()).collect();
        let sql = self.selecting(&columns.join(", ")) + " and " + condition;
        let rows = sqlx::query(&sql).bind(xids).bind(ids).fetch_all(connection).await?;
        rows.iter().map(|row| self.loaded(row).map(|record| (record.id, record))).collect()
    }

    fn loaded(&self, row: &PgRow) -> sqlx::Result<Record> {
        let fields = (LOADED_BEFORE..LOADED_BEFORE + self.columns.len()).map(|place| row.try_get(place));
        Ok(Record {
            id: row.try_get(0)?,
            xid: row.try_get(1)?,
            case_id: row.try_get(2)?,
            sequence: row.try_get(3)?,
            fields: fields.collect::<sqlx::Result<_>>()?,
        })
    }
}

impl SourceColumn {
    fn name(self) -> &'static str {
        let (Text(name) | Json(name) | Time(name)) = self;
        name
    }

    fn sql(self) -> String {
        match self {
            // Times that cannot be read as such (infinity) have a text too: nobody can stop an audit by one.
            Time(name) => format!("trunc(extract(epoch from t.{name}) * 1000000)::text"),
            Json(name) => format!("t.{name}::text"),
            Text(expression) if expression.contains('(') => expression.to_owned(),
            Text(name) => format!("t.{name}::text"),
        }
    }
}
