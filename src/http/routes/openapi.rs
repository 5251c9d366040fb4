//! `GET /openapi.json`: the description of the API.

use http::StatusCode;
use warp::Filter;

use crate::http::{Api, Route, problem::json, route::READ};

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "Operations",
    responses((status = 200, description = "The OpenAPI document", body = Object)),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_openapi() {}

pub(super) fn route(api: &Api) -> Route {
    let path = warp::path!("openapi.json").map(|| ()).boxed();
    let document = api.documentation();
    Route::open(READ, "/openapi.json", path, move |()| {
        let document = document.clone();
        async move { json(StatusCode::OK, &*document) }
    })
}
