//! The ledger of applied writes, kept in Delius in the same transaction as the rows: a write that comes again (after a
//! crash between Delius' commit and ours, or from a worker that lost its lease) gets its outcome and writes nothing.
//!
//! The two databases can be restored to different times. The ledger says what Delius still has of the writes that the store
//! recorded, and what the store has forgotten of the writes that Delius has.

use chrono::{DateTime, NaiveDateTime, Utc};
use uuid::Uuid;

use super::{
    engine::{Row, Session, SessionAccess, Statement},
    error::{DeliusError, During},
    gateway::Delius,
    load::read,
    sql,
};
use crate::{
    case::{AddressedWrite, DeliusWrite, NomsNumber, WriteOutcome},
    london::{is_second_pass, wall_clock},
};

const LOOKING: &str = "while looking in the ledger";
const ENTERING: &str = "while entering the outcome in the ledger";

/// A write that was applied or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    pub id: Uuid,
    pub write: DeliusWrite,
    pub outcome: WriteOutcome,
}

impl Delius {
    /// Every write for this NOMS number, in the order in which they were applied.
    ///
    /// # Errors
    /// When Delius cannot answer, or an entry cannot be read.
    pub async fn ledger(&self, noms: &NomsNumber) -> Result<Vec<LedgerEntry>, DeliusError> {
        of_person(&mut *self.session(SessionAccess::Statement).await?, noms).await
    }
}

/// From when a holding counts in Delius, by its clock. In the hour that comes twice in autumn a later holding may have an
/// earlier time than one that was written for the first pass: it begins when that one began, and replaces it.
pub(super) async fn begin(
    session: &mut dyn Session,
    noms: &NomsNumber,
    at: DateTime<Utc>,
) -> Result<NaiveDateTime, DeliusError> {
    let begin = wall_clock(at);
    if !is_second_pass(at) {
        return Ok(begin);
    }
    let entries = of_person(session, noms).await?;
    let written = entries.iter().filter(|entry| !entry.outcome.name.is_refusal());
    let earlier = written.filter_map(|entry| entry.write.held_from()).filter(|earlier| *earlier < at);
    Ok(earlier.map(wall_clock).fold(begin, NaiveDateTime::max))
}

async fn of_person(session: &mut dyn Session, noms: &NomsNumber) -> Result<Vec<LedgerEntry>, DeliusError> {
    let found = session.query(&Statement::new(sql::LEDGER_OF_PERSON).bind("noms", noms.as_str())).await;
    let texts = |row: &Row| Ok((row.text("write_id")?, row.text("intent")?, row.text("outcome")?));
    let entries = read(found, texts).during(LOOKING)?.into_iter().map(|(id, write, outcome)| {
        let (id, write) = (id.trim_end().parse().ok(), serde_json::from_str(&write));
        match (id, write, serde_json::from_str(&outcome)) {
            (Some(id), Ok(write), Ok(outcome)) => Ok(LedgerEntry { id, write, outcome }),
            _ => Err(unexpected("an entry in it cannot be read")),
        }
    });
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    // The column holds whole seconds.
    entries.sort_by_key(|entry| entry.outcome.applied_at);
    Ok(entries)
}

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
        .bind("intent", json(&write.write)?)
        .bind("outcome", json(outcome)?)
        .bind("applied_at", wall_clock(now));
    session.execute(&statement).await.during(ENTERING).map(|_| ())
}

/// Whether an attempt may have failed this way because the write was applied before.
pub(super) fn may_explain(error: &DeliusError) -> bool {
    match error {
        DeliusError::Contended { during, .. } => *during == ENTERING,
        DeliusError::Violated { .. } | DeliusError::Unexpected { .. } => true,
        DeliusError::Outage { .. }
        | DeliusError::StaleConnection { .. }
        | DeliusError::AuditUserMissing(_)
        | DeliusError::ReferenceData { .. } => false,
    }
}

fn unexpected(reason: &str) -> DeliusError {
    DeliusError::Unexpected { during: LOOKING, reason: reason.to_owned() }
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
