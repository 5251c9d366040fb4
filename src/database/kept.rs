//! Connections that stay with who works without a break.
//!
//! The pool makes sure that a connection still answers each time it comes back: two round trips for every piece of work.
//! Whoever has just had the answer to all that was asked knows it, and leaves the connection for the next piece of work.
//! A moment without work, and it goes back to the pool.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::freshness;

/// A connection that nobody used for so long goes back to the pool.
const KEPT_FOR: Duration = Duration::from_millis(100);

/// After so long in use it goes back too: the pool closes connections that have become old.
const HELD_FOR: Duration = Duration::from_secs(60);

/// The smallest pool of which some connections can be kept while others use it too.
const LARGE_POOL: u32 = 8;

/// A pool with connections that are kept for a moment. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct KeptConnections {
    pool: PgPool,
    idle: Arc<Mutex<Idle>>,
    /// Who waits here waits for whichever connection is left next; who waited in the pool would wait for one that is never
    /// given back while there is work.
    turns: Arc<Semaphore>,
    keeps: bool,
}

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<IdleConnection>,
    /// Whether a task is there that gives back what nobody uses.
    watched: bool,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PoolConnection<Postgres>,
    taken: Instant,
    left: Instant,
    numbers: Numbers,
}

/// Numbers of sequences, by their names, that were taken on a connection and not used yet.
pub(crate) type Numbers = BTreeMap<&'static str, VecDeque<i64>>;

/// A connection in use. When it is dropped it is kept for a moment if it has answered everything that it was asked; else
/// it goes back to the pool, which looks at it.
#[derive(Debug)]
pub struct HeldConnection {
    connection: Option<PoolConnection<Postgres>>,
    /// When it was taken from the pool.
    taken: Instant,
    unanswered: bool,
    /// Whether it was kept before.
    kept: bool,
    numbers: Numbers,
    from: KeptConnections,
    _turn: OwnedSemaphorePermit,
}

impl KeptConnections {
    /// Of a pool that nobody else uses.
    pub fn of(pool: PgPool) -> Self {
        let at_most = pool.options().get_max_connections();
        Self::at_most(at_most, true, pool)
    }

    /// At most so many of a pool that others use as well. Of a small pool nothing is kept: the others would not get any.
    pub fn sharing(pool: PgPool, at_most: u32) -> Self {
        let keeps = pool.options().get_max_connections() >= LARGE_POOL;
        Self::at_most(at_most, keeps, pool)
    }

    fn at_most(at_most: u32, keeps: bool, pool: PgPool) -> Self {
        Self { pool, idle: Arc::default(), turns: Arc::new(Semaphore::new(at_most as usize)), keeps }
    }

    /// The pool itself.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The connection that was left last, else one of the pool.
    ///
    /// # Errors
    /// The pool's own.
    pub async fn take(&self) -> sqlx::Result<HeldConnection> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(self.pool.options().get_acquire_timeout(), turn).await;
        let Ok(Ok(turn)) = turn else { return Err(sqlx::Error::PoolTimedOut) };
        let kept = self.kept();
        let (kept, (connection, taken, numbers)) = match kept {
            Some(IdleConnection { connection, taken, numbers, .. }) => (true, (connection, taken, numbers)),
            None => (false, (self.pool.acquire().await?, Instant::now(), Numbers::new())),
        };
        let (connection, from) = (Some(connection), self.clone());
        Ok(HeldConnection { connection, taken, unanswered: false, kept, numbers, from, _turn: turn })
    }

    fn kept(&self) -> Option<IdleConnection> {
        let mut idle = self.idle();
        while let Some(connection) = idle.connections.pop() {
            let held = connection.taken.elapsed();
            // One that was opened before an error of all connections would give this error again.
            if connection.left.elapsed() < KEPT_FOR && held < HELD_FOR && freshness::is_fresh(held) {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: PoolConnection<Postgres>, taken: Instant, numbers: Numbers) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.keeps || self.pool.is_closed() {
            return;
        }
        let mut idle = self.idle();
        idle.connections.push(IdleConnection { connection, taken, left: Instant::now(), numbers });
        if !idle.watched {
            idle.watched = true;
            runtime.spawn(give_back(Arc::clone(&self.idle)));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldConnection {
    /// The connection, to ask it something. Whoever has the whole answer says so by [`answered`](Self::answered).
    #[expect(
        clippy::expect_used,
        reason = "nothing but `drop` and `close_on_drop`, which ends it, takes it out"
    )]
    pub fn asked(&mut self) -> &mut PgConnection {
        self.unanswered = true;
        self.connection.as_mut().expect("a connection until it is dropped")
    }

    /// Nothing is outstanding: the answer, or the error of the server, has come.
    pub fn answered(&mut self) {
        self.unanswered = false;
    }

    /// Whether it was used without a break up to now.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Numbers of sequences that were taken on it. They are forgotten when it goes back to the pool.
    pub(crate) fn numbers(&mut self) -> &mut Numbers {
        &mut self.numbers
    }

    /// Has it closed when it is dropped.
    pub fn close_on_drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

impl Drop for HeldConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.unanswered
        {
            self.from.keep(connection, self.taken, std::mem::take(&mut self.numbers));
        }
    }
}

async fn give_back(idle: Arc<Mutex<Idle>>) {
    loop {
        tokio::time::sleep(KEPT_FOR).await;
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.retain(|connection| connection.left.elapsed() < KEPT_FOR);
        if idle.connections.is_empty() {
            idle.watched = false;
            return;
        }
    }
}
