//! `GET /case-records/{id}`: the record of one person.

use std::sync::Arc;

use warp::{Filter, reply::Response};

use crate::{
    case_records::CaseRecords,
    delius::records::CaseRecord,
    http::{
        Api, Call, Problem, ProblemBody, READ, Role, Route, conditional,
        person::{self, found},
    },
};

pub(super) fn route(api: &Api) -> Route {
    let path = warp::path!("case-records" / String).boxed();
    let records = api.records();
    Route::protected(
        READ,
        "/case-records/{id}",
        (Role::CaseDetail, api.authenticator()),
        path,
        move |call: Call<String>| case_record(Arc::clone(&records), call),
    )
}

/// The record of one person
///
/// By CRN or NOMS number. With `If-None-Match` it is sent only when it has changed.
#[utoipa::path(
    get,
    path = "/case-records/{id}",
    operation_id = "caseRecord",
    tag = "Case records",
    params(("id" = String, Path, description = "CRN or NOMS number, in any case", example = "X123456"),
           ("If-None-Match" = Option<String>, Header, description = "Entity tag of a record that the caller has"),
           ("Cache-Control" = Option<String>, Header, description = "`no-cache` reads through to Delius")),
    responses(
        (status = 200, description = "The record", body = CaseRecord,
         headers(("ETag" = String, description = "Equal records have equal tags"),
                    ("Age" = u64, description = "For how many seconds the record has been cached; absent when it was just read"),
                    ("Warning" = String, description = "`110` when Delius does not answer and the record may be outdated"),
                    ("Cache-Control" = String, description = "`private, no-cache`")),
         example = json!({
            "crn": "X123456", "nomsId": "A1234BC", "currentTier": "B2", "resourcing": "ENHANCED",
            "manager": {
                "code": "N07A007", "name": { "forename": "Ada Mary", "middleName": null, "surname": "Byron" },
                "email": "ada.byron@example.org",
                "team": { "code": "N07T01", "description": "Team one",
                          "localDeliveryUnit": { "code": "N07LDU1", "description": "LDU one" } } },
            "mappaLevel": 2, "vloAssigned": true, "rosh": { "level": "VERY_HIGH", "startDate": "2026-03-14" } })),
        (status = 304, description = "The caller has it already"),
        (status = 400, description = "Neither a CRN nor a NOMS number", body = ProblemBody),
        (status = 404, description = "There is no such person", body = ProblemBody,
         example = json!({ "status": 404, "message": "Person with crn of X123456 not found" })),
        (status = 503, description = "No answer is available: Delius does not answer, or several people in Delius share \
          the NOMS number", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"]),
             ("hmpps-auth" = ["ROLE_PROBATION_INTEGRATION_ADMIN"])),
)]
pub(crate) async fn case_record(records: Arc<CaseRecords>, call: Call<String>) -> Result<Response, Problem> {
    let person = person::from_path(&call.params)?;
    let answer = records.read(&person, conditional::demand(&call.headers)).await;
    let (document, origin) = found(&person, answer)?;
    Ok(conditional::send(&call.headers, &document.record, &document, origin))
}
