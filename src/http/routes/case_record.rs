//! `GET /case-records/{id}`: the record of one person.

use warp::{Filter, reply::Response};

use crate::{
    delius::records::CaseRecord,
    http::{
        Api, Call, Problem, ProblemBody, Role, Route, conditional,
        person::{self, found},
        route::READ,
    },
};

/// The record of one person, by CRN or NOMS number.
#[utoipa::path(
    get,
    path = "/case-records/{id}",
    operation_id = "caseRecord",
    tag = "Case records",
    params(("id" = String, Path, description = "CRN or NOMS number, in any case", example = "X123456"),
           ("If-None-Match" = Option<String>, Header, description = "Entity tag of a record that the caller has"),
           ("Cache-Control" = Option<String>, Header, description = "`no-cache` reads through to Delius")),
    responses(
        (status = 200, description = "The record. `Age` says for how many seconds it was kept; `Warning: 110` that \
          Delius gives no answer and the record may be outdated", body = CaseRecord),
        (status = 304, description = "The caller has it already"),
        (status = 400, description = "Neither a CRN nor a NOMS number", body = ProblemBody),
        (status = 401, description = "No valid token", body = ProblemBody),
        (status = 403, description = "The role is missing", body = ProblemBody),
        (status = 404, description = "There is no such person", body = ProblemBody),
        (status = 503, description = "The answer cannot be had (several people in Delius share the NOMS number, say); \
          come again after `Retry-After`", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"])),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_record() {}

pub(super) fn route(api: &Api) -> Route {
    let path = warp::path!("case-records" / String).boxed();
    let records = api.records();
    Route::protected(
        READ,
        "/case-records/{id}",
        (Role::CaseDetail, api.authenticator()),
        path,
        move |call: Call<String>| {
            let records = records.clone();
            async move {
                let person = person::from_path(&call.params)?;
                let answer = records.read(&person, conditional::demand(&call.headers)).await;
                let (document, origin) = found(&person, answer)?;
                Ok::<Response, Problem>(conditional::send(&call.headers, &document.record, &document, origin))
            }
        },
    )
}
