//! The ledger of applied writes, kept in Delius in the same transaction as the rows: a write that comes again (after a
//! crash between Delius' commit and ours, or from a worker that lost its lease) gets its outcome and writes nothing.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::error::{DeliusError, During};
use crate::case::{AddressedWrite, WriteOutcome};

/// The outcome of a write that was applied before.
pub(super) async fn find(
    connection: &mut PgConnection,
    write_id: Uuid,
) -> Result<Option<WriteOutcome>, DeliusError> {
    sqlx::query_scalar("select outcome from pom_cases_write_ledger where write_id = $1")
        .bind(write_id)
        .fetch_optional(connection)
        .await
        .during("while looking in the ledger")
        .map(|found: Option<Json<WriteOutcome>>| found.map(|Json(outcome)| outcome))
}

/// Enters what came of a write. Somebody who entered the same write meanwhile makes this fail as transient.
pub(super) async fn enter(
    connection: &mut PgConnection,
    write: &AddressedWrite,
    outcome: &WriteOutcome,
    now: DateTime<Utc>,
) -> Result<(), DeliusError> {
    sqlx::query(
        "insert into pom_cases_write_ledger (write_id, noms_number, outcome, applied_at) values ($1, $2, $3, $4)",
    )
    .bind(write.id)
    .bind(write.noms.as_str())
    .bind(Json(outcome))
    .bind(now)
    .execute(connection)
    .await
    .during("while entering the outcome in the ledger")
    .map(|_| ())
}
