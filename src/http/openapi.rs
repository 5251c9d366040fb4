//! The OpenAPI document. Each handler carries the description of its own route; what is the same for many routes is
//! added here: who may call, the errors of every protected route, and the request id.

use std::collections::BTreeMap;

use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, Header, HeaderBuilder, ObjectBuilder, PathItem, Ref, RefOr, Response,
        ResponseBuilder, Type,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::http::{ProblemBody, routes};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Manage POM Cases and Delius",
        description = "Case facts from Delius for Manage POM Cases, and the allocation and handover history of a case \
                       for auditors. An answer is current, or says that it is not (`Age`, `Warning`), or is a 503: a \
                       404 always means that there is no such thing.",
        license(name = "MIT", identifier = "MIT"),
    ),
    servers((url = "/", description = "The server that gives this document")),
    tags(
        (name = "Case records", description = "What Manage POM Cases reads of a probation case"),
        (name = "Audit", description = "Who held a case when, and where each fact comes from"),
        (name = "Subject access", description = "What is held about a person, for that person"),
        (name = "Queues", description = "Queues and dead-letter queues of this service"),
        (name = "Operations", description = "Health, metrics and this document; no token is needed"),
    ),
    paths(
        routes::health::health,
        routes::health::ping,
        routes::health::liveness,
        routes::health::readiness,
        routes::info::info,
        routes::metrics::metrics,
        routes::openapi::openapi,
        routes::openapi::api_docs,
        routes::swagger_ui::swagger_ui,
    ),
    components(schemas(ProblemBody)),
    modifiers(&BearerToken)
)]
struct Operational;

#[derive(OpenApi)]
#[openapi(paths(
    routes::case_record::case_record,
    routes::batch::case_records,
    routes::risks::mappa,
    routes::risks::rosh,
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

/// The document of the routes that every process has.
pub(super) fn operational() -> utoipa::openapi::OpenApi {
    Operational::openapi()
}

/// The part of the routes that read case records.
pub(super) fn reads() -> utoipa::openapi::OpenApi {
    Reads::openapi()
}

/// Adds to every operation what the server does for all of them.
pub(super) fn completed(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        operations(item).for_each(complete);
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post].into_iter().flatten()
}

fn complete(operation: &mut Operation) {
    let requirements = operation.security.get_or_insert_with(Vec::<SecurityRequirement>::new);
    let is_protected = !requirements.is_empty();
    let responses = &mut operation.responses.responses;
    if is_protected {
        add(
            responses,
            "401",
            "No valid token",
            &[("WWW-Authenticate", "`Bearer`, with `error` for an invalid token")],
        );
        add(
            responses,
            "403",
            "The role is missing",
            &[("WWW-Authenticate", "`Bearer error=\"insufficient_scope\"`")],
        );
        let retry = [("Retry-After", "Seconds after which to ask again")];
        add(responses, "503", "No answer is available at the moment", &retry);
    }
    add(responses, "500", "Internal error", &[]);
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            let description = "The request id that was sent, or a new one: log lines carry it";
            response.headers.entry("x-request-id".to_owned()).or_insert_with(|| header(description));
        }
    }
    // The HTTP library answers this one before any route is known.
    let too_long = "The first line or the header is too long; the connection is closed";
    let too_long = ResponseBuilder::new().description(too_long).build();
    responses.entry("431".to_owned()).or_insert(RefOr::T(too_long));
}

/// Adds an error answer, or its headers where the route describes the error itself.
fn add(
    responses: &mut BTreeMap<String, RefOr<Response>>,
    status: &str,
    description: &str,
    headers: &[(&str, &str)],
) {
    let response = responses.entry(status.to_owned()).or_insert_with(|| {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody")));
        RefOr::T(
            ResponseBuilder::new().description(description).content("application/json", body.build()).build(),
        )
    });
    if let RefOr::T(response) = response {
        for (name, description) in headers {
            response.headers.entry((*name).to_owned()).or_insert_with(|| header(description));
        }
    }
}

fn header(description: &str) -> RefOr<Header> {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    RefOr::T(HeaderBuilder::new().schema(Some(schema.build())).description(Some(description)).build())
}
