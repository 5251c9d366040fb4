//! `GET /info`: what is running here.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use warp::Filter;

use crate::http::{Route, problem::json, route::READ};

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InfoBody {
    /// The build.
    pub build: Build,
}

/// A build of this service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Build {
    /// Name of the service.
    pub name: &'static str,
    /// Version of the service.
    pub version: &'static str,
    /// Commit it was built from, when the build was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<&'static str>,
}

const INFO: InfoBody = InfoBody {
    build: Build {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("GIT_COMMIT"),
    },
};

/// Name and version of the service.
#[utoipa::path(
    get, path = "/info", operation_id = "info", tag = "Operations",
    responses((status = 200, description = "Name and version", body = InfoBody)),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_info() {}

pub(super) fn route() -> Route {
    let path = warp::path!("info").map(|| ()).boxed();
    Route::open(READ, "/info", path, |()| async { json(StatusCode::OK, &INFO) })
}
