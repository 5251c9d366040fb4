//! What happens to every request around its route: admission, time limit, panics, request id, log and figures.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, Request};
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tracing::Instrument;
use uuid::Uuid;
use warp::reply::{Reply, Response};

use super::{Api, Problem, route::RouteLabel, routes};

pub(super) const REQUEST_ID: &str = "x-request-id";

/// Answered even under full load: an orchestrator must not take a busy process for a dead one.
const ALWAYS_ADMITTED: [&str; 3] = ["/health/ping", "/health/liveness", "/health/readiness"];

type Routes = Box<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response> + Send + Sync>;

/// The routes with everything around them.
pub(super) struct Service {
    routes: Routes,
    admission: Semaphore,
    limit: Duration,
}

impl Service {
    pub(super) fn new(api: &Api) -> Arc<Self> {
        let filtered = TowerToHyperService::new(warp::service(routes::filter(api.routes())));
        let routes = move |request| {
            let answer = filtered.call(request);
            async move { answer.await.unwrap_or_else(|never| match never {}) }.boxed()
        };
        Arc::new(Self {
            routes: Box::new(routes),
            admission: Semaphore::new(api.config().max_in_flight),
            limit: api.config().request_timeout,
        })
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response {
        let began = Instant::now();
        let id = request_id(request.headers());
        let method = name_of(request.method());
        let trace = trace_id(request.headers());
        let span = tracing::info_span!("request", request_id = %id, trace_id = trace, method);
        async {
            let mut response = self.admit(request).await;
            note(&response, method, began.elapsed());
            if let Ok(id) = HeaderValue::try_from(id.as_str()) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            response
        }
        .instrument(span.clone())
        .await
    }

    async fn admit(&self, request: Request<Incoming>) -> Response {
        let _place = match self.admission.try_acquire() {
            Ok(place) => Some(place),
            Err(_) if ALWAYS_ADMITTED.contains(&request.uri().path()) => None,
            Err(_) => {
                return Problem::unavailable("There are too many requests under way", 1).into_response();
            }
        };
        let answer = AssertUnwindSafe((self.routes)(request)).catch_unwind();
        match tokio::time::timeout(self.limit, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                // The panic hook has logged where; what it said may hold anything and goes nowhere.
                tracing::error!("a handler panicked");
                Problem::internal().into_response()
            }
            Err(_) => Problem::unavailable("The answer took too long", 5).into_response(),
        }
    }
}

/// Counts and logs an answer. Paths are not logged, only routes: what does not match one may be anything.
fn note(response: &Response, method: &'static str, took: Duration) {
    let route = response.extensions().get::<RouteLabel>().map_or("none", |label| label.0);
    let status = response.status();
    metrics::counter!("http_requests_total", "route" => route, "method" => method, "status" => status.as_str().to_owned())
        .increment(1);
    metrics::histogram!("http_request_duration_seconds", "route" => route).record(took.as_secs_f64());
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    match status.as_u16() {
        500.. => tracing::warn!(route, status = status.as_u16(), took_us, "answered"),
        400.. => tracing::info!(route, status = status.as_u16(), took_us, "answered"),
        _ => tracing::debug!(route, status = status.as_u16(), took_us, "answered"),
    }
}

/// The caller's request id, or a new one. Only what cannot garble a log line is taken over.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=64).contains(&id.len()))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The trace id of a W3C `traceparent` header.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (version, trace, _parent, _flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let valid = version.len() == 2 && trace.len() == 32 && is_hex(version) && is_hex(trace);
    (valid && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
}

/// A method by name; whatever callers make up is "other", so that it cannot multiply figures.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_request_id_is_taken_over_only_when_it_is_harmless() {
        assert_eq!(request_id(&headers(REQUEST_ID, "abc-1.2_3")), "abc-1.2_3");
        for bad in ["", "a b", "a\"b", "{}", &"a".repeat(65)] {
            let value = HeaderValue::from_str(bad);
            let headers =
                value.into_iter().map(|it| (http::HeaderName::from_static(REQUEST_ID), it)).collect();
            assert_eq!(request_id(&headers).len(), 36, "{bad}");
        }
    }

    #[test]
    fn a_trace_id_is_read_from_a_well_formed_traceparent_alone() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = headers("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(trace_id(&good), Some(trace));
        for bad in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "00-4bf9-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(&headers("traceparent", bad)), None, "{bad}");
        }
    }
}
