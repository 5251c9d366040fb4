//! The OpenAPI document: every route, in the words of its handler's file.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::http::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Manage POM Cases and Delius",
        description = "Case facts from Delius for Manage POM Cases. An answer is current, or says that it is not \
                       (`Age`, `Warning`), or is a 503: a 404 always means that there is no such thing."
    ),
    paths(
        routes::health::document_health,
        routes::health::document_ping,
        routes::health::document_liveness,
        routes::health::document_readiness,
        routes::info::document_info,
        routes::metrics::document_metrics,
        routes::openapi::document_openapi,
    ),
    modifiers(&BearerToken)
)]
struct Operational;

#[derive(OpenApi)]
#[openapi(paths(
    routes::case_record::document_record,
    routes::batch::document_batch,
    routes::risks::document_mappa,
    routes::risks::document_rosh,
))]
struct Reads;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("Token of HMPPS Auth; the role must be among its `authorities`"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("hmpps-auth", SecurityScheme::Http(scheme.build()));
    }
}

/// The document of what every process answers to.
pub(super) fn operational() -> utoipa::openapi::OpenApi {
    Operational::openapi()
}

/// The part of the reads of case records.
pub(super) fn reads() -> utoipa::openapi::OpenApi {
    Reads::openapi()
}
