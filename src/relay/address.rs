//! Whom a write is for: the person may have got another NOMS number since it was recorded.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    case::AddressedWrite,
    database::in_time,
    event_store::{ExecuteError, identities},
    outbox::table::Claim,
};

/// The write, addressed to the number that the person has now. Most cases never had another, and cost no query.
pub(super) async fn addressed(pool: &PgPool, claim: &Claim) -> Result<AddressedWrite, ExecuteError> {
    let mut write = claim.write.clone();
    if claim.identity_known {
        let at = write.write.held_from().unwrap_or(DateTime::<Utc>::MAX_UTC);
        write.noms = in_time(identities::heir(pool, &write.noms, at))
            .await
            .map_err(|error| ExecuteError::Unavailable(error.to_string()))?;
    }
    Ok(write)
}
