//! Rows from PostgreSQL into H2 before a session, and back after its commit.

use chrono::NaiveDateTime;
use manage_pom_cases_and_delius::delius::engine::Value;
use serde_json::{Map, Value as Json, json};
use sqlx::PgPool;

use super::{
    bridge::{Bridge, Refused},
    schema::{Column, Table},
};

async fn rows(pool: &PgPool, table: &str) -> Vec<Map<String, Json>> {
    let sql = format!("select coalesce(jsonb_agg(to_jsonb(t)), '[]') from {table} t");
    let rows: Json = sqlx::query_scalar(&sql).fetch_one(pool).await.unwrap();
    serde_json::from_value(rows).unwrap()
}

pub(super) async fn fill(bridge: &mut Bridge, pool: &PgPool, tables: &[Table]) -> Result<(), Refused> {
    bridge.script("set referential_integrity false").await?;
    for table in tables {
        let names: Vec<&str> = table.columns.iter().map(|column| column.column_name.as_str()).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!("insert into {} ({}) values ({marks})", table.name, names.join(", "));
        for row in rows(pool, &table.name).await {
            let values: Vec<Value> = table.columns.iter().map(|column| value(column, &row)).collect();
            bridge.update(&sql, &values).await?;
        }
    }
    bridge.script("set referential_integrity true").await
}

/// Replaces the rows of the tables that differ, without firing PostgreSQL's triggers a second time.
pub(super) async fn carry_back(bridge: &mut Bridge, pool: &PgPool, tables: &[Table]) -> Result<(), Refused> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *transaction).await.unwrap();
    for table in tables {
        let answer = bridge.query(&format!("select * from {}", table.name), &[]).await?;
        let here: Vec<Map<String, Json>> = answer
            .rows
            .into_iter()
            .map(|row| answer.columns.iter().cloned().zip(row.into_iter().map(json_of)).collect())
            .collect();
        let there = rows(pool, &table.name).await;
        if here.len() == there.len() && here.iter().all(|row| there.contains(row)) {
            continue;
        }
        let name = &table.name;
        sqlx::query(&format!("delete from {name}")).execute(&mut *transaction).await.unwrap();
        sqlx::query(&format!("insert into {name} select * from jsonb_populate_recordset(null::{name}, $1)"))
            .bind(json!(here))
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    // An unused sequence stays unused. `setval` names the last key that was given out.
    let sequences = "select sequence_name as name, cast(base_value as bigint) as next
                     from information_schema.sequences
                     where sequence_schema = 'PUBLIC' and base_value > start_value";
    for row in bridge.query(sequences, &[]).await?.rows {
        let [Value::Text(Some(name)), Value::Int(Some(next))] = &row[..] else { continue };
        sqlx::query("select setval($1::regclass, $2 - 1)")
            .bind(name.to_lowercase())
            .bind(next)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    Ok(())
}

fn value(column: &Column, row: &Map<String, Json>) -> Value {
    let json = &row[&column.column_name];
    match column.data_type.as_str() {
        "smallint" | "integer" | "bigint" => Value::Int(json.as_i64()),
        "date" | "timestamp without time zone" => Value::Time(json.as_str().map(time)),
        _ => Value::Text(json.as_str().map(str::to_owned)),
    }
}

fn time(text: &str) -> NaiveDateTime {
    let text = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00") };
    text.parse().expect("a time in JSON")
}

fn json_of(value: Value) -> Json {
    match value {
        Value::Int(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Time(time) => json!(time.map(|time| time.format("%Y-%m-%dT%H:%M:%S").to_string())),
    }
}
