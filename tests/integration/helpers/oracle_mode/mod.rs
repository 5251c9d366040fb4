//! Delius on H2 in Oracle mode: the gateway's scenarios run there unchanged.
//!
//! `make test-oracle-mode` sets `H2_BRIDGE` to the address of a bridge (`tests/oracle-mode/Bridge.java`). Then the
//! gateways of the tests open their sessions on an H2 database that is made from the catalogue of the test's PostgreSQL
//! database: the same tables, constraints and rows, in Oracle's types. What a session commits is carried back, so that
//! the tests set rows up and look at them as always, and assert the same rows.
//!
//! H2 is not Oracle: it shows that the statements are not PostgreSQL's own, that empty texts are null, that `char(n)` is
//! padded, and that every key, flag and audit column is given. It shows nothing of row-level security, of PL/SQL
//! triggers, of native network encryption or of `for update wait n`.

mod bridge;
mod mirror;
mod schema;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use manage_pom_cases_and_delius::delius::engine::{
    Connections, Engine, EngineFailure, FailureCause, Limits, Placeholders, Row, Session, SessionAccess,
    Statement,
};
use sqlx::PgPool;
use tokio::sync::{Mutex, OwnedMutexGuard};

use self::bridge::{Bridge, Refused};

/// The engine of a test: H2 where a bridge runs, else nothing.
pub(crate) fn engine(pool: &PgPool) -> Option<Arc<dyn Engine>> {
    let address = std::env::var("H2_BRIDGE").ok().filter(|address| !address.is_empty())?;
    Some(Arc::new(OracleMode { address, pool: pool.clone(), turn: Arc::default() }))
}

struct OracleMode {
    address: String,
    pool: PgPool,
    /// Sessions one at a time: what one commits must be carried back before the next begins.
    turn: Arc<Mutex<()>>,
}

impl fmt::Debug for OracleMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OracleMode")
    }
}

#[async_trait]
impl Engine for OracleMode {
    async fn open(&self, access: SessionAccess, limits: Limits) -> Result<Box<dyn Session>, EngineFailure> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let tables = schema::tables(&self.pool).await;
        let mut bridge = Bridge::connect(&self.address, &uuid::Uuid::now_v7().simple().to_string()).await;
        bridge.script(&schema::ddl(&self.pool, &tables).await).await.map_err(sorted)?;
        mirror::fill(&mut bridge, &self.pool, &tables).await.map_err(sorted)?;
        let (lock, statement) = (limits.lock.as_millis(), limits.statement.as_millis());
        let bounds = format!("set lock_timeout {lock}; set query_timeout {statement}");
        bridge.script(&bounds).await.map_err(sorted)?;
        if access != SessionAccess::Statement {
            bridge.begin().await.map_err(sorted)?;
        }
        let writes = access == SessionAccess::Write;
        Ok(Box::new(OracleSession { bridge, pool: self.pool.clone(), tables, writes, _turn: turn }))
    }

    fn beside(&self, _: Duration) -> Arc<dyn Engine> {
        Arc::new(Self {
            address: self.address.clone(),
            pool: self.pool.clone(),
            turn: Arc::clone(&self.turn),
        })
    }

    fn connections(&self) -> Connections {
        Connections::default()
    }
}

struct OracleSession {
    bridge: Bridge,
    pool: PgPool,
    tables: Vec<schema::Table>,
    writes: bool,
    _turn: OwnedMutexGuard<()>,
}

#[async_trait]
impl Session for OracleSession {
    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, EngineFailure> {
        let rendered = statement.render(Placeholders::Question);
        let answer = self.bridge.query(&rendered.sql, &rendered.values).await.map_err(sorted)?;
        let columns: Arc<[String]> = answer.columns.into();
        Ok(answer.rows.into_iter().map(|row| Row::new(Arc::clone(&columns), row)).collect())
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, EngineFailure> {
        let rendered = statement.render(Placeholders::Question);
        match self.bridge.update(&rendered.sql, &rendered.values).await {
            Ok(changed) => Ok(changed),
            Err(refused) => Err(with_table(sorted(refused), &self.pool).await),
        }
    }

    async fn next_ids(&mut self, wanted: &[(&'static str, usize)]) -> Result<Vec<Vec<i64>>, EngineFailure> {
        let mut ids = Vec::new();
        for (sequence, count) in wanted {
            let mut of_sequence = Vec::new();
            for _ in 0..*count {
                let next = Statement::new(format!("select {sequence}.nextval as id from dual"));
                of_sequence.push(self.query(&next).await?[0].int("id")?);
            }
            ids.push(of_sequence);
        }
        Ok(ids)
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, EngineFailure> {
        self.bridge.now().await.map_err(sorted)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), EngineFailure> {
        if self.writes {
            self.bridge.commit().await.map_err(sorted)?;
            mirror::carry_back(&mut self.bridge, &self.pool, &self.tables).await.map_err(sorted)?;
        }
        Ok(())
    }

    async fn rollback(mut self: Box<Self>) -> Result<(), EngineFailure> {
        if self.writes { self.bridge.rollback().await.map_err(sorted) } else { Ok(()) }
    }
}

/// H2's SQLSTATEs: integrity is class 23 as everywhere, a lock that is not free is HYT00, a deadlock 40001.
fn sorted(refused: Refused) -> EngineFailure {
    let kind = match refused.state.as_str() {
        state if state.starts_with("23") => {
            FailureCause::Violation { table: None, constraint: constraint(&refused.message) }
        }
        "40001" | "HYT00" => FailureCause::Conflict,
        "57014" => FailureCause::Outage,
        _ => FailureCause::Unknown,
    };
    EngineFailure::new(kind, format!("SQLSTATE {}: {}", refused.state, refused.message))
}

/// H2 names the constraint; the table that it belongs to stands in the catalogue that H2's was made from.
async fn with_table(failure: EngineFailure, pool: &PgPool) -> EngineFailure {
    let FailureCause::Violation { constraint: Some(name), .. } = &failure.kind else { return failure };
    let table = sqlx::query_scalar("select conrelid::regclass::text from pg_constraint where conname = $1")
        .bind(name)
        .fetch_optional(pool)
        .await
        .unwrap();
    EngineFailure::new(FailureCause::Violation { table, constraint: Some(name.clone()) }, failure.reason)
}

/// `… violation: "PUBLIC.STAFF_TEAM_PKEY ON …` or `"STAFF_TEAM_PKEY: …`.
fn constraint(message: &str) -> Option<String> {
    let quoted = message.split('"').nth(1)?.trim_start_matches("PUBLIC.");
    let name = quoted.split([' ', ':']).next()?.to_lowercase();
    Some(name.split_once("_index_").map_or(name.as_str(), |(name, _)| name).to_owned())
}
