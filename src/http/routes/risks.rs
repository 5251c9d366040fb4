//! `GET /case-records/{id}/risks/mappa` and `/risks/rosh`.

use std::sync::Arc;

use warp::{Filter, reply::Response};

use crate::{
    case_records::{CaseRecords, Payload, RenderedRecord},
    delius::records::{Mappa, Rosh},
    http::{
        Api, Call, Problem, ProblemBody, READ, Role, Route, conditional,
        person::{self, found, named},
    },
};

pub(super) fn routes(api: &Api) -> [Route; 2] {
    let only = (Role::CaseDetail, api.authenticator());
    let (records, others) = (api.records(), api.records());
    [
        Route::protected(
            READ,
            "/case-records/{id}/risks/mappa",
            only,
            warp::path!("case-records" / String / "risks" / "mappa").boxed(),
            move |call: Call<String>| mappa(Arc::clone(&records), call),
        ),
        Route::protected(
            READ,
            "/case-records/{id}/risks/rosh",
            only,
            warp::path!("case-records" / String / "risks" / "rosh").boxed(),
            move |call: Call<String>| rosh(Arc::clone(&others), call),
        ),
    ]
}

/// The latest live MAPPA registration of one person
#[utoipa::path(
    get,
    path = "/case-records/{id}/risks/mappa",
    operation_id = "mappa",
    tag = "Case records",
    params(("id" = String, Path, description = "CRN or NOMS number, in any case", example = "X123456"),
           ("If-None-Match" = Option<String>, Header, description = "Entity tag of an answer that the caller has"),
           ("Cache-Control" = Option<String>, Header, description = "`no-cache` reads through to Delius")),
    responses(
        (status = 200, description = "The registration", body = Mappa,
         headers(("ETag" = String, description = "Equal records have equal tags"),
                    ("Age" = u64, description = "For how many seconds the record has been cached; absent when it was just read"),
                    ("Warning" = String, description = "`110` when Delius does not answer and the record may be outdated"),
                    ("Cache-Control" = String, description = "`private, no-cache`")),
         example = json!({
            "level": 2, "levelDescription": "MAPPA Level 2", "category": 1, "categoryDescription": "MAPPA Category 1",
            "startDate": "2026-02-02", "reviewDate": "2026-08-02" })),
        (status = 304, description = "The caller has it already"),
        (status = 400, description = "Neither a CRN nor a NOMS number", body = ProblemBody),
        (status = 404, description = "There is no such person, or no registration: the message says which",
         body = ProblemBody,
         example = json!({ "status": 404, "message": "MAPPA registration of person with crn of X123456 not found" })),
        (status = 503, description = "No answer is available: Delius does not answer, or several people in Delius share \
          the NOMS number", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"]),
             ("hmpps-auth" = ["ROLE_PROBATION_INTEGRATION_ADMIN"])),
)]
pub(crate) async fn mappa(records: Arc<CaseRecords>, call: Call<String>) -> Result<Response, Problem> {
    part(&records, &call, "MAPPA registration", |document| document.mappa.as_ref()).await
}

/// The risk of serious harm of one person
#[utoipa::path(
    get,
    path = "/case-records/{id}/risks/rosh",
    operation_id = "rosh",
    tag = "Case records",
    params(("id" = String, Path, description = "CRN or NOMS number, in any case", example = "X123456"),
           ("If-None-Match" = Option<String>, Header, description = "Entity tag of an answer that the caller has"),
           ("Cache-Control" = Option<String>, Header, description = "`no-cache` reads through to Delius")),
    responses(
        (status = 200, description = "The risk", body = Rosh,
         headers(("ETag" = String, description = "Equal records have equal tags"),
                    ("Age" = u64, description = "For how many seconds the record has been cached; absent when it was just read"),
                    ("Warning" = String, description = "`110` when Delius does not answer and the record may be outdated"),
                    ("Cache-Control" = String, description = "`private, no-cache`")),
         example = json!({ "level": "VERY_HIGH", "startDate": "2026-03-14" })),
        (status = 304, description = "The caller has it already"),
        (status = 400, description = "Neither a CRN nor a NOMS number", body = ProblemBody),
        (status = 404, description = "There is no such person, or no registration: the message says which",
         body = ProblemBody,
         example = json!({ "status": 404, "message": "RoSH registration of person with crn of X123456 not found" })),
        (status = 503, description = "No answer is available: Delius does not answer, or several people in Delius share \
          the NOMS number", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"]),
             ("hmpps-auth" = ["ROLE_PROBATION_INTEGRATION_ADMIN"])),
)]
pub(crate) async fn rosh(records: Arc<CaseRecords>, call: Call<String>) -> Result<Response, Problem> {
    part(&records, &call, "RoSH registration", |document| document.rosh.as_ref()).await
}

/// Sends one part of a person's document, or 404 when it has no such part.
async fn part(
    records: &CaseRecords,
    call: &Call<String>,
    name: &str,
    pick: impl FnOnce(&RenderedRecord) -> Option<&Payload>,
) -> Result<Response, Problem> {
    let person = person::from_path(&call.params)?;
    let answer = records.read(&person, conditional::demand(&call.headers)).await;
    let (document, origin) = found(&person, answer)?;
    let payload = pick(&document)
        .ok_or_else(|| Problem::not_found(format!("{name} of person with {} not found", named(&person))))?;
    Ok(conditional::send(&call.headers, payload, &document, origin))
}
