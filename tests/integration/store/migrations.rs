//! The migrations of our store: each leaves a running older version alone, and brings a store with data up to date.

use std::{collections::BTreeMap, path::Path};

use manage_pom_cases_and_delius::{audit::journal::Journal, event_store};
use sqlx::{PgPool, migrate::Migrator};

use crate::{
    helpers::audit::{check, enter, three_cases},
    store::expand_only::{REASON, offences},
};

/// The last migration without which no event can be appended: stores begin there.
const FIRST_WHOLE: i64 = 11;

#[test]
fn every_migration_leaves_a_running_older_version_alone() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/store");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeMap<_, _> =
        files.map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect();
    assert_eq!(files.len(), event_store::migrator().iter().count());
    for (file, sql) in files {
        let found = offences(&sql);
        assert!(found.is_empty(), "{}: {found:#?}; either only add, or say why above it", file.display());
    }
}

#[test]
fn what_an_older_version_may_not_survive_is_found() {
    for statement in [
        "drop table events",
        "DROP INDEX outbox_due",
        "alter table events rename column payload to body",
        "alter table events rename to facts",
        "alter table events drop column metadata",
        "alter table outbox alter column ordinal type bigint",
        "alter table outbox alter column last_error set not null",
        "alter table outbox alter column state drop default",
        "alter table outbox add column priority integer not null",
        "alter table outbox add column a text default 'x', add column b integer not null",
        "alter table outbox add priority integer default 0 check (priority > 0)",
        "alter table outbox add constraint one unique (case_id)",
        "alter table outbox add check (attempt < 9)",
        "alter table outbox enable row level security",
        "create unique index one on outbox (case_id)",
        "create trigger refuse before insert on outbox for each row execute function refuse_change()",
        "update outbox set state = 'done'",
        "delete from outbox",
        "truncate outbox",
        "revoke insert on outbox from pom_cases",
        "alter sequence case_record_generation restart",
        "do $$ begin execute 'drop table outbox'; end $$",
        "-- a comment\n/* drop */ drop view v",
        "create table own (id bigint); drop table events",
    ] {
        assert_eq!(offences(&format!("{statement};")).len(), 1, "{statement}");
        assert_eq!(offences(statement).len(), 1, "without the last semicolon: {statement}");
    }
}

#[test]
fn what_only_adds_is_left_alone_and_the_rest_with_a_reason() {
    for statement in [
        "create table later (id bigint primary key, kind text not null check (kind <> 'drop; table'))",
        "alter table outbox add column priority integer not null default 0",
        "alter table outbox add column note text, add column more jsonb",
        "alter table outbox add column price numeric(10, 2) not null default 0",
        "alter table outbox alter column last_error drop not null",
        "create index outbox_more on outbox (priority)",
        "create or replace function allow_service(service name) returns void language plpgsql as $$
         begin drop table x; end $$",
        "create table own (id bigint); create unique index on own (id); alter table own add check (id > 0);
         create trigger t before update on own for each row execute function refuse_change()",
        "insert into later values (1, 'update events')",
        "-- drop table events;",
    ] {
        assert_eq!(offences(statement), Vec::<String>::new(), "{statement}");
    }
    let excused = format!("{REASON} nobody reads it since version 1\nalter table outbox drop column note;");
    assert!(offences(&excused).is_empty());
    assert_eq!(offences(&format!("{excused} drop table outbox;")).len(), 1, "a reason is for one statement");
    assert_eq!(offences(&format!("{REASON}\ndrop table outbox;")).len(), 1, "no reason at all");
}

/// The migrations up to a version, as an older release had them.
fn up_to(version: i64) -> Migrator {
    let all = event_store::migrator();
    let older = all.iter().filter(|migration| migration.version <= version).cloned().collect();
    Migrator { migrations: std::borrow::Cow::Owned(older), ..Migrator::DEFAULT }
}

/// Everything in a table, in one text.
async fn everything(pool: &PgPool, table: &str) -> String {
    let sql =
        format!("select coalesce(string_agg(row::text, E'\\n' order by row::text), '') from {table} row");
    sqlx::query_scalar(&sql).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_store_of_the_first_release_is_brought_up_to_date_with_its_data(pool: PgPool) {
    up_to(FIRST_WHOLE).run(&pool).await.unwrap();
    three_cases(&pool).await;
    let tables = ["events", "outbox", "message_receipts", "staff_directory"];
    let mut before = vec![];
    for table in tables {
        before.push(everything(&pool, table).await);
    }
    assert!(before[0].lines().count() == 12 && before[1].lines().count() == 12);
    // One release after the other, and every one twice: whoever deploys may be interrupted.
    for version in event_store::migrator().iter().map(|migration| migration.version) {
        for _ in 0..2 {
            up_to(version.max(FIRST_WHOLE)).run(&pool).await.unwrap();
        }
    }
    event_store::migrator().run(&pool).await.unwrap();
    for (table, before) in tables.into_iter().zip(before) {
        // A later migration may add a column at the end of a row, and change nothing in it.
        let after = everything(&pool, table).await;
        let kept = before
            .lines()
            .zip(after.lines())
            .all(|(before, after)| after.starts_with(before.trim_end_matches(')')));
        assert!(kept && before.lines().count() == after.lines().count(), "{table}:\n{before}\n{after}");
    }
    let journal = Journal::new(pool.clone());
    enter(&pool, &journal, 12).await;
    assert_eq!(check(&pool).await.unwrap().events, 12);
}
