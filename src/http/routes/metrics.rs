//! `GET /metrics`: metrics in the text format of Prometheus.

use http::{HeaderValue, header};
use metrics_exporter_prometheus::PrometheusHandle;
use warp::{Filter, reply::Response};

use crate::http::{READ, Route};

pub(super) fn route(handle: &PrometheusHandle) -> Route {
    let path = warp::path!("metrics").map(|| ()).boxed();
    let handle = handle.clone();
    Route::open(READ, "/metrics", path, move |()| metrics(handle.clone()))
}

/// Metrics in the text format of Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "Operations",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(handle: PrometheusHandle) -> Response {
    let mut response = Response::new(handle.render().into());
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, format);
    response
}
