//! Carries out a plan, change by change, and tells what it did.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{
    error::{DeliusError, During},
    plan::change::{Change, Row, Value},
};
use crate::case::{ColumnChange, RowChange};

/// Who signs the rows, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature {
    pub(super) user_id: i64,
    pub(super) at: NaiveDateTime,
}

/// Ids of the rows that this plan has inserted so far and later changes point at.
#[derive(Debug, Default)]
struct Inserted {
    pom: Option<i64>,
    staff: Option<i64>,
}

impl Inserted {
    fn resolve(&self, value: Value) -> Result<Value, DeliusError> {
        let id = match value {
            Value::NewPom => self.pom,
            Value::NewStaff => self.staff,
            known => return Ok(known),
        };
        id.map(Value::Id).ok_or_else(|| DeliusError::Unexpected {
            during: "while carrying out a plan",
            reason: "it points at a row before it inserts it".to_owned(),
        })
    }
}

/// Executes the changes in their order.
///
/// # Errors
/// Transient when a row is no longer in the version that was planned on: somebody else changed it meanwhile.
pub(super) async fn all(
    connection: &mut PgConnection,
    changes: &[Change],
    signature: Signature,
) -> Result<Vec<RowChange>, DeliusError> {
    let mut inserted = Inserted::default();
    let mut done = Vec::with_capacity(changes.len());
    for change in changes {
        let columns = change
            .columns()
            .into_iter()
            .map(|(name, from, to)| Ok((name, from, inserted.resolve(to)?)))
            .collect::<Result<Vec<_>, DeliusError>>()?;
        let (row_id, row_version) = match change {
            Change::Insert(row) => {
                let id = insert(&mut *connection, row, &columns, signature).await?;
                match row {
                    Row::Pom(_) => inserted.pom = id,
                    Row::Staff(_) => inserted.staff = id,
                    _ => {}
                }
                (row_id(id, &columns), 0)
            }
            Change::Update { before, .. } => {
                let (id, version) = update(&mut *connection, before, &columns, signature).await?;
                (id.to_string(), version)
            }
        };
        done.push(told(change, row_id, row_version, &columns));
    }
    Ok(done)
}

/// What the changes would come to, without carrying them out; a row that would be inserted has the id `new`.
pub(super) fn foretold(changes: &[Change]) -> Vec<RowChange> {
    changes
        .iter()
        .map(|change| match change {
            Change::Update { before, .. } => {
                let (id, version) = before.identity().unwrap_or_default();
                told(change, id.to_string(), version + 1, &change.columns())
            }
            Change::Insert(_) => told(change, "new".to_owned(), 0, &change.columns()),
        })
        .collect()
}

type Columns = [(&'static str, Value, Value)];

async fn insert(
    connection: &mut PgConnection,
    row: &Row,
    columns: &Columns,
    signature: Signature,
) -> Result<Option<i64>, DeliusError> {
    let (table, id) = row.table();
    let mut sql = QueryBuilder::<Postgres>::new(format!("insert into {table} ("));
    for (name, ..) in columns {
        sql.push(name).push(", ");
    }
    sql.push("created_datetime, created_by_user_id, last_updated_datetime, last_updated_user_id, row_version) values (");
    for (.., to) in columns {
        bind(&mut sql, to);
        sql.push(", ");
    }
    for _ in 0..2 {
        sql.push_bind(signature.at).push(", ").push_bind(signature.user_id).push(", ");
    }
    sql.push("0)");
    let during = "while inserting a row";
    match id {
        Some(id) => {
            sql.push(" returning ").push(id);
            sql.build_query_scalar().fetch_one(connection).await.during(during).map(Some)
        }
        None => sql.build().execute(connection).await.during(during).map(|_| None),
    }
}

async fn update(
    connection: &mut PgConnection,
    before: &Row,
    columns: &Columns,
    signature: Signature,
) -> Result<(i64, i64), DeliusError> {
    let during = "while updating a row";
    let ((table, Some(key)), Some((id, version))) = (before.table(), before.identity()) else {
        let reason = "the plan updates a row that does not exist".to_owned();
        return Err(DeliusError::Unexpected { during, reason });
    };
    let mut sql = QueryBuilder::<Postgres>::new(format!("update {table} set "));
    for (name, _, to) in columns {
        sql.push(name).push(" = ");
        bind(&mut sql, to);
        sql.push(", ");
    }
    sql.push("last_updated_datetime = ").push_bind(signature.at);
    sql.push(", last_updated_user_id = ").push_bind(signature.user_id);
    sql.push(", row_version = row_version + 1 where ").push(key).push(" = ").push_bind(id);
    sql.push(" and row_version = ").push_bind(version);
    match sql.build().execute(connection).await.during(during)?.rows_affected() {
        1 => Ok((id, version + 1)),
        _ => Err(DeliusError::Contended {
            during,
            reason: format!("{table} {id} was changed by somebody else"),
        }),
    }
}

fn bind(sql: &mut QueryBuilder<'_, Postgres>, value: &Value) {
    match value {
        Value::Id(id) => sql.push_bind(*id),
        Value::Flag(flag) => sql.push_bind(i16::from(*flag)),
        Value::Text(text) => sql.push_bind(text.clone()),
        Value::Time(time) => sql.push_bind(*time),
        Value::Date(date) => sql.push_bind(*date),
        // Resolved before it gets here.
        Value::Null | Value::NewPom | Value::NewStaff => sql.push("null"),
    };
}

/// The key of an inserted row; a membership has none but its two columns.
fn row_id(id: Option<i64>, columns: &Columns) -> String {
    let of_columns = || columns.iter().filter_map(|(.., to)| text(to)).collect::<Vec<_>>().join("/");
    id.map_or_else(of_columns, |id| id.to_string())
}

fn told(change: &Change, row_id: String, row_version: i64, columns: &Columns) -> RowChange {
    let (Change::Insert(row) | Change::Update { before: row, .. }) = change;
    let columns: BTreeMap<String, ColumnChange> = columns
        .iter()
        .map(|(name, from, to)| ((*name).to_owned(), ColumnChange { from: text(from), to: text(to) }))
        .filter(|(_, change)| change.from != change.to)
        .collect();
    RowChange { table: row.table().0.to_owned(), row_id, action: change.action(), row_version, columns }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Id(id) => Some(id.to_string()),
        Value::Flag(flag) => Some(u8::from(*flag).to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Time(time) => Some(time.format("%Y-%m-%d %H:%M:%S").to_string()),
        Value::Date(date) => Some(date.to_string()),
        Value::NewPom | Value::NewStaff => Some("new".to_owned()),
    }
}
