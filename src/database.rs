//! Connections to PostgreSQL that never make anybody wait for ever: every wait for a connection, a lock, a statement
//! or an answer has an end, on a server that died without closing its connections as well.
//!
//! The server ends what takes too long on its side (statement, lock and idle-transaction timeouts, which come with the
//! connection). That does not help when the network in between swallows everything, and the driver has no time limit
//! of its own: [`in_time`] is for that, and connections that were abandoned in the middle of an answer prove
//! themselves before they go back to the pool.
//!
//! [`failure_kind`] is the one place that sorts the errors of a database, for both databases.

mod failure;
mod freshness;
mod kept;

use std::{borrow::Cow, time::Duration};

pub use failure::{FailureKind, failure_kind, is_outage, while_connecting};
pub use freshness::observe;
pub use kept::{HeldConnection, KeptConnections};

use sqlx::{
    Connection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

/// How long to wait for a connection, a fresh one included.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a connection that goes back to the pool may take to prove that it works.
const RELEASE: Duration = Duration::from_secs(2);
/// A connection that was not used for so long proves that it works before it is used again.
const UNUSED: Duration = Duration::from_millis(500);
/// Longest statement of the service. Longer than what the service itself waits for an answer.
const STATEMENT: Duration = Duration::from_secs(30);
/// Longest wait for a lock.
const LOCK: Duration = Duration::from_secs(10);
/// A transaction that nobody continues (its process is paused, or its machine is gone) releases its locks after
/// this.
const IDLE_TRANSACTION: Duration = Duration::from_secs(30);
/// How long the service waits for an answer of the store.
pub const ANSWER: Duration = Duration::from_secs(15);

/// The options of a pool for the service or a command.
pub fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // The driver asks a connection before every use and after it. One that was used a moment ago has just answered.
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                // A connection may answer every ping and every statement with an error, for example after a fail-over.
                if !freshness::is_fresh(metadata.age) {
                    return Ok(false);
                }
                if metadata.idle_for < UNUSED {
                    return Ok(true);
                }
                match tokio::time::timeout(RELEASE, connection.ping()).await {
                    Ok(answer) => answer.map(|()| true),
                    Err(_) => Err(no_answer()),
                }
            })
        })
        .after_release(|connection, metadata| {
            Box::pin(async move {
                if !freshness::is_fresh(metadata.age) {
                    return Ok(false);
                }
                match tokio::time::timeout(RELEASE, connection.ping()).await {
                    Ok(answer) => answer.map(|()| true),
                    // An error cuts the connection off; `false` would close it with a message that can hang as well.
                    Err(_) => Err(no_answer()),
                }
            })
        })
}

/// Connections of the service, whose statements have an end. Reports over everything (`verify`, `replay`) and
/// migrations may take longer and do without.
pub fn bounded(options: PgConnectOptions) -> PgConnectOptions {
    let ms = |duration: Duration| duration.as_millis().to_string();
    options.options([
        ("statement_timeout", ms(STATEMENT)),
        ("lock_timeout", ms(LOCK)),
        ("idle_in_transaction_session_timeout", ms(IDLE_TRANSACTION)),
        // A server notices a client that vanished, too.
        ("tcp_keepalives_idle", "10".to_owned()),
        ("tcp_keepalives_interval", "5".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
    ])
}

/// Connections whose statements find their rows by an index, as all statements of the service do.
///
/// Left to itself the server plans them while the tables are nearly empty, decides to read the tables whole, and keeps
/// these plans while the tables grow.
pub fn indexed(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        // What is discouraged above counts as so expensive that the server would compile it first.
        ("jit", "off"),
        // A statement is planned once per connection, not for its parameters each time: to plan the append of a batch costs
        // more than to execute it, and an index is right for all of them.
        ("plan_cache_mode", "force_generic_plan"),
    ])
}

/// Begins a transaction; use this and not the pool's own.
///
/// When the future of the pool's own is dropped after `BEGIN` was sent and before its answer came, the connection goes
/// back to the pool in a transaction of which the driver knows nothing: whatever is written on it later looks written
/// and is never committed. So a separate task completes the `begin`, and rolls back if the caller is gone.
///
/// # Errors
/// The database's own.
pub async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    begin_with(pool, "begin").await
}

/// The same with a statement of the caller's that begins it.
///
/// # Errors
/// The database's own.
#[allow(clippy::disallowed_methods, reason = "here it is carried through")]
pub async fn begin_with(
    pool: &PgPool,
    statement: impl Into<Cow<'static, str>>,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    let (pool, statement) = (pool.clone(), statement.into());
    let begun = tokio::spawn(async move { pool.begin_with(statement).await });
    observe(begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)))
}

/// The answer, unless it takes longer than [`ANSWER`].
///
/// # Errors
/// The database's own, or that there was no answer in time.
pub async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(ANSWER, answer).await
}

/// The answer, unless it takes longer than the limit.
///
/// # Errors
/// The database's own, or that there was no answer in time.
pub async fn within<T>(limit: Duration, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    observe(tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(no_answer())))
}

/// A pool of one connection beside this pool, for who asks the same statements all the time: they are planned once, and not
/// once on each connection.
pub fn alone(pool: &PgPool) -> PgPool {
    self::pool(1).connect_lazy_with((*pool.connect_options()).clone())
}

/// A connection that listens on a channel, apart from the pool: one that died without a word takes no place there. Who
/// holds it looks from time to time whether it still hears.
///
/// # Errors
/// When there is no connection in time.
pub async fn listener(pool: &PgPool, channel: &str) -> sqlx::Result<PgListener> {
    within(ACQUIRE * 2, async {
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE).max_lifetime(None);
        let own = own.idle_timeout(None).connect_with((*pool.connect_options()).clone()).await?;
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(channel).await?;
        Ok(listener)
    })
    .await
}

/// That there was no answer in time.
pub fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_never_comes_is_an_outage() {
        let never = within(Duration::ZERO, std::future::pending::<sqlx::Result<()>>()).await;
        assert!(is_outage(&never.expect_err("no answer")));
    }
}
