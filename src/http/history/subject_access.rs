//! `GET /subject-access-request`: what is held about a person, for that person.

use std::sync::Arc;

use ::http::{HeaderValue, Method, StatusCode, header};
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use warp::{
    Filter,
    reply::{Reply, Response},
};

use crate::{
    audit::history::{
        Action, Question, load_for,
        subject_access::{SubjectAccess, content},
    },
    case::{Crn, NomsNumber, PersonId},
    http::{
        Authenticator, Call, Problem, ProblemBody, Role, Route,
        history::{
            Sources, access_of,
            parameters::{Parameters, raw_query},
            store_problem,
        },
        json,
    },
};

const GET: &[Method] = &[Method::GET];

/// Answer to a subject access request, in the form that the subject access service reads.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubjectAccessBody {
    content: SubjectAccess,
}

pub(crate) fn route(sources: Sources, authenticator: &Arc<Authenticator>) -> Route {
    let path = warp::path!("subject-access-request").and(raw_query()).boxed();
    Route::protected(GET, "/subject-access-request", (Role::Sar, authenticator), path, move |call| {
        subject_access_request(sources.clone(), call)
    })
}

/// What is held about a person, for that person
#[utoipa::path(
    get,
    path = "/subject-access-request",
    operation_id = "subjectAccessRequest",
    tag = "Subject access",
    params(("prn" = Option<String>, Query, description = "NOMS number", example = "A1234BC"),
           ("crn" = Option<String>, Query, description = "CRN, instead of the NOMS number", example = "X123456"),
           ("fromDate" = Option<String>, Query, description = "First day, `yyyy-MM-dd`"),
           ("toDate" = Option<String>, Query, description = "Last day, `yyyy-MM-dd`")),
    responses(
        (status = 200, description = "What is held, in plain language", body = SubjectAccessBody),
        (status = 204, description = "Nothing is held"),
        (status = 209, description = "Neither `prn` nor `crn` is given: nothing is held by other identifiers"),
        (status = 400, description = "A parameter is invalid", body = ProblemBody),
        (status = 503, description = "The event store or Delius does not answer", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_SAR_DATA_ACCESS"])),
)]
async fn subject_access_request(sources: Sources, call: Call<String>) -> Result<Response, Problem> {
    let parameters = Parameters::parse(&call.params, &["prn", "crn", "fromDate", "toDate"])?;
    let date = |name| {
        parameters
            .get::<NaiveDate>(name)
            .map_err(|_| Problem::bad_request(format!("{name}: expected a day as yyyy-MM-dd")))
    };
    let (from, to) = (date("fromDate")?, date("toDate")?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Problem::bad_request("fromDate is after toDate"));
    }
    let person = match (parameters.get::<NomsNumber>("prn")?, parameters.get::<Crn>("crn")?) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("Give either prn or crn, not both")),
        (Some(noms), None) => PersonId::Noms(noms),
        (None, Some(crn)) => PersonId::Crn(crn),
        (None, None) => return Ok(not_our_identifier()),
    };
    // All numbers that the person ever had: an answer by the present one alone would be incomplete.
    let Some(person) = sources.person(&person, &Question::default()).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let access = access_of(&call.caller).to(Action::SubjectAccess);
    let file = load_for(&sources.store, &person, access).await.map_err(store_problem)?;
    Ok(match file.and_then(|file| content(&file, from, to)) {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(content) => {
            let mut response = json(StatusCode::OK, &SubjectAccessBody { content });
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    })
}

/// 209 means *not by this identifier* in the interface of subject access services.
fn not_our_identifier() -> Response {
    StatusCode::from_u16(209).unwrap_or(StatusCode::NO_CONTENT).into_response()
}
