//! The tables of a PostgreSQL database, in Oracle's types.

use std::collections::BTreeMap;

use sqlx::PgPool;

pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Column {
    table_name: String,
    pub(super) column_name: String,
    pub(super) data_type: String,
    character_maximum_length: Option<i32>,
    is_nullable: String,
}

/// Every table of the development Delius.
pub(super) async fn tables(pool: &PgPool) -> Vec<Table> {
    let columns: Vec<Column> = sqlx::query_as(
        "select table_name::text, column_name::text, data_type::text, character_maximum_length::int4,
                is_nullable::text
         from information_schema.columns join information_schema.tables using (table_schema, table_name)
         where table_schema = 'public' and table_type = 'BASE TABLE' and table_name <> '_sqlx_migrations'
         order by table_name, ordinal_position",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for column in columns {
        tables.entry(column.table_name.clone()).or_default().push(column);
    }
    tables.into_iter().map(|(name, columns)| Table { name, columns }).collect()
}

/// Tables without defaults, constraints, sequences where PostgreSQL's stand, and the trigger of contacts.
pub(super) async fn ddl(pool: &PgPool, tables: &[Table]) -> String {
    let mut statements: Vec<String> = tables
        .iter()
        .map(|table| {
            let columns: Vec<String> = table.columns.iter().map(Column::definition).collect();
            format!("create table {} ({})", table.name, columns.join(", "))
        })
        .collect();
    // Keys before the foreign keys that refer to them.
    let constraints: Vec<(String, String, String)> = sqlx::query_as(
        "select conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
         from pg_constraint
         where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'c', 'f')
           and conrelid::regclass::text <> '_sqlx_migrations'
         order by array_position(array['p', 'u', 'c', 'f'], contype::text), conname",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for (table, name, definition) in constraints {
        statements.push(format!("alter table {table} add constraint {name} {}", translated(&definition)));
    }
    let sequences: Vec<(String, i64)> = sqlx::query_as(
        "select sequencename::text, coalesce(last_value + 1, start_value) from pg_sequences
         where schemaname = 'public'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    statements.extend(
        sequences.into_iter().map(|(name, next)| format!("create sequence {name} start with {next} nocache")),
    );
    statements.push(
        "create trigger contact_trust before insert, update on contact for each row call 'ContactTrust'"
            .to_owned(),
    );
    statements.join(";\n")
}

impl Column {
    fn definition(&self) -> String {
        let length = self.character_maximum_length.unwrap_or_default();
        let kind = match self.data_type.as_str() {
            "smallint" | "integer" | "bigint" => "number(19)".to_owned(),
            "character" => format!("char({length})"),
            "character varying" => format!("varchar2({length})"),
            "text" => "clob".to_owned(),
            "date" | "timestamp without time zone" => "date".to_owned(),
            other => panic!("{}.{} is {other}: no type of Delius", self.table_name, self.column_name),
        };
        // H2 looks for nulls before it fires triggers. PostgreSQL checks these when the row is carried back.
        let filled_by_trigger = ["trust_provider_flag", "staff_employee_id", "trust_provider_team_id"];
        let nullable = self.is_nullable != "NO" || filled_by_trigger.contains(&self.column_name.as_str());
        let null = if nullable { "" } else { " not null" };
        format!("{} {kind}{null}", self.column_name)
    }
}

/// A constraint as PostgreSQL prints it, without casts and arrays.
fn translated(definition: &str) -> String {
    let mut text = definition.to_owned();
    for cast in ["::text", "::bpchar", "::character varying", "::smallint", "::integer", "::bigint", "[]"] {
        text = text.replace(cast, "");
    }
    while let Some((before, rest)) = text.clone().split_once("= ANY (") {
        // `= ANY (ARRAY[0, 1])`, with or without a second pair of brackets around the array.
        let (array, after) = rest.split_once(']').expect("the end of an array");
        let values = array.rsplit_once('[').expect("the beginning of an array").1;
        let closing = rest[..rest.find("ARRAY").expect("an array")].matches('(').count() + 1;
        let after = &after[after.match_indices(')').nth(closing - 1).expect("its bracket").0 + 1..];
        text = format!("{before}in ({values}){after}");
    }
    text
}
