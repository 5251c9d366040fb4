//! `GET /case-records/{id}/risks/mappa` and `/risks/rosh`.

use warp::{Filter, reply::Response};

use crate::{
    case_records::{Payload, RenderedRecord},
    delius::records::{Mappa, Rosh},
    http::{
        Api, Call, Problem, ProblemBody, Role, Route, conditional,
        person::{self, found, named},
        route::READ,
    },
};

/// The latest live MAPPA registration of one person.
#[utoipa::path(
    get,
    path = "/case-records/{id}/risks/mappa",
    operation_id = "mappa",
    tag = "Case records",
    params(("id" = String, Path, description = "CRN or NOMS number", example = "X123456")),
    responses(
        (status = 200, description = "The registration", body = Mappa),
        (status = 304, description = "The caller has it already"),
        (status = 400, description = "Neither a CRN nor a NOMS number", body = ProblemBody),
        (status = 401, description = "No valid token", body = ProblemBody),
        (status = 403, description = "The role is missing", body = ProblemBody),
        (status = 404, description = "There is no such person, or no MAPPA registration: the message says which",
         body = ProblemBody),
        (status = 503, description = "The answer cannot be had (several people in Delius share the NOMS number, say); \
          come again after `Retry-After`", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"])),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_mappa() {}

/// The risk of serious harm of one person.
#[utoipa::path(
    get,
    path = "/case-records/{id}/risks/rosh",
    operation_id = "rosh",
    tag = "Case records",
    params(("id" = String, Path, description = "CRN or NOMS number", example = "X123456")),
    responses(
        (status = 200, description = "The risk", body = Rosh),
        (status = 304, description = "The caller has it already"),
        (status = 400, description = "Neither a CRN nor a NOMS number", body = ProblemBody),
        (status = 401, description = "No valid token", body = ProblemBody),
        (status = 403, description = "The role is missing", body = ProblemBody),
        (status = 404, description = "There is no such person, or no registration: the message says which",
         body = ProblemBody),
        (status = 503, description = "The answer cannot be had (several people in Delius share the NOMS number, say); \
          come again after `Retry-After`", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"])),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_rosh() {}

pub(super) fn routes(api: &Api) -> [Route; 2] {
    let mappa = warp::path!("case-records" / String / "risks" / "mappa").boxed();
    let rosh = warp::path!("case-records" / String / "risks" / "rosh").boxed();
    let part = |template, path, name, pick: fn(&RenderedRecord) -> Option<&Payload>| {
        let records = api.records();
        Route::protected(
            READ,
            template,
            (Role::CaseDetail, api.authenticator()),
            path,
            move |call: Call<String>| {
                let records = records.clone();
                async move {
                    let person = person::from_path(&call.params)?;
                    let answer = records.read(&person, conditional::demand(&call.headers)).await;
                    let (document, origin) = found(&person, answer)?;
                    let payload = pick(&document).ok_or_else(|| {
                        Problem::not_found(format!("{name} of person with {} not found", named(&person)))
                    })?;
                    Ok::<Response, Problem>(conditional::send(&call.headers, payload, &document, origin))
                }
            },
        )
    };
    [
        part("/case-records/{id}/risks/mappa", mappa, "MAPPA registration", |it| it.mappa.as_ref()),
        part("/case-records/{id}/risks/rosh", rosh, "RoSH registration", |it| it.rosh.as_ref()),
    ]
}
