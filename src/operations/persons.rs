//! Who an identifier means: by what is recorded about identifiers, else by what Delius has.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    case::{Crn, PersonId, identity::Person},
    delius::{Delius, DeliusError},
    event_store::identities,
};

/// Why an identifier could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error("the event store could not be read")]
    Store(#[from] sqlx::Error),
    #[error(transparent)]
    Delius(#[from] DeliusError),
}

/// The person whom the store knows by the identifier at a time, by what was recorded by `known_at`. `None` for a CRN
/// about which nothing is recorded: Delius may know it.
///
/// # Errors
/// When the store cannot be read.
pub async fn recorded(
    store: &PgPool,
    id: &PersonId,
    (as_of, known_at): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
) -> sqlx::Result<Option<Person>> {
    identities::person(store, id, as_of, known_at).await
}

/// The person who has the CRN in Delius now; `None` when Delius has no NOMS number for it.
///
/// # Errors
/// When Delius or the store cannot be read.
pub async fn in_delius(
    store: &PgPool,
    delius: &Delius,
    crn: &Crn,
    times: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
) -> Result<Option<Person>, LookupError> {
    match delius.noms_of(crn).await? {
        None => Ok(None),
        Some(noms) => Ok(recorded(store, &PersonId::Noms(noms), times).await?),
    }
}

/// The person whom the identifier means at a time; `None` for a CRN that nobody knows a NOMS number for.
///
/// # Errors
/// When the store, or Delius for a CRN that the store does not know, cannot be read.
pub async fn find(
    store: &PgPool,
    delius: &Delius,
    id: &PersonId,
    times: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
) -> Result<Option<Person>, LookupError> {
    match (recorded(store, id, times).await?, id) {
        (None, PersonId::Crn(crn)) => in_delius(store, delius, crn, times).await,
        (person, _) => Ok(person),
    }
}
