//! No statement uses a construct that only one engine knows, or that another one gets wrong silently.

use super::*;
use crate::delius::engine::Value;

/// What must not occur, as words or signs in lower-case SQL with single blanks.
const FORBIDDEN: [&str; 30] = [
    "lateral",
    "returning",
    "limit",
    "distinct on",
    "on conflict",
    "any(",
    "any (",
    "ilike",
    "~",
    "::",
    "''",
    "$",
    "now()",
    "current_timestamp",
    "current_date",
    "interval",
    "array",
    "json",
    "uuid",
    "generate_series",
    "unnest",
    "true",
    "false",
    "using (",
    "string_agg",
    "nextval",
    "skip locked",
    "select exists",
    ", exists",
    "date_trunc",
];

fn offences(sql: &str) -> Vec<String> {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let sql = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found: Vec<String> = FORBIDDEN
        .iter()
        .filter(|construct| occurs(&sql, construct))
        .map(|construct| format!("{construct}: {sql}"))
        .collect();
    // A comparison that is selected is a boolean column; and every select names a table.
    if sql.starts_with("select") && !sql.contains(" from ") {
        found.push(format!("no table: {sql}"));
    }
    if let Some(selected) = sql.strip_prefix("select ").and_then(|rest| rest.split(" from ").next()) {
        let boolean =
            selected.split(", ").any(|column| column.contains(" is not null") && !column.starts_with("case"));
        found.extend(boolean.then(|| format!("boolean column: {sql}")));
    }
    found
}

/// Words only as whole words: `limit` is not in `limited`.
fn occurs(sql: &str, construct: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    sql.match_indices(construct).any(|(at, _)| {
        let inside = word(construct.chars().next()) && word(sql[..at].chars().next_back());
        let goes_on = word(construct.chars().next_back()) && word(sql[at + construct.len()..].chars().next());
        !inside && !goes_on
    })
}

fn generated() -> Vec<String> {
    let columns = || vec![("surname", Value::from("Byron")), ("end_date", Value::Time(None))];
    let at = chrono::NaiveDateTime::default();
    [
        insert("staff", columns(), 1, at),
        update("staff", ("staff_id", 7), 3, columns(), 1, at),
        delete("key_date", ("key_date_id", 7), 3),
    ]
    .map(|statement| statement.text().to_owned())
    .into()
}

#[test]
fn every_statement_is_right_for_every_engine() {
    let generated = generated();
    for sql in ALL.iter().copied().chain(generated.iter().map(String::as_str)) {
        assert_eq!(offences(sql), Vec::<String>::new());
    }
}

#[test]
fn every_file_of_statements_is_checked() {
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/delius/sql")).expect("the folder");
    for file in files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|it| it == "sql"))
    {
        let text = std::fs::read_to_string(&file).expect("a text");
        assert!(ALL.contains(&text.as_str()), "{} is not among the statements", file.display());
    }
}

#[test]
fn constructs_of_one_engine_are_found() {
    for planted in [
        "select 1",
        "select x from t where noms_number > ''",
        "select x from t where trim(x) <> ''",
        "select coalesce(x, '') from t",
        "select exists (select 1 from u) from t",
        "select a, exists (select 1 from u) from t",
        "select member.staff_id is not null from t",
        "select x from t left join lateral (select 1 from u) v on 1 = 1",
        "select x from t where crn = any($1)",
        "select x from t where crn = ANY (:crns)",
        "insert into t (a) values (:a) returning id",
        "select x from t limit 5",
        "select x::text from t",
        "select x from t where at < now() - interval '1 day'",
        "select distinct on (a) a, b from t",
    ] {
        assert_ne!(offences(planted), Vec::<String>::new(), "{planted}");
    }
    for fine in ["select unlimited from t", "select truest from t", "select a from t where b is not null"] {
        assert_eq!(offences(fine), Vec::<String>::new());
    }
}
