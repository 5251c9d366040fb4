//! What makes an answer from memory cheap: the API's own threads, and metric handles that are looked up once.
//!
//! Everything in this file exists for one figure in `docs/PERFORMANCE.md`: the rate at which a cached case record is
//! served, beside nginx serving the same bytes as a static file. Nothing here changes an answer: with the ordinary
//! threads and `metrics::counter!` for every answer, the API would be as correct and slower.

use std::{
    cell::RefCell,
    future::Future,
    sync::{
        Arc, LazyLock, OnceLock, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use http::StatusCode;
use metrics::{Counter, Histogram};
use tokio::runtime::{Builder, Handle};

/// One thread with a runtime for each processor, for connections alone. A connection stays on its thread, so that an
/// answer from memory wakes no other one, and the other roles cannot make callers wait.
///
/// They live as long as the process: connections to the databases that were opened on them are used by all roles.
static THREADS: LazyLock<Vec<Handle>> = LazyLock::new(|| {
    let wanted = thread::available_parallelism().map_or(1, Into::into);
    let started: Result<Vec<_>, _> = (0..wanted).map(start).collect();
    started.unwrap_or_else(|error| {
        tracing::warn!(%error, "the threads of the API could not be started; it shares those of the other roles");
        vec![Handle::current()]
    })
});

/// The thread for the next connection, in turn.
pub(super) fn next_thread() -> &'static Handle {
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

tokio::task_local! {
    /// The route that took the request being answered.
    static TAKEN_BY: RefCell<Option<Arc<RouteMetrics>>>;
}

/// The metrics of one route, with the handles of those that were used.
#[derive(Default)]
pub(super) struct RouteMetrics {
    template: &'static str,
    duration: OnceLock<Histogram>,
    answers: RwLock<Vec<((&'static str, StatusCode), Counter)>>,
}

impl RouteMetrics {
    pub(super) fn new(template: &'static str) -> Arc<Self> {
        Arc::new(Self { template, ..Self::default() })
    }

    pub(super) fn template(&self) -> &'static str {
        self.template
    }

    /// Counts an answer.
    pub(super) fn count(&self, method: &'static str, status: StatusCode, took: Duration) {
        self.duration
            .get_or_init(|| metrics::histogram!("http_request_duration_seconds", "route" => self.template))
            .record(took.as_secs_f64());
        let known = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = known.iter().find(|(of, _)| *of == (method, status)) {
            return counter.increment(1);
        }
        drop(known);
        let counter = metrics::counter!("http_requests_total", "route" => self.template, "method" => method,
            "status" => status.as_str().to_owned());
        counter.increment(1);
        self.answers.write().unwrap_or_else(PoisonError::into_inner).push(((method, status), counter));
    }
}

/// Records which route handles the request.
pub(super) fn taken_by(route: &Arc<RouteMetrics>) {
    // Outside a server, as in a test of a filter, nothing is counted.
    let _ = TAKEN_BY.try_with(|taken| taken.replace(Some(Arc::clone(route))));
}

/// Runs `answer` and returns its result with the metrics of the route that took the request, or of no route.
pub(super) async fn observed<R>(answer: impl Future<Output = R>) -> (R, Arc<RouteMetrics>) {
    static NONE: LazyLock<Arc<RouteMetrics>> = LazyLock::new(|| RouteMetrics::new("none"));
    TAKEN_BY
        .scope(RefCell::default(), async {
            let answer = answer.await;
            (answer, TAKEN_BY.with(RefCell::take).unwrap_or_else(|| Arc::clone(&NONE)))
        })
        .await
}
