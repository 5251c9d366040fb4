//! `GET /openapi.json`: the description of the API.

use std::sync::Arc;

use http::StatusCode;
use warp::Filter;

use crate::http::{Route, problem::json, route::READ};

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "Operations",
    responses((status = 200, description = "The OpenAPI document", body = Object)),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_openapi() {}

pub(crate) fn route(document: Arc<utoipa::openapi::OpenApi>) -> Route {
    let path = warp::path!("openapi.json").map(|| ()).boxed();
    Route::open(READ, "/openapi.json", path, move |()| {
        let document = document.clone();
        async move { json(StatusCode::OK, &*document) }
    })
}
