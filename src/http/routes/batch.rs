//! `POST /case-records`: the records of up to 500 people at once.

use std::{collections::HashSet, sync::Arc};

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use warp::{Filter, reply::Response};

use crate::{
    case::PersonId,
    case_records::{CaseRecords, RecordAnswer},
    delius::records::CaseRecord,
    http::{
        Api, Call, POST, Problem, ProblemBody, Role, Route, body,
        conditional::{self, Freshness},
        json,
        person::{self, unavailable},
    },
};

/// Most identifiers in one request.
const MOST: usize = 500;

/// Answer to a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchBody<'a> {
    /// One record per person, in the order in which they were asked for.
    pub records: Vec<&'a CaseRecord>,
    /// Identifiers of nobody in Delius.
    #[schema(value_type = Vec<String>)]
    pub not_found: Vec<String>,
    /// NOMS numbers that several people in Delius share. Ask for these people by CRN.
    pub shared: Vec<String>,
}

pub(super) fn route(api: &Api) -> Route {
    let path = warp::path!("case-records").and(warp::body::stream()).boxed();
    let (records, limit) = (api.records(), api.config().max_body_bytes);
    Route::protected(POST, "/case-records", (Role::CaseDetail, api.authenticator()), path, move |call| {
        let records = Arc::clone(&records);
        async move {
            let Call { headers, params, .. } = call;
            let body = body::read(&headers, params, limit).await?;
            case_records(records, &headers, &body).await
        }
    })
}

/// The records of several people
///
/// One request for up to 500 people, for imports that read many cases.
#[utoipa::path(
    post,
    path = "/case-records",
    operation_id = "caseRecords",
    tag = "Case records",
    params(("Cache-Control" = Option<String>, Header, description = "`no-cache` reads through to Delius")),
    request_body(content = Vec<String>, description = "Up to 500 CRNs and NOMS numbers",
                 example = json!(["X123456", "A1234BC"])),
    responses(
        (status = 200, description = "The records of those found, and who was not", body = BatchBody,
         headers(("Age" = u64, description = "For how many seconds the oldest record has been cached"),
                 ("Warning" = String, description = "`110` when at least one of the records may be outdated"),
                 ("Cache-Control" = String, description = "`private, no-cache`")),
         example = json!({ "records": [], "notFound": ["X123456"], "shared": ["A1234BC"] })),
        (status = 400, description = "Not a list of at most 500 identifiers", body = ProblemBody),
        (status = 413, description = "The body is too long", body = ProblemBody),
        (status = 503, description = "No answer is available for at least one of them", body = ProblemBody),
    ),
    security(("hmpps-auth" = ["ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"]),
             ("hmpps-auth" = ["ROLE_PROBATION_INTEGRATION_ADMIN"])),
)]
pub(crate) async fn case_records(
    records: Arc<CaseRecords>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let people = people(body)?;
    let answers = records.read_all(&people, conditional::demand(headers)).await.map_err(|error| {
        people.iter().for_each(|_| person::count(Err(&error)));
        unavailable()
    })?;
    let mut body = BatchBody { records: Vec::new(), not_found: Vec::new(), shared: Vec::new() };
    // A person may be asked for by both identifiers.
    let (mut listed, mut freshness) = (HashSet::new(), Freshness::default());
    for person in &people {
        let answer = answers.get(person).unwrap_or(&RecordAnswer::NotFound);
        person::count(Ok(answer));
        match answer {
            RecordAnswer::Found(document, origin) => {
                if listed.insert(&document.facts.record.crn) {
                    body.records.push(&document.facts.record);
                }
                freshness.add(document.age(), *origin);
            }
            RecordAnswer::Shared => body.shared.push(person.to_string()),
            RecordAnswer::NotFound => body.not_found.push(person.to_string()),
        }
    }
    let mut response = json(StatusCode::OK, &body);
    freshness.say(response.headers_mut());
    Ok(response)
}

/// Reads the list. The error names a wrong element by its place and not by its text, which may be personal data.
fn people(body: &[u8]) -> Result<Vec<PersonId>, Problem> {
    let texts: Vec<String> = serde_json::from_slice(body)
        .map_err(|_| Problem::bad_request("The body is not a JSON list of texts"))?;
    if texts.len() > MOST {
        return Err(Problem::bad_request(format!(
            "The list has {} identifiers; {MOST} are the most",
            texts.len()
        )));
    }
    let mut seen = HashSet::new();
    let mut people = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let person = person::parse(text).map_err(|_| {
            Problem::bad_request(format!(
                "Element {} of the list is neither a CRN nor a NOMS number",
                index + 1
            ))
        })?;
        if seen.insert(person.clone()) {
            people.push(person);
        }
    }
    Ok(people)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_list_is_read_leniently_in_case_and_strictly_in_length_and_shape() {
        let read = people(br#"["x123456", "X123456", " A1234BC"]"#).unwrap();
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["X123456", "A1234BC"]);
        assert_eq!(people(b"[]").unwrap(), []);

        let too_many = serde_json::to_vec(&vec!["X123456"; 501]).unwrap();
        for bad in [&b"{}"[..], b"[1]", b"", br#"["X123456", "Ada Byron"]"#, &too_many] {
            let problem = people(bad).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
            assert!(!format!("{problem:?}").contains("Byron"), "{problem:?}");
        }
    }
}
