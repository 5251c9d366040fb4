//! `GET /case-records/{id}/history/{position}`: where one entry comes from and what became of it, with all bytes.

use std::sync::Arc;

use ::http::{HeaderValue, Method, StatusCode, header};
use warp::{Filter, reply::Response};

use crate::{
    audit::{
        history::{Action, Explanation, Question, explain, load_for},
        render::Format,
    },
    http::{
        Authenticator, Call, Problem, ProblemBody, Role, Route,
        history::{Sources, access_of, store_problem},
        json, person_from_path,
    },
};

/// Not HEAD: every read of a history is recorded, so a request without an answer would be recorded as a read.
const GET: &[Method] = &[Method::GET];

pub(crate) fn route(sources: Sources, authenticator: &Arc<Authenticator>) -> Route {
    let path = warp::path!("case-records" / String / "history" / String)
        .map(|id: String, position: String| (id, position))
        .boxed();
    Route::protected(
        GET,
        "/case-records/{id}/history/{position}",
        (Role::Audit, authenticator),
        path,
        move |call| case_history_entry(sources.clone(), call),
    )
}

/// One entry of the history of a case
///
/// The chain from the message to the rows in Delius, with all bytes.
#[utoipa::path(
    get,
    path = "/case-records/{id}/history/{position}",
    operation_id = "caseHistoryEntry",
    tag = "Audit",
    params(("id" = String, Path, description = "CRN or NOMS number, in any case", example = "A1234BC"),
           ("position" = u64, Path, description = "Position of the entry, or of the outcome of one of its writes",
             example = 2)),
    responses(
        (status = 200, description = "The message with its bytes, its hash and every receipt; each fetched answer with \
          its status, bytes and hash; the case event and its place in the journal; its writes with failed attempts, \
          outcome and rows", body = Explanation),
        (status = 400, description = "An identifier or the position is invalid", body = ProblemBody),
        (status = 404, description = "Nothing is recorded for that person, or not at that position",
          body = ProblemBody),
        (status = 503, description = "The event store or Delius does not answer", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__AUDIT"])),
)]
async fn case_history_entry(sources: Sources, call: Call<(String, String)>) -> Result<Response, Problem> {
    let (id, position) = &call.params;
    let person = person_from_path(id)?;
    let position: u64 = position.parse().map_err(|_| {
        Problem::bad_request("position: expected a number, as `position` of an entry gives it")
    })?;
    let not_found = Problem::not_found(format!("Nothing is recorded for {person}"));
    let Some(person) = sources.person(&person, &Question::default()).await? else { return Err(not_found) };
    let access = access_of(&call.caller).to(Action::Explain).as_format(Format::Json);
    let access = access.at_position(position.cast_signed());
    let file = load_for(&sources.store, &person, access).await.map_err(store_problem)?.ok_or(not_found)?;
    let explanation = explain(&file, position).ok_or_else(|| {
        Problem::not_found(format!("Case {} has nothing at position {position}", person.current))
    })?;
    let mut response = json(StatusCode::OK, &explanation);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
