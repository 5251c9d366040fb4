//! Figures of answers, by route. The handles of a route's figures are looked up once, not for every answer.

use std::{
    cell::RefCell,
    future::Future,
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use http::StatusCode;
use metrics::{Counter, Histogram};

tokio::task_local! {
    /// The route that took the request being answered.
    static TAKEN_BY: RefCell<Option<Arc<RouteFigures>>>;
}

/// The figures of one route.
#[derive(Default)]
pub(super) struct RouteFigures {
    template: &'static str,
    duration: OnceLock<Histogram>,
    answers: RwLock<Vec<((&'static str, StatusCode), Counter)>>,
}

impl RouteFigures {
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

/// Says which route has taken the request.
pub(super) fn taken_by(route: &Arc<RouteFigures>) {
    // Outside of a server, as in a test of a filter, nobody counts.
    let _ = TAKEN_BY.try_with(|taken| taken.replace(Some(Arc::clone(route))));
}

/// Answers, and tells which route took the request; where none did, the figures of no route.
pub(super) async fn observed<R>(answer: impl Future<Output = R>) -> (R, Arc<RouteFigures>) {
    static NONE: LazyLock<Arc<RouteFigures>> = LazyLock::new(|| RouteFigures::new("none"));
    TAKEN_BY
        .scope(RefCell::default(), async {
            let answer = answer.await;
            (answer, TAKEN_BY.with(RefCell::take).unwrap_or_else(|| Arc::clone(&NONE)))
        })
        .await
}
