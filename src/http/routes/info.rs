//! `GET /info`: what is running here.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use warp::{Filter, reply::Response};

use crate::{
    case::CODE_VERSION,
    http::{READ, Route, json},
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
    /// Number of the build, if the build set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<&'static str>,
    /// Commit it was built from, if the build set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<&'static str>,
}

/// The build leaves a value empty that it was not given.
fn given(value: &'static str) -> Option<&'static str> {
    Some(value).filter(|value| !value.is_empty())
}

fn body(product_id: Option<String>) -> InfoBody {
    InfoBody {
        build: Build {
            name: env!("CARGO_PKG_NAME"),
            version: CODE_VERSION,
            number: given(env!("BUILD_NUMBER")),
            commit: given(env!("BUILD_COMMIT")),
        },
        product_id,
    }
}

pub(super) fn route(product_id: Option<String>) -> Route {
    Route::open(READ, "/info", warp::path!("info").map(move || product_id.clone()).boxed(), info)
}

/// What is running here
#[utoipa::path(
    get, path = "/info", operation_id = "info", tag = "Operations",
    responses((status = 200, description = "Name, version, build number and commit", body = InfoBody,
               example = json!({ "build": { "name": "manage-pom-cases-and-delius", "version": "1.0.0" } }))),
)]
pub(crate) async fn info(product_id: Option<String>) -> Response {
    json(StatusCode::OK, &body(product_id))
}
