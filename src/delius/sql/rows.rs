//! Statements that write one row, from the columns that a plan decides on. The text depends on the table and the
//! columns only, so that an engine can keep it prepared.

use chrono::NaiveDateTime;

use crate::delius::engine::{Statement, Value};

/// A column with the value to write.
type Column = (&'static str, Value);

/// Inserts a row: its columns and the audit columns.
pub(in crate::delius) fn insert(
    table: &str,
    columns: Vec<Column>,
    user_id: i64,
    at: NaiveDateTime,
) -> Statement {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let sql = format!(
        "insert into {table} ({}, created_datetime, created_by_user_id, last_updated_datetime, last_updated_user_id, \
         row_version) values (:{}, :signed_at, :signed_by, :signed_at, :signed_by, 0)",
        names.join(", "),
        names.join(", :"),
    );
    signed(Statement::new(sql), columns, user_id, at)
}

/// Updates a row that is still in the version that the plan was made on, and counts the version up.
pub(in crate::delius) fn update(
    table: &str,
    key: (&'static str, i64),
    version: i64,
    columns: Vec<Column>,
    user_id: i64,
    at: NaiveDateTime,
) -> Statement {
    let set: Vec<String> = columns.iter().map(|(name, _)| format!("{name} = :{name}")).collect();
    let (key, id) = key;
    let sql = format!(
        "update {table} set {}, last_updated_datetime = :signed_at, last_updated_user_id = :signed_by, \
         row_version = coalesce(row_version, 0) + 1 where {key} = :{key} and coalesce(row_version, 0) = :version_before",
        set.join(", "),
    );
    signed(Statement::new(sql), columns, user_id, at).bind(key, id).bind("version_before", version)
}

/// Deletes a row that is still in the version that the plan was made on.
pub(in crate::delius) fn delete(table: &str, key: (&'static str, i64), version: i64) -> Statement {
    let (key, id) = key;
    let sql =
        format!("delete from {table} where {key} = :{key} and coalesce(row_version, 0) = :version_before");
    Statement::new(sql).bind(key, id).bind("version_before", version)
}

fn signed(statement: Statement, columns: Vec<Column>, user_id: i64, at: NaiveDateTime) -> Statement {
    let statement =
        columns.into_iter().fold(statement, |statement, (name, value)| statement.bind(name, value));
    statement.bind("signed_at", at).bind("signed_by", user_id)
}
