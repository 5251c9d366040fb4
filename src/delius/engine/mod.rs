//! The boundary to the database engine: all that another engine has to provide for the gateway to run on it.
//!
//! The gateway speaks through [`Session`] only, in statements that are right for PostgreSQL *and* for Oracle (the
//! `sql` room). An engine turns named binds into its own placeholders, values into its own types, and its own errors
//! into a [`EngineFailure`].
//!
//! # What stays unproven about the real Delius
//!
//! Production runs on Oracle 19c. No Oracle server is available to the tests, and the listener demands native network
//! encryption, which no pure-Rust driver speaks (the `oracle` crate does, with Oracle's Instant Client at run time). So
//! these have been prepared for and not been tried: a real Oracle, its row-level security and triggers, the
//! encryption, `for update` with a time limit of its own (`wait n`), and how a deadlock or a lock timeout looks there
//! (Oracle rolls back the statement alone). The service therefore does not write to a production Delius.

mod failure;
pub mod postgres;
mod row;
mod statement;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use failure::{EngineFailure, FailureCause};
pub use row::Row;
pub use statement::{Placeholders, Rendered, Statement, Value};

/// How long one step of a write may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Waiting for a row that another transaction holds.
    pub lock: Duration,
    /// One statement, its locks included.
    pub statement: Duration,
    /// The whole write, waiting for a connection included. A lease on a write should be longer.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(4),
            statement: Duration::from_secs(8),
            write: Duration::from_secs(12),
        }
    }
}

/// How a pool of connections is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    pub open: u32,
    /// Open and used by nobody.
    pub idle: u32,
    pub most: u32,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAccess {
    /// One transaction that may write.
    Write,
    /// One transaction that writes nothing.
    Read,
    /// Single statements that read, without a transaction around them and its round trips.
    Statement,
}

/// A database engine with a pool of connections to Delius.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync {
    /// Opens a session on a connection of its own.
    ///
    /// - A transaction reads what others committed before each *statement* (READ COMMITTED), whatever the database's
    ///   default is: the checks after a lock depend on it.
    /// - A lock that is not free within `limits.lock` fails with [`FailureCause::Conflict`], a statement that takes
    ///   longer than `limits.statement` with [`FailureCause::Outage`].
    /// - This is where row-level security learns which database user is at work (in production a call of
    ///   `PKG_VPD_CTX.SET_CLIENT_IDENTIFIER`), and the end of the session is where it forgets: without it rows may be
    ///   invisible, and every person would look unknown.
    ///
    /// # Errors
    /// Whatever prevents a connection is [`FailureCause::Outage`], a refused login or a missing database included.
    async fn open(&self, access: SessionAccess, limits: Limits) -> Result<Box<dyn Session>, EngineFailure>;

    /// The same database through another pool of the same size. A connection must be free, and a statement end, within
    /// `limit`.
    fn beside(&self, limit: Duration) -> Arc<dyn Engine>;

    /// How the pool is used.
    fn connections(&self) -> Connections;
}

/// A connection for one piece of work.
///
/// A session that is dropped without [`commit`](Session::commit) has written nothing, and its connection is used again
/// only if it is certainly outside a transaction.
#[async_trait]
pub trait Session: Send {
    /// Runs a query and returns all rows, their columns by the lower-case names of the select list.
    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, EngineFailure>;

    /// Runs a statement that changes rows and returns how many it changed.
    async fn execute(&mut self, statement: &Statement) -> Result<u64, EngineFailure>;

    /// Runs inserts of one text, each of which inserts a row, and returns how many there were; in one round trip
    /// where the engine can.
    async fn insert(&mut self, rows: &[Statement]) -> Result<u64, EngineFailure> {
        let mut inserted = 0;
        for row in rows {
            inserted += self.execute(row).await?;
        }
        Ok(inserted)
    }

    /// The next keys of sequences, as many of each as asked for, in one round trip where the engine can. Delius' keys
    /// have no column default. A connection that is used without a break may take some ahead, as a sequence with a cache
    /// does for each of its sessions; they go with the connection, so that none outlives a restore of the database.
    async fn next_ids(&mut self, wanted: &[(&'static str, usize)]) -> Result<Vec<Vec<i64>>, EngineFailure>;

    /// The database's own clock. Decisions use it, because the clock of a pod may be wrong and the rows are compared
    /// with rows that others signed by the database's clock.
    async fn now(&mut self) -> Result<DateTime<Utc>, EngineFailure>;

    /// Commits. After an error it is unknown whether the rows were written; the ledger tells.
    async fn commit(self: Box<Self>) -> Result<(), EngineFailure>;

    /// Rolls back, so that the connection can be used again.
    async fn rollback(self: Box<Self>) -> Result<(), EngineFailure>;
}
