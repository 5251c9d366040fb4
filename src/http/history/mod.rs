//! Histories over HTTP, for auditors, and what is held about a person, for that person. Handed to the API with
//! [`Api::with_routes`](crate::http::Api::with_routes).

mod parameters;
mod read_entry;
mod read_evidence;
mod read_history;
mod subject_access;

use std::sync::Arc;

use sqlx::PgPool;
use utoipa::OpenApi;

use crate::{
    audit::history::{Access, Question},
    case::{PersonId, identity::Person},
    delius::{Delius, DeliusError},
    event_store::reader::ReadError,
    http::{Authenticator, Caller, Problem, Route},
    operations::persons::{self, LookupError},
};

#[derive(Clone)]
struct Sources {
    store: PgPool,
    delius: Delius,
}

pub fn routes(store: &PgPool, delius: &Delius, authenticator: &Arc<Authenticator>) -> Vec<Route> {
    let sources = Sources { store: store.clone(), delius: delius.clone() };
    vec![
        read_history::route(sources.clone(), authenticator),
        read_entry::route(sources.clone(), authenticator),
        read_evidence::route(sources.clone(), authenticator),
        subject_access::route(sources, authenticator),
    ]
}

#[derive(OpenApi)]
#[openapi(paths(
    read_history::case_history,
    read_entry::case_history_entry,
    read_evidence::case_evidence,
    subject_access::subject_access_request
))]
struct HistoryDocument;

pub fn documentation() -> utoipa::openapi::OpenApi {
    HistoryDocument::openapi()
}

impl Sources {
    /// The person whom the identifier means at the time asked about, by what was known at the other one; none when
    /// neither the record nor Delius has a NOMS number for a CRN.
    async fn person(&self, id: &PersonId, question: &Question) -> Result<Option<Person>, Problem> {
        let times = (question.as_of, question.known_at);
        persons::find(&self.store, &self.delius, id, times).await.map_err(|error| match error {
            LookupError::Delius(error) => delius_problem(error),
            LookupError::Store(error) => store_problem(error.into()),
        })
    }
}

fn access_of(caller: &Caller) -> Access {
    Access::http(caller.user().unwrap_or(caller.name()), Some(caller.name()))
}

fn delius_problem(error: DeliusError) -> Problem {
    tracing::warn!(%error, "a CRN could not be looked up in Delius");
    Problem::unavailable("Delius does not answer at the moment", 5)
}

fn store_problem(error: ReadError) -> Problem {
    match error {
        ReadError::Store(error) => {
            tracing::warn!(%error, "a history could not be read, or the read could not be recorded");
            Problem::unavailable("The event store does not answer at the moment", 5)
        }
        error @ ReadError::Event { .. } => {
            tracing::error!(%error, "an event of a history cannot be decoded");
            Problem::internal()
        }
    }
}

fn fault(error: anyhow::Error) -> Problem {
    tracing::error!(%error, "a history could not be rendered");
    Problem::internal()
}
