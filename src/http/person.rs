//! Persons in requests and answers.

use std::sync::Arc;

use crate::{
    case::PersonId,
    case_records::{Origin, RecordAnswer, RenderedRecord, Unavailable},
    http::Problem,
};

/// Mending it takes a person in Delius: no sooner than in five minutes.
const SHARED_RETRY_S: u16 = 300;

/// Reads an identifier from a path.
///
/// # Errors
/// 400 when it is neither a CRN nor a NOMS number.
pub fn parse(text: &str) -> Result<PersonId, Problem> {
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

/// 503: Delius gives no answer and nothing is kept that may be served.
pub(super) fn unavailable() -> Problem {
    Problem::unavailable("Delius does not answer at the moment", 5)
}

/// The answer cannot be had until somebody mends Delius, and that is what 503 says. To a 4xx Manage POM Cases does not
/// come back before the next night, and a 404 it takes for "no such case"; a 503 it asks again, and it shows.
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
    // Names that are known to the compiler cost no search among all figures.
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
