//! `GET /openapi.json` and `GET /v3/api-docs`: the description of the API. The second address is where the other HMPPS
//! services have it.

use std::sync::Arc;

use http::StatusCode;
use utoipa::openapi::OpenApi;
use warp::{Filter, reply::Response};

use crate::http::{READ, Route, json};

pub(crate) fn routes(document: &Arc<OpenApi>) -> [Route; 2] {
    let (first, second) = (Arc::clone(document), Arc::clone(document));
    [
        Route::open(READ, "/openapi.json", warp::path!("openapi.json").map(|| ()).boxed(), move |()| {
            openapi(Arc::clone(&first))
        }),
        Route::open(READ, "/v3/api-docs", warp::path!("v3" / "api-docs").map(|| ()).boxed(), move |()| {
            api_docs(Arc::clone(&second))
        }),
    ]
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "Operations",
    responses((status = 200, description = "The OpenAPI document", body = Object)),
)]
pub(crate) async fn openapi(document: Arc<OpenApi>) -> Response {
    json(StatusCode::OK, &*document)
}

/// This document, where other HMPPS services have theirs
#[utoipa::path(
    get, path = "/v3/api-docs", operation_id = "apiDocs", tag = "Operations",
    responses((status = 200, description = "The OpenAPI document", body = Object)),
)]
pub(crate) async fn api_docs(document: Arc<OpenApi>) -> Response {
    openapi(document).await
}
