//! `GET /case-records/{id}/evidence`: one file that proves what is recorded about a person.

use std::sync::Arc;

use ::http::{HeaderValue, Method, header};
use warp::{Filter, reply::Response};

use crate::{
    audit::{
        evidence::{ExportError, export},
        history::{Moment, Question},
    },
    http::{
        Authenticator, Call, Problem, ProblemBody, Role, Route,
        history::{
            Sources, access_of, fault,
            parameters::{Parameters, raw_query},
            store_problem,
        },
        person_from_path,
    },
};

/// Not HEAD: every export is recorded, so a request without an answer would be recorded as a read.
const GET: &[Method] = &[Method::GET];
/// Checkpoints are published every some minutes.
const NEXT_CHECKPOINT_S: u16 = 300;

pub(crate) fn route(sources: Sources, authenticator: &Arc<Authenticator>) -> Route {
    let path = warp::path!("case-records" / String / "evidence")
        .and(raw_query())
        .map(|id: String, query: String| (id, query))
        .boxed();
    Route::protected(GET, "/case-records/{id}/evidence", (Role::Audit, authenticator), path, move |call| {
        case_evidence(sources.clone(), call)
    })
}

/// The evidence file of a person
///
/// For `evidence verify`, which needs neither our database nor a network. Every export is recorded with the caller.
#[utoipa::path(
    get,
    path = "/case-records/{id}/evidence",
    operation_id = "caseEvidence",
    tag = "Audit",
    params(("id" = String, Path, description = "CRN or NOMS number, in any case", example = "A1234BC"),
           ("as_of" = Option<String>, Query, description = "The question that the file answers: what was true in the \
             world at this time", example = "2026-03-03"),
           ("known_at" = Option<String>, Query, description = "What was recorded after this time is left out")),
    responses(
        (status = 200, description = "Events, messages, answers, writes, attempts, outcomes and decisions under every \
          number of the person, with their inclusion proofs and a signed checkpoint", body = serde_json::Value),
        (status = 400, description = "An identifier or a parameter is invalid", body = ProblemBody),
        (status = 404, description = "Nothing is recorded for that person", body = ProblemBody),
        (status = 503, description = "The event store or Delius does not answer, or no checkpoint covers the person yet",
          body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__AUDIT"])),
)]
async fn case_evidence(sources: Sources, call: Call<(String, String)>) -> Result<Response, Problem> {
    let (id, query) = &call.params;
    let id = person_from_path(id)?;
    let parameters = Parameters::parse(query, &["as_of", "known_at"])?;
    let moment = |name| parameters.get::<Moment>(name).map(|moment| moment.map(|Moment(at)| at));
    let question = Question { as_of: moment("as_of")?, known_at: moment("known_at")?, ..Question::default() };
    let not_found = Problem::not_found(format!("Nothing is recorded for {id}"));
    let Some(person) = sources.person(&id, &question).await? else { return Err(not_found) };
    let file = export(&sources.store, &person, &question, &access_of(&call.caller)).await;
    let file = file.map_err(export_problem)?.ok_or(not_found)?;
    let mut response = Response::new(file.to_text().map_err(fault)?.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let name = format!("attachment; filename=\"evidence-{}.json\"", person.current);
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn export_problem(error: ExportError) -> Problem {
    match error {
        ExportError::Read(error) => store_problem(error),
        ExportError::NoCheckpoint | ExportError::NothingCovered => {
            Problem::unavailable("No checkpoint of the journal covers the person yet", NEXT_CHECKPOINT_S)
        }
        error @ ExportError::Row(_) => fault(error.into()),
    }
}
