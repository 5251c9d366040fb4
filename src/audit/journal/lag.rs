//! What holds the journal back, and what keeps an answer about the past from being final: transactions that still run.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};

use crate::{audit::journal::Journal, event_store::reader::ReadError};

/// The transactions of the cluster that write, prepared ones included, with their start. A role that is not a member
/// of `pg_read_all_stats` does not see the start of other roles' transactions; a transaction that begins or ends just
/// now may have none either.
const RUNNING: &str = "select datname as database, xact_start as since from pg_stat_activity
     where backend_xid is not null and pid <> pg_backend_pid()
     union all select database, prepared from pg_prepared_xacts";

/// How far the journal is behind, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct JournalLag {
    /// Start of the oldest write transaction: no later event can be entered. Transactions in the other databases
    /// of the cluster count too, because all draw their numbers from one sequence.
    pub horizon_since: Option<DateTime<Utc>>,
    /// A transaction runs whose start we may not see, so the horizon may be older.
    pub unknown: bool,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

impl Journal {
    /// Since when the oldest write transaction of the cluster has been holding the journal back.
    pub async fn lag(&self) -> Result<JournalLag, ReadError> {
        let sql = format!(
            "select min(since) as horizon_since, coalesce(bool_or(since is null), false) as unknown,
                    clock_timestamp() as now
             from ({RUNNING}) running"
        );
        Ok(sqlx::query_as(&sql).fetch_one(&self.pool).await?)
    }
}

/// The time of the store's clock, and since when a transaction has been running that may still add events with an
/// earlier time of recording; `None` when there is none, the beginning of 1970 when its start may not be seen.
///
/// # Errors
/// When the store cannot be read.
pub async fn unsettled_since(pool: &PgPool) -> sqlx::Result<(DateTime<Utc>, Option<DateTime<Utc>>)> {
    let sql = format!(
        "select clock_timestamp(), case when bool_or(since is null) then to_timestamp(0) else min(since) end
         from ({RUNNING}) running where database = current_database()"
    );
    sqlx::query_as(&sql).fetch_one(pool).await
}
