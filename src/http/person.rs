//! Persons in requests and answers.

use std::sync::Arc;

use crate::{
    case::PersonId,
    case_records::{Origin, RecordAnswer, RenderedRecord, Unavailable},
    http::{Problem, path},
};

/// `Retry-After` when somebody has to correct Delius first, which takes longer than a retry.
const SHARED_RETRY_S: u16 = 300;

/// Reads an identifier from a path, where it may be percent-encoded.
///
/// # Errors
/// 400 when it is neither a CRN nor a NOMS number.
pub fn from_path(parameter: &str) -> Result<PersonId, Problem> {
    parse(&path::decoded(parameter).unwrap_or_default())
}

/// Reads an identifier. Case and blanks around it do not matter.
///
/// # Errors
/// 400 when it is neither a CRN nor a NOMS number.
pub(super) fn parse(text: &str) -> Result<PersonId, Problem> {
    text.parse().map_err(|error: crate::case::InvalidIdentifier| {
        Problem::bad_request(capitalised(&error.to_string()))
    })
}

/// The document of an answer, or the error that says why there is none.
pub(super) fn found(
    person: &PersonId,
    answer: Result<RecordAnswer, Unavailable>,
) -> Result<(Arc<RenderedRecord>, Origin), Problem> {
    count(answer.as_ref());
    match answer {
        Ok(RecordAnswer::Found(document, origin)) => Ok((document, origin)),
        Ok(RecordAnswer::NotFound) => {
            Err(Problem::not_found(format!("Person with {} not found", named(person))))
        }
        Ok(RecordAnswer::Shared) => Err(shared(person)),
        Err(Unavailable) => Err(unavailable()),
    }
}

/// 503: Delius does not answer and there is no cached record that may be served.
pub(super) fn unavailable() -> Problem {
    Problem::unavailable("Delius does not answer at the moment", 5)
}

/// 503, because there is no answer until somebody corrects Delius. After a 4xx Manage POM Cases does not ask again before
/// the next night, and it takes a 404 for "no such case"; after a 503 it retries, and the fault shows.
fn shared(person: &PersonId) -> Problem {
    let message = format!("Several people in Delius share the {}: ask by CRN", named(person));
    Problem::unavailable(message, SHARED_RETRY_S)
}

/// The person by identifier, as error messages name them.
pub(super) fn named(person: &PersonId) -> String {
    match person {
        PersonId::Crn(crn) => format!("crn of {crn}"),
        PersonId::Noms(noms) => format!("nomsId of {noms}"),
    }
}

/// Counts reads by where the answer came from.
pub(super) fn count(answer: Result<&RecordAnswer, &Unavailable>) {
    macro_rules! read_from {
        ($from:literal) => {
            metrics::counter!("case_record_reads_total", "from" => $from)
        };
    }
    // With names that the compiler knows, the macro looks the counter up once and not for every answer.
    match answer {
        Ok(RecordAnswer::Found(_, Origin::Memory)) => read_from!("memory"),
        Ok(RecordAnswer::Found(_, Origin::Store)) => read_from!("store"),
        Ok(RecordAnswer::Found(_, Origin::Delius)) => read_from!("delius"),
        Ok(RecordAnswer::Found(_, Origin::Stale)) => read_from!("stale"),
        Ok(RecordAnswer::NotFound) => read_from!("not-found"),
        Ok(RecordAnswer::Shared) => read_from!("shared"),
        Err(Unavailable) => read_from!("unavailable"),
    }
    .increment(1);
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
