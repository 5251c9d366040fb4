//! One connection for one piece of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    Connection, Executor, PgConnection, Postgres as Driver, Row as _, pool::PoolConnection,
    postgres::PgArguments, query::Query,
};

use super::{
    failure::{self, is_broken},
    values,
};
use crate::{
    database,
    delius::engine::{EngineFailure, FailureCause, Placeholders, Row, Session, Statement},
};

/// Architecture invariant: a connection goes back to the pool only outside a transaction and answering. Whatever is
/// given up in the middle is closed, because the driver does not know of a `begin` whose answer nobody waited for.
pub(super) struct PostgresSession {
    connection: PoolConnection<Driver>,
    in_transaction: bool,
    broken: bool,
}

impl PostgresSession {
    pub(super) async fn open(
        connection: PoolConnection<Driver>,
        begin: Option<String>,
    ) -> Result<Self, EngineFailure> {
        let mut session = Self { connection, in_transaction: begin.is_some(), broken: false };
        if let Some(begin) = begin {
            session.run(&begin).await?;
        }
        Ok(session)
    }

    /// Runs statements without parameters, in one round trip.
    async fn run(&mut self, sql: &str) -> Result<(), EngineFailure> {
        let done = (&mut *self.connection).execute(sql).await;
        self.checked(done).map(|_| ())
    }

    fn checked<T>(&mut self, answer: sqlx::Result<T>) -> Result<T, EngineFailure> {
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
        let rows = query.fetch_all(&mut *self.connection).await;
        values::rows(&self.checked(rows)?)
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
                let connection: &mut PgConnection = &mut self.connection;
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
        let done = bound(&rendered.sql, &rendered.values).execute(&mut *self.connection).await;
        self.checked(done).map(|done| done.rows_affected())
    }

    async fn next_ids(&mut self, wanted: &[(&'static str, usize)]) -> Result<Vec<Vec<i64>>, EngineFailure> {
        let (mut ids, mut binds) = (vec![Vec::new(); wanted.len()], vec![]);
        let parts: Vec<String> = wanted
            .iter()
            .enumerate()
            .filter(|(_, (_, count))| *count > 0)
            .map(|(place, (sequence, count))| {
                binds.push(i64::try_from(*count).unwrap_or(i64::MAX));
                let bind = binds.len();
                format!("select {place}::int8, nextval('{sequence}') from generate_series(1, ${bind}::int8)")
            })
            .collect();
        if parts.is_empty() {
            return Ok(ids);
        }
        let sql = parts.join(" union all ");
        let rows = binds.into_iter().fold(sqlx::query(&sql), |query, count| query.bind(count));
        let rows = rows.fetch_all(&mut *self.connection).await;
        for row in self.checked(rows)? {
            let (place, id): (i64, i64) = (self.checked(row.try_get(0))?, self.checked(row.try_get(1))?);
            let place = usize::try_from(place).map_err(|_| EngineFailure::unreadable("nextval"))?;
            ids.get_mut(place).ok_or_else(|| EngineFailure::unreadable("nextval"))?.push(id);
        }
        Ok(ids)
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, EngineFailure> {
        let now = sqlx::query_scalar("select current_timestamp").fetch_one(&mut *self.connection).await;
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
