//! What happens to every request around its route: admission, time limit, panics, request id, log and metrics.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, Request};
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tracing::Instrument;
use warp::reply::{Reply, Response};

use crate::{
    http::{Problem, Site, hot_path, path, problem::Reason, routes},
    trace::{TRACEPARENT, TraceContext},
};

pub(super) const REQUEST_ID: &str = "x-request-id";

/// Answered even under full load: Kubernetes must not restart a busy process.
const ALWAYS_ADMITTED: [&str; 3] = ["/health/ping", "/health/liveness", "/health/readiness"];

type Routes = Box<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response> + Send + Sync>;

/// The routes with everything around them.
pub(super) struct Service {
    routes: Routes,
    admission: Semaphore,
    limit: Duration,
}

/// What log lines say about a request, besides its answer.
struct LoggedRequest {
    id: HeaderValue,
    trace: Option<String>,
    method: &'static str,
}

impl LoggedRequest {
    fn of(request: &Request<Incoming>) -> Self {
        let headers = request.headers();
        Self { id: request_id(headers), trace: trace_id(headers), method: name_of(request.method()) }
    }

    fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }
}

impl Service {
    pub(super) fn new(site: &Site) -> Arc<Self> {
        let filtered = TowerToHyperService::new(warp::service(routes::filter(site.all_routes())));
        let routes = move |request| {
            let answer = filtered.call(request);
            async move { answer.await.unwrap_or_else(|never| match never {}) }.boxed()
        };
        Arc::new(Self {
            routes: Box::new(routes),
            admission: Semaphore::new(site.config.max_in_flight),
            limit: site.config.request_timeout,
        })
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response {
        let began = Instant::now();
        let asked = LoggedRequest::of(&request);
        let (mut response, route) = hot_path::observed(self.admit(request, &asked)).await;
        let took = began.elapsed();
        route.count(asked.method, response.status(), took);
        note(&response, route.template(), &asked, took);
        response.headers_mut().insert(REQUEST_ID, asked.id);
        response
    }

    async fn admit(&self, mut request: Request<Incoming>, asked: &LoggedRequest) -> Response {
        // `CONNECT host:port` is for proxies, and the framework would panic without a path.
        if request.uri().path_and_query().is_none() {
            return Problem::bad_request("The request names no path").into_response();
        }
        if let Some(uri) = path::normalised(request.uri()) {
            *request.uri_mut() = uri;
        }
        let _place = match self.admission.try_acquire() {
            Ok(place) => Some(place),
            Err(_) if ALWAYS_ADMITTED.contains(&request.uri().path()) => None,
            Err(_) => {
                return Problem::unavailable("There are too many requests in progress", 1).into_response();
            }
        };
        let mut answer = pin!(AssertUnwindSafe((self.routes)(request)).catch_unwind());
        // Most answers come from memory at once. A span and a timer are made only for one that has to wait.
        let answered = match poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
            Poll::Ready(answered) => Ok(answered),
            Poll::Pending => {
                let span = tracing::info_span!(
                    "request",
                    request_id = asked.id(),
                    trace_id = asked.trace,
                    method = asked.method
                );
                tokio::time::timeout(self.limit, answer).instrument(span).await
            }
        };
        match answered {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                // The panic hook has logged the place. The message of the panic may hold personal data and is dropped.
                tracing::error!(request_id = asked.id(), "a handler panicked");
                Problem::internal().into_response()
            }
            Err(_) => Problem::unavailable("The answer took too long", 5).into_response(),
        }
    }
}

/// Logs an answer. Only the route is logged and never the path, which may hold anything.
fn note(response: &Response, route: &'static str, asked: &LoggedRequest, took: Duration) {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    let reason = response.extensions().get().map(|Reason(reason)| *reason);
    macro_rules! answered {
        ($level:ident) => {
            tracing::$level!(
                request_id = asked.id(),
                trace_id = asked.trace,
                method = asked.method,
                route,
                status,
                reason,
                took_us,
                "answered"
            )
        };
    }
    match status {
        500.. => answered!(warn),
        400.. => answered!(info),
        _ => answered!(debug),
    }
}

/// The caller's request id, or a new one. Only letters, digits and `-_.` are taken over: log lines stay readable.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let harmless = |id: &&HeaderValue| {
        let id = id.as_bytes();
        (1..=64).contains(&id.len()) && id.iter().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(it))
    };
    headers.get(REQUEST_ID).filter(harmless).cloned().unwrap_or_else(new_request_id)
}

/// A UUID of version 7. It is no secret, so its random part comes from a fast generator without a system call.
fn new_request_id() -> HeaderValue {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}

/// The trace of a request, if it brings one.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(TRACEPARENT)?.to_str().ok()?;
    TraceContext::parse(given).map(TraceContext::trace_id)
}

/// A method by name; whatever callers make up is "other", so that it cannot multiply metrics.
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
}
