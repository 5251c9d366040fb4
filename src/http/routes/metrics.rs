//! `GET /metrics`: figures in the text format of Prometheus.

use http::{HeaderValue, header};
use metrics_exporter_prometheus::PrometheusHandle;
use warp::{Filter, reply::Response};

use crate::http::{Route, route::READ};

/// Figures in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "Operations",
    responses((status = 200, description = "The figures", body = String, content_type = "text/plain")),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_metrics() {}

pub(super) fn route(metrics: &PrometheusHandle) -> Route {
    let path = warp::path!("metrics").map(|| ()).boxed();
    let handle = metrics.clone();
    Route::open(READ, "/metrics", path, move |()| {
        let text = handle.render();
        async move {
            let mut response = Response::new(text.into());
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, format);
            response
        }
    })
}
