//! One connection for one piece of work.

use std::collections::VecDeque;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    Connection, Executor, PgConnection, Postgres as Driver, Row as _, postgres::PgArguments, query::Query,
};

use super::{
    failure::{self, connecting, is_broken},
    values,
};
use crate::{
    database::{self, HeldConnection, KeptConnections},
    delius::engine::{EngineFailure, FailureCause, Placeholders, Row, Session, Statement},
};

/// Numbers of a sequence that are taken ahead. Those that are not used leave a gap, as those of a rolled-back write do.
const TAKEN_AHEAD: usize = 16;

/// Architecture invariant: a connection is left for others only outside a transaction and answering. Whatever is given
/// up in the middle is closed, because the driver does not know of a `begin` whose answer nobody waited for.
pub(super) struct PostgresSession {
    connection: HeldConnection,
    /// When the transaction began, if there is one.
    began: Option<DateTime<Utc>>,
    in_transaction: bool,
    broken: bool,
}

impl PostgresSession {
    /// `begin` begins a transaction, if there is to be one, and ends with a question for its time.
    pub(super) async fn open(
        connections: &KeptConnections,
        begin: Option<String>,
    ) -> Result<Self, EngineFailure> {
        let connection = connections.take().await.map_err(|error| connecting(&error))?;
        let mut session = Self { connection, began: None, in_transaction: begin.is_some(), broken: false };
        if let Some(begin) = begin {
            let time = session.connection.asked().fetch_all(begin.as_str()).await;
            let time = time.and_then(|rows| rows.last().map(|row| row.try_get(0)).transpose());
            session.began = session.checked(time)?;
        }
        Ok(session)
    }

    /// Runs statements without parameters, in one round trip.
    async fn run(&mut self, sql: &str) -> Result<(), EngineFailure> {
        let done = self.connection.asked().execute(sql).await;
        self.checked(done).map(|_| ())
    }

    fn checked<T>(&mut self, answer: sqlx::Result<T>) -> Result<T, EngineFailure> {
        self.connection.answered();
        // Other connections that would give the same error for ever are closed when the pool meets them.
        database::observe(answer).map_err(|error| {
            let failure = failure::sorted(&error);
            self.broken |= is_broken(&error) || failure.kind == FailureCause::StaleConnection;
            failure
        })
    }

    async fn fetch(&mut self, statement: &Statement) -> Result<Vec<Row>, EngineFailure> {
        let rendered = statement.render(Placeholders::Numbered);
        let query = bound(&rendered.sql, &rendered.values);
        let rows = query.fetch_all(self.connection.asked()).await;
        values::rows(&self.checked(rows)?)
    }

    /// Takes so many numbers of each sequence, and keeps them with the connection.
    async fn take_numbers(&mut self, wanted: &[(&'static str, i64)]) -> Result<(), EngineFailure> {
        let parts: Vec<String> = (0_i64..)
            .zip(wanted)
            .map(|(place, (sequence, _))| {
                let bind = place + 1;
                format!("select {place}::int8, nextval('{sequence}') from generate_series(1, ${bind}::int8)")
            })
            .collect();
        let sql = parts.join(" union all ");
        let query = wanted.iter().fold(sqlx::query_as(&sql), |query, (_, count)| query.bind(*count));
        let rows: sqlx::Result<Vec<(i64, i64)>> = query.fetch_all(self.connection.asked()).await;
        for (place, number) in self.checked(rows)? {
            let sequence = usize::try_from(place).ok().and_then(|place| wanted.get(place));
            let (sequence, _) = sequence.ok_or_else(|| EngineFailure::unreadable("nextval"))?;
            self.connection.numbers().entry(sequence).or_default().push_back(number);
        }
        Ok(())
    }

    async fn end(mut self: Box<Self>, how: &str) -> Result<(), EngineFailure> {
        if self.in_transaction {
            self.run(how).await?;
            self.in_transaction = false;
        }
        Ok(())
    }
}

fn bound<'q>(sql: &'q str, values: &[crate::delius::engine::Value]) -> Query<'q, Driver, PgArguments> {
    values.iter().fold(sqlx::query(sql), values::bind)
}

#[async_trait]
impl Session for PostgresSession {
    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, EngineFailure> {
        let answer = self.fetch(statement).await;
        match answer {
            // Outside a transaction nothing is lost: the plans are made anew and the statement is repeated.
            Err(EngineFailure { kind: FailureCause::StaleConnection, .. }) if !self.in_transaction => {
                let connection: &mut PgConnection = self.connection.asked();
                let cleared = connection.clear_cached_statements().await;
                self.checked(cleared)?;
                self.broken = false;
                self.fetch(statement).await
            }
            answer => answer,
        }
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, EngineFailure> {
        let rendered = statement.render(Placeholders::Numbered);
        let done = bound(&rendered.sql, &rendered.values).execute(self.connection.asked()).await;
        self.checked(done).map(|done| done.rows_affected())
    }

    async fn insert(&mut self, rows: &[Statement]) -> Result<u64, EngineFailure> {
        let Some(rendered) = Statement::render_rows(rows, Placeholders::Numbered) else {
            return Err(EngineFailure::new(
                FailureCause::Unknown,
                "the rows are not of one statement".to_owned(),
            ));
        };
        let done = bound(&rendered.sql, &rendered.values).execute(self.connection.asked()).await;
        self.checked(done).map(|done| done.rows_affected())
    }

    async fn next_ids(&mut self, wanted: &[(&'static str, usize)]) -> Result<Vec<Vec<i64>>, EngineFailure> {
        let ahead = if self.connection.is_kept() { TAKEN_AHEAD } else { 0 };
        let numbers = self.connection.numbers();
        let missing: Vec<(&'static str, i64)> = wanted
            .iter()
            .filter(|(sequence, count)| numbers.get(sequence).map_or(0, VecDeque::len) < *count)
            .map(|(sequence, count)| (*sequence, i64::try_from(count + ahead).unwrap_or(i64::MAX)))
            .collect();
        if !missing.is_empty() {
            self.take_numbers(&missing).await?;
        }
        let numbers = self.connection.numbers();
        let taken = wanted.iter().map(|(sequence, count)| {
            let held = numbers.entry(sequence).or_default();
            held.drain(..(*count).min(held.len())).collect()
        });
        Ok(taken.collect())
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, EngineFailure> {
        // The time of PostgreSQL is that of the transaction.
        if let Some(began) = self.began {
            return Ok(began);
        }
        let now = sqlx::query_scalar("select current_timestamp").fetch_one(self.connection.asked()).await;
        self.checked(now)
    }

    async fn commit(self: Box<Self>) -> Result<(), EngineFailure> {
        self.end("commit").await
    }

    async fn rollback(self: Box<Self>) -> Result<(), EngineFailure> {
        self.end("rollback").await
    }
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        if self.in_transaction || self.broken {
            self.connection.close_on_drop();
        }
    }
}
