//! `GET /info`: what is running here.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use warp::Filter;

use crate::{
    case::CODE_VERSION,
    http::{Route, problem::json, route::READ},
};

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InfoBody {
    /// The build.
    pub build: Build,
    /// The HMPPS product that the service belongs to (`PRODUCT_ID`).
    #[serde(rename = "productId", skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
}

/// A build of this service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Build {
    /// Name of the service.
    pub name: &'static str,
    /// Version of the service, with build number and commit.
    pub version: &'static str,
    /// Number of the build, when the build was given it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<&'static str>,
    /// Commit it was built from, when the build was given it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<&'static str>,
}

/// What a build leaves empty when it was not given.
fn given(value: &'static str) -> Option<&'static str> {
    Some(value).filter(|value| !value.is_empty())
}

fn info() -> InfoBody {
    InfoBody {
        build: Build {
            name: env!("CARGO_PKG_NAME"),
            version: CODE_VERSION,
            number: given(env!("BUILD_NUMBER")),
            commit: given(env!("BUILD_COMMIT")),
        },
        // The HMPPS chart sets it.
        product_id: std::env::var("PRODUCT_ID").ok().filter(|id| !id.is_empty()),
    }
}

/// Name and version of the service.
#[utoipa::path(
    get, path = "/info", operation_id = "info", tag = "Operations",
    responses((status = 200, description = "Name and version", body = InfoBody)),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_info() {}

pub(super) fn route() -> Route {
    let path = warp::path!("info").map(|| ()).boxed();
    Route::open(READ, "/info", path, |()| async { json(StatusCode::OK, &info()) })
}
