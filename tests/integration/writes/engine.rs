//! The boundary to the database engine, and what an engine must guarantee.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use manage_pom_cases_and_delius::{
    case::OutcomeName,
    delius::{
        Delius,
        engine::{
            Connections, Engine, EngineFailure, FailureCause, Limits, Row, Session, SessionAccess, Statement,
            Value, postgres::Postgres,
        },
    },
};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::helpers::delius::{allocation, apply, count, ground, held, outcome, run};

/// A pool of a single connection, so that whatever a session leaves behind meets the next one.
async fn single(pool: &PgPool) -> PgPool {
    let options = (*pool.connect_options()).clone();
    PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

async fn open(engine: &dyn Engine, access: SessionAccess) -> Box<dyn Session> {
    engine.open(access, Limits::default()).await.unwrap()
}

const OFFENDERS: &str = "offender_id_seq";

async fn next(engine: &Postgres, count: usize) -> Vec<i64> {
    let mut session = open(engine, SessionAccess::Write).await;
    let ids = session.next_ids(&[(OFFENDERS, count)]).await.unwrap().concat();
    session.rollback().await.unwrap();
    ids
}

#[sqlx::test(migrations = "migrations/delius")]
async fn keys_that_are_taken_ahead_are_used_once_and_go_with_their_connection(pool: PgPool) {
    let single = single(&pool).await;
    let engine = Postgres::new(single.clone());
    let numbers = async || {
        let taken = "select last_value from ".to_owned() + OFFENDERS;
        sqlx::query_scalar::<_, i64>(&taken).fetch_one(&pool).await.unwrap()
    };
    let first = next(&engine, 1).await;
    assert_eq!(numbers().await, first[0], "a lone write takes what it needs");
    let (second, third) = (next(&engine, 2).await, next(&engine, 3).await);
    assert_eq!([&second[..], &third[..]].concat(), (first[0] + 1..first[0] + 6).collect::<Vec<_>>());
    let ahead = numbers().await;
    assert!(ahead > third[2], "{ahead} taken, {} used", third[2]);
    // The database goes back in time, for which every connection ends: others may have been given what was taken ahead.
    single.close().await;
    let engine = Postgres::new(self::single(&pool).await);
    assert_eq!(next(&engine, 1).await, [ahead + 1]);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_session_that_is_dropped_has_written_nothing_and_leaves_no_transaction_behind(pool: PgPool) {
    ground(&pool).await;
    let single = single(&pool).await;
    let engine = Postgres::new(single.clone());
    let set = Statement::new("update offender set crn = :crn").bind("crn", "X999999");
    let mut session = open(&engine, SessionAccess::Write).await;
    assert_eq!(session.execute(&set).await, Ok(1));
    drop(session);
    assert_eq!(count(&pool, "offender where crn = 'X999999'").await, 0);
    // The next one is not inside the transaction of the first.
    sqlx::query("update offender set crn = 'X888888'").execute(&single).await.unwrap();
    assert_eq!(count(&pool, "offender where crn = 'X888888'").await, 1);

    let mut session = open(&engine, SessionAccess::Write).await;
    session.execute(&set).await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(count(&pool, "offender where crn = 'X999999'").await, 1);

    let mut reading = open(&engine, SessionAccess::Read).await;
    assert!(reading.execute(&set).await.is_err(), "nothing is written by a session that reads");
    drop(reading);
    single.close().await;
}

#[sqlx::test(migrations = "migrations/delius")]
async fn values_come_back_as_they_were_bound(pool: PgPool) {
    ground(&pool).await;
    run(&pool, "create table odd (small smallint, whole int, big bigint, fixed char(9), text_ text, at timestamp(0), day date)").await;
    let engine = Postgres::new(pool.clone());
    let mut session = open(&engine, SessionAccess::Write).await;
    let noon = NaiveDate::from_ymd_opt(2026, 7, 1).unwrap().and_hms_opt(12, 0, 0).unwrap();
    let insert = "insert into odd values (:small, :whole, :big, :fixed, :text, :at, :day)";
    let full = Statement::new(insert)
        .bind("small", 1)
        .bind("whole", 2)
        .bind("big", 2_500_000_000)
        .bind("fixed", "N03A001")
        .bind("text", "O'Neill")
        .bind("at", noon)
        .bind("day", noon.date());
    session.execute(&full).await.unwrap();
    let read = |row: &Row| {
        let ints = [row.int("small"), row.int("whole"), row.int("big")].map(Result::unwrap);
        (
            ints,
            row.text("fixed").unwrap(),
            row.code("fixed").unwrap().unwrap(),
            row.time("at").unwrap(),
            row.date("day").unwrap(),
        )
    };
    let all = Statement::new("select small, whole, big, fixed, text_, at, day from odd");
    let rows = session.query(&all).await.unwrap();
    let expected = ([1, 2, 2_500_000_000], "N03A001  ".to_owned(), "N03A001".to_owned(), noon, noon.date());
    assert_eq!(read(&rows[0]), expected);

    let nulls = Statement::new(insert)
        .bind("small", Value::Int(None))
        .bind("whole", Value::Int(None))
        .bind("big", Value::Int(None))
        .bind("fixed", Value::Text(None))
        .bind("text", Value::Text(None))
        .bind("at", Value::Time(None))
        .bind("day", Value::Time(None));
    session.execute(&Statement::new("delete from odd")).await.unwrap();
    session.execute(&nulls).await.unwrap();
    let row = &session.query(&all).await.unwrap()[0];
    assert_eq!(
        (row.int_or_null("big"), row.text_or_null("fixed"), row.time_or_null("at")),
        (Ok(None), Ok(None), Ok(None))
    );
    assert!(row.int("big").is_err() && row.int_or_null("at").is_err() && row.text("missing").is_err());

    let ids = session
        .next_ids(&[("contact_id_seq", 2), ("staff_id_seq", 0), ("key_date_id_seq", 1)])
        .await
        .unwrap();
    assert_eq!(ids.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 1]);
    assert!(ids[0][0] < ids[0][1] && ids[0][0] >= 2_500_000_000);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn failures_are_of_the_kind_that_the_caller_decides_on(pool: PgPool) {
    let (_, person) = ground(&pool).await;
    let engine = Postgres::new(pool.clone());
    let kind = |answer: Result<u64, EngineFailure>| answer.unwrap_err().kind;
    let mut session = open(&engine, SessionAccess::Write).await;
    let twice = "insert into district (district_id, code, description) select min(district_id), 'A', 'A' from district";
    let violated = kind(session.execute(&Statement::new(twice)).await);
    let (table, constraint) = (Some("district".to_owned()), Some("district_pkey".to_owned()));
    assert_eq!(violated, FailureCause::Violation { table, constraint });
    session.rollback().await.unwrap();
    let mut session = open(&engine, SessionAccess::Write).await;
    assert_eq!(
        kind(session.execute(&Statement::new("update offender set nothing = 1")).await),
        FailureCause::Unknown
    );

    let mut holder = open(&engine, SessionAccess::Write).await;
    let lock = Statement::new("select 1 from offender where offender_id = :id for update").bind("id", person);
    holder.query(&lock).await.unwrap();
    let impatient = Limits { lock: Duration::from_millis(10), ..Limits::default() };
    let mut waiting = engine.open(SessionAccess::Write, impatient).await.unwrap();
    assert_eq!(waiting.query(&lock).await.unwrap_err().kind, FailureCause::Conflict);

    let options = (*pool.connect_options()).clone().database("there_is_none");
    let nowhere = PgPoolOptions::new().connect_lazy_with(options);
    let missing = Postgres::new(nowhere).open(SessionAccess::Write, Limits::default()).await;
    assert_eq!(
        missing.err().map(|failure| failure.kind),
        Some(FailureCause::Outage),
        "a database being restored"
    );
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_column_that_is_widened_under_warm_connections_costs_no_write_and_no_read(pool: PgPool) {
    ground(&pool).await;
    let single = single(&pool).await;
    let delius = Delius::open(single.clone()).await.unwrap();
    let crn = "X123456".parse().unwrap();
    let mut names = ["ADA BYRON", "MARY SOMERVILLE"].iter().cycle();
    for (at, widen) in [
        ("2026-07-01T09:00:00Z", "alter table staff alter column surname type varchar(60)"),
        ("2026-07-01T10:00:00Z", "alter table team alter column description type varchar(120)"),
        ("2026-07-01T11:00:00Z", "alter table offender alter column noms_number type varchar(9)"),
        ("2026-07-01T12:00:00Z", "select 1"),
    ] {
        // Often enough for the server to keep plans.
        for _ in 0..7 {
            delius.noms_of(&crn).await.unwrap();
        }
        assert_eq!(
            outcome(&delius, &allocation(at, names.next().unwrap(), "LEI")).await,
            OutcomeName::PomAllocated
        );
        run(&pool, widen).await;
    }
    assert!(delius.noms_of(&crn).await.unwrap().is_some());
    single.close().await;
}

#[sqlx::test(migrations = "migrations/delius")]
async fn row_level_security_learns_who_is_at_work_and_forgets_it(pool: PgPool) {
    ground(&pool).await;
    run(
        &pool,
        "create role clerk; grant usage on schema public to clerk; grant select on offender to clerk;
         alter table offender enable row level security;
         create policy own on offender using (current_setting('delius.client', true) = 'ManagePomCasesAndDelius')",
    )
    .await;
    let single = single(&pool).await;
    let without = Delius::over(Arc::new(Postgres::new(single.clone()).with_context("set local role clerk")));
    let context = "set local role clerk; set local delius.client = 'ManagePomCasesAndDelius'";
    let with = Delius::over(Arc::new(Postgres::new(single.clone()).with_context(context)));
    let crn = "X123456".parse().unwrap();
    for _ in 0..2 {
        assert_eq!(without.noms_of(&crn).await.unwrap(), None, "nobody is visible");
        assert!(with.noms_of(&crn).await.unwrap().is_some());
    }
    run(&pool, "drop policy own on offender; revoke all on offender from clerk; revoke all on schema public from clerk; drop role clerk").await;
    single.close().await;
}

/// PostgreSQL with another clock.
#[derive(Debug)]
struct Shifted(Postgres, TimeDelta);

struct ShiftedSession(Box<dyn Session>, TimeDelta);

impl fmt::Debug for ShiftedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShiftedSession").field(&self.1).finish()
    }
}

#[async_trait]
impl Engine for Shifted {
    async fn open(&self, access: SessionAccess, limits: Limits) -> Result<Box<dyn Session>, EngineFailure> {
        Ok(Box::new(ShiftedSession(self.0.open(access, limits).await?, self.1)))
    }

    fn beside(&self, limit: Duration) -> Arc<dyn Engine> {
        self.0.beside(limit)
    }

    fn connections(&self) -> Connections {
        self.0.connections()
    }
}

#[async_trait]
impl Session for ShiftedSession {
    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, EngineFailure> {
        self.0.query(statement).await
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, EngineFailure> {
        self.0.execute(statement).await
    }

    async fn insert(&mut self, rows: &[Statement]) -> Result<u64, EngineFailure> {
        self.0.insert(rows).await
    }

    async fn next_ids(&mut self, wanted: &[(&'static str, usize)]) -> Result<Vec<Vec<i64>>, EngineFailure> {
        self.0.next_ids(wanted).await
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, EngineFailure> {
        Ok(self.0.now().await? + self.1)
    }

    async fn commit(self: Box<Self>) -> Result<(), EngineFailure> {
        self.0.commit().await
    }

    async fn rollback(self: Box<Self>) -> Result<(), EngineFailure> {
        self.0.rollback().await
    }
}

#[sqlx::test(migrations = "migrations/delius")]
async fn what_has_begun_is_decided_by_the_clock_of_the_database_and_not_by_ours(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    apply(&delius, &allocation("2026-07-01T09:00:00Z", "ADA BYRON", "LEI")).await;
    apply(&delius, &allocation("2026-07-03T09:00:00Z", "MARY SOMERVILLE", "LEI")).await;
    // A database whose clock is far behind: the later row is a plan there, and the late event replaces it.
    let behind = Shifted(
        Postgres::new(pool.clone()),
        "2026-07-02T00:00:00Z".parse::<DateTime<Utc>>().unwrap() - Utc::now(),
    );
    let late =
        apply(&Delius::over(Arc::new(behind)), &allocation("2026-07-01T10:00:00Z", "EMMY NOETHER", "LEI"))
            .await;
    assert!(late.applied_at.to_rfc3339().starts_with("2026-07-0"), "{}", late.applied_at);
    assert_eq!(
        held(&pool).await,
        [
            "2026-07-01 10:00:00 - 2026-07-01 11:00:00 N03POM Byron AUT",
            "2026-07-01 11:00:00 - open N03POM Noether INA",
        ]
    );
    assert_eq!(
        count(
            &pool,
            "prison_offender_manager where soft_deleted = 1 and last_updated_datetime < '2026-07-03'"
        )
        .await,
        1
    );
}
