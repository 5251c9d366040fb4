//! The ledger of applied writes, kept in Delius in the same transaction as the rows: a write that comes again (after a
//! crash between Delius' commit and ours, or from a worker that lost its lease) gets its outcome and writes nothing.

use chrono::{DateTime, Utc};

use super::{
    engine::{Session, Statement},
    error::{DeliusError, During},
    load::read,
    sql,
};
use crate::{
    case::{AddressedWrite, WriteOutcome},
    london::wall_clock,
};

const LOOKING: &str = "while looking in the ledger";

/// The outcome of a write that was applied before.
///
/// # Errors
/// When the ledger has another write under this id: one of the two databases was set back to an earlier state, and the
/// outcome that is found is not the outcome of this write.
pub(super) async fn find(
    session: &mut dyn Session,
    write: &AddressedWrite,
) -> Result<Option<WriteOutcome>, DeliusError> {
    let statement = Statement::new(sql::LEDGER_ENTRY).bind("write_id", write.id.to_string());
    let found = session.query(&statement).await;
    let found = read(found, |row| Ok((row.text("intent_sha256")?, row.text("outcome")?))).during(LOOKING)?;
    let Some((intent, outcome)) = found.into_iter().next() else { return Ok(None) };
    let unexpected = |reason: &str| DeliusError::Unexpected { during: LOOKING, reason: reason.to_owned() };
    if intent != hash(write) {
        return Err(unexpected("it has another write under this id"));
    }
    serde_json::from_str(&outcome).map(Some).map_err(|_| unexpected("the outcome in it cannot be read"))
}

/// Enters the outcome of a write. Another attempt that entered the same write meanwhile makes this fail as contended.
pub(super) async fn enter(
    session: &mut dyn Session,
    write: &AddressedWrite,
    outcome: &WriteOutcome,
    now: DateTime<Utc>,
) -> Result<(), DeliusError> {
    let statement = Statement::new(sql::ENTER_IN_LEDGER)
        .bind("write_id", write.id.to_string())
        .bind("noms", write.noms.as_str())
        .bind("intent_sha256", hash(write))
        .bind("outcome", json(outcome)?)
        .bind("applied_at", wall_clock(now));
    session.execute(&statement).await.during("while entering the outcome in the ledger").map(|_| ())
}

/// SHA-256 of what was asked for. Not of whose case it is: the person may have got another number between two attempts.
fn hash(write: &AddressedWrite) -> String {
    write.write.hash()
}

fn json(value: &impl serde::Serialize) -> Result<String, DeliusError> {
    serde_json::to_string(value).map_err(|_| DeliusError::Unexpected {
        during: "while writing the ledger",
        reason: "a value cannot be written as JSON".to_owned(),
    })
}
