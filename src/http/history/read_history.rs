//! `GET /case-records/{id}/history`: who held a case when, and what we knew of it.

use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use warp::{Filter, reply::Response};

use crate::{
    audit::{
        history::{Action, CaseFile, History, Moment, PAGE, Question, build, load_for},
        render::{self, Format},
    },
    case::NomsNumber,
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

/// Not HEAD: every read of a history is recorded, so a request without an answer would be recorded as a read.
const GET: &[Method] = &[Method::GET];

pub(crate) fn route(sources: Sources, authenticator: &Arc<Authenticator>) -> Route {
    let path = warp::path!("case-records" / String / "history")
        .and(raw_query())
        .map(|id: String, query: String| (id, query))
        .boxed();
    Route::protected(GET, "/case-records/{id}/history", (Role::Audit, authenticator), path, move |call| {
        case_history(sources.clone(), call)
    })
}

/// The history of a case
///
/// By CRN or NOMS number. Every read is recorded with the caller.
#[utoipa::path(
    get,
    path = "/case-records/{id}/history",
    operation_id = "caseHistory",
    tag = "Audit",
    params(("id" = String, Path, description = "CRN or NOMS number, in any case", example = "A1234BC"),
           ("as_of" = Option<String>, Query, description = "What was true in the world at this time: a day (its end), \
             a time in London, or a time with Z or an offset", example = "2026-03-03"),
           ("known_at" = Option<String>, Query, description = "What we knew at this time, written likewise"),
           ("after" = Option<u64>, Query, description = "List entries after this position only"),
           ("limit" = Option<u32>, Query, description = "List at most so many entries (1000 when absent); `page.next` leads on"),
           ("Accept" = Option<String>, Header, description = "`application/json`, `text/csv` or `text/html`")),
    responses(
        (status = 200, description = "The history", content((History = "application/json"),
          (String = "text/csv"), (String = "text/html"))),
        (status = 400, description = "An identifier or a parameter is invalid", body = ProblemBody),
        (status = 404, description = "Nothing is recorded for that person", body = ProblemBody),
        (status = 406, description = "None of the accepted forms is offered", body = ProblemBody),
        (status = 503, description = "The event store or Delius does not answer", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__AUDIT"])),
)]
async fn case_history(sources: Sources, call: Call<(String, String)>) -> Result<Response, Problem> {
    let (id, query) = &call.params;
    let person = person_from_path(id)?;
    let question = question(&Parameters::parse(query, &["as_of", "known_at", "after", "limit"])?)?;
    let format = accepted(&call.headers)?;
    let not_found = Problem::not_found(format!("Nothing is recorded for {person}"));
    let Some(person) = sources.person(&person, &question).await? else { return Err(not_found) };
    let access = access_of(&call.caller).to(Action::History).asking(&question).as_format(format);
    let file = load_for(&sources.store, &person, access).await.map_err(store_problem)?;
    respond(&file.ok_or(not_found)?, &question, format)
}

fn question(parameters: &Parameters) -> Result<Question, Problem> {
    let moment = |name| parameters.get::<Moment>(name).map(|moment| moment.map(|Moment(at)| at));
    let limit = parameters.get::<u32>("limit")?;
    if limit == Some(0) {
        return Err(Problem::bad_request("limit: must be at least 1"));
    }
    Ok(Question {
        as_of: moment("as_of")?,
        known_at: moment("known_at")?,
        after: parameters.get("after")?.unwrap_or(0),
        limit: Some(limit.map_or(PAGE, |limit| limit as usize)),
    })
}

fn accepted(headers: &HeaderMap) -> Result<Format, Problem> {
    let accept: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    Format::accepted(Some(&accept.join(","))).ok_or_else(|| {
        let message = "Offered are application/json, text/csv and text/html";
        Problem::new(StatusCode::NOT_ACCEPTABLE, message)
    })
}

fn respond(file: &CaseFile, question: &Question, format: Format) -> Result<Response, Problem> {
    let body = render::render(&build(file, question), format).map_err(fault)?;
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if format == Format::Html {
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(disposition) = disposition(&file.noms, format) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// A table for spreadsheets is a file to keep; the other forms are shown.
fn disposition(noms: &NomsNumber, format: Format) -> Option<HeaderValue> {
    (format == Format::Csv)
        .then(|| HeaderValue::try_from(format!("attachment; filename=\"history-{noms}.csv\"")).ok())
        .flatten()
}
