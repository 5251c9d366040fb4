//! Health of this process, for whoever runs it.

use http::StatusCode;
use warp::{Filter, reply::Response};

use crate::http::{
    Health, Route,
    health::{HealthBody, Status},
    problem::json,
    route::READ,
};

/// All parts and their state.
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "Operations",
    responses((status = 200, description = "All is well", body = HealthBody),
              (status = 503, description = "A part does not work", body = HealthBody)),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_health() {}

/// Answers at once, without touching a dependency.
#[utoipa::path(
    get, path = "/health/ping", operation_id = "ping", tag = "Operations",
    responses((status = 200, description = "The process answers", body = HealthBody)),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_ping() {}

/// Whether the process should go on living.
#[utoipa::path(
    get, path = "/health/liveness", operation_id = "liveness", tag = "Operations",
    responses((status = 200, description = "It should", body = HealthBody)),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_liveness() {}

/// Whether requests may be sent here.
#[utoipa::path(
    get, path = "/health/readiness", operation_id = "readiness", tag = "Operations",
    responses((status = 200, description = "They may", body = HealthBody),
              (status = 503, description = "The process is on its way out", body = HealthBody)),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_readiness() {}

pub(super) fn routes(health: &Health) -> [Route; 4] {
    let (health, readiness) = (health.clone(), health.clone());
    let up = || async { Response::new(r#"{"status":"UP"}"#.into()) };
    [
        Route::open(READ, "/health/ping", at("ping"), move |()| async move { json_type(up().await) }),
        Route::open(READ, "/health/liveness", at("liveness"), move |()| async move { json_type(up().await) }),
        Route::open(READ, "/health/readiness", at("readiness"), move |()| {
            let body = readiness.readiness();
            async move { answer(&body) }
        }),
        Route::open(READ, "/health", warp::path!("health").map(|| ()).boxed(), move |()| {
            let health = health.clone();
            async move { answer(&health.check().await) }
        }),
    ]
}

fn at(part: &'static str) -> warp::filters::BoxedFilter<((),)> {
    warp::path("health").and(warp::path(part)).and(warp::path::end()).map(|| ()).boxed()
}

fn answer(body: &HealthBody) -> Response {
    let status = if body.status == Status::Up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, body)
}

fn json_type(mut response: Response) -> Response {
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
