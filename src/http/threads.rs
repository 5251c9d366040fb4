//! Threads of the API's own, one for each processor.
//!
//! A connection stays on its thread, so that an answer from memory wakes nobody else, and the other roles cannot make
//! callers wait. The threads live as long as the process: connections to the databases that were opened on them are
//! used by the other roles too.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::runtime::{Builder, Handle};

static THREADS: LazyLock<Vec<Handle>> = LazyLock::new(|| {
    let wanted = thread::available_parallelism().map_or(1, Into::into);
    let started: Result<Vec<_>, _> = (0..wanted).map(start).collect();
    started.unwrap_or_else(|error| {
        tracing::warn!(%error, "the API has no threads of its own and shares those of the other roles");
        vec![Handle::current()]
    })
});

/// The thread whose turn it is to take a connection.
pub(super) fn next() -> &'static Handle {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let threads = &*THREADS;
    &threads[TURN.fetch_add(1, Ordering::Relaxed) % threads.len()]
}

fn start(number: usize) -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("api-{number}"))
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
