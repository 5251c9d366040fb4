//! Health of this process, for whoever runs it.

use ::http::StatusCode;
use warp::{Filter, filters::BoxedFilter, reply::Response};

use crate::http::{
    Health, READ, Route,
    health::{HealthBody, Status},
    json,
};

pub(super) fn routes(health_of: &Health) -> [Route; 4] {
    let (whole, ready) = (health_of.clone(), health_of.clone());
    [
        Route::open(READ, "/health/ping", at("ping"), |()| ping()),
        Route::open(READ, "/health/liveness", at("liveness"), |()| liveness()),
        Route::open(READ, "/health/readiness", at("readiness"), move |()| readiness(ready.clone())),
        Route::open(READ, "/health", warp::path!("health").map(|| ()).boxed(), move |()| {
            health(whole.clone())
        }),
    ]
}

fn at(part: &'static str) -> BoxedFilter<((),)> {
    warp::path("health").and(warp::path(part)).and(warp::path::end()).map(|| ()).boxed()
}

/// Whether the process can do its work
///
/// Each dependency is a component with its state and details.
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "Operations",
    responses((status = 200, description = "It can", body = HealthBody,
               example = json!({ "status": "UP", "components": { "store": { "status": "UP" } } })),
              (status = 503, description = "A component does not work", body = HealthBody,
               example = json!({ "status": "DOWN", "components": { "delius": { "status": "DOWN" } } }))),
)]
pub(crate) async fn health(health: Health) -> Response {
    answer(&health.check().await)
}

/// Answers at once
///
/// Touches no dependency.
#[utoipa::path(
    get, path = "/health/ping", operation_id = "ping", tag = "Operations",
    responses((status = 200, description = "The process answers", body = HealthBody, example = json!({ "status": "UP" }))),
)]
pub(crate) async fn ping() -> Response {
    answer(&HealthBody::up())
}

/// Whether the process should go on running
///
/// For Kubernetes, which restarts the process otherwise. A dependency that is down does not count.
#[utoipa::path(
    get, path = "/health/liveness", operation_id = "liveness", tag = "Operations",
    responses((status = 200, description = "It should", body = HealthBody, example = json!({ "status": "UP" }))),
)]
pub(crate) async fn liveness() -> Response {
    answer(&HealthBody::up())
}

/// Whether requests may be sent here
///
/// For Kubernetes, which sends requests elsewhere otherwise.
#[utoipa::path(
    get, path = "/health/readiness", operation_id = "readiness", tag = "Operations",
    responses((status = 200, description = "They may", body = HealthBody, example = json!({ "status": "UP" })),
              (status = 503, description = "The process is shutting down", body = HealthBody,
               example = json!({ "status": "OUT_OF_SERVICE" }))),
)]
pub(crate) async fn readiness(health: Health) -> Response {
    answer(&health.readiness())
}

fn answer(body: &HealthBody) -> Response {
    let status = if body.status == Status::Up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, body)
}
