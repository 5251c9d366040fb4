//! Appends: events with everything that follows from them, many cases in one statement.
//!
//! Architecture invariant: the events, the outbox rows derived from them, the state of the outbox row whose outcome they
//! record, and the receipt of their message are committed by one statement, so no crash can separate them.

mod columns;
mod parts;

use std::{collections::HashSet, time::Instant};

use self::columns::Columns;
use super::{Cause, failure::StoreError};
use crate::{
    case::{CaseEvent, NomsNumber},
    database::{KeptConnections, in_time},
    trace::TraceContext,
};

/// Events to be appended to one case.
#[derive(Debug, Clone)]
pub(super) struct Append {
    pub(super) noms: NomsNumber,
    /// Sequence of the last event of the case when the events were decided on.
    pub(super) expected_sequence: u64,
    pub(super) events: Vec<CaseEvent>,
    pub(super) cause: Cause,
    /// The trace that the append belongs to.
    pub(super) trace: Option<TraceContext>,
    /// Whether notices of applied writes are kept for the outcome topic.
    pub(super) keeps_notices: bool,
}

/// Why nothing was appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AppendError {
    /// The case has changed since the events were decided on.
    #[error("another change of the case came first")]
    Conflict,
    /// The outbox row whose outcome was to be recorded is held by another worker now, or is finished.
    #[error("the lease on the write was lost; another worker has it")]
    LeaseLost,
    /// Nothing is known to be appended.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Appends a batch; one result for each of them, in the same order. What fails together is tried again one by one, so
/// that none fails because of another.
pub(super) async fn batch(store: &KeptConnections, appends: Vec<Append>) -> Vec<Result<(), AppendError>> {
    failpoint!("appending");
    let mut results: Vec<Option<Result<(), AppendError>>> = vec![None; appends.len()];
    let mut cases = HashSet::new();
    let mut together: Vec<(usize, &Append)> = vec![];
    for (index, append) in appends.iter().enumerate() {
        // Of two appends to one case, which were decided on the same events, only one can succeed.
        if cases.insert(&append.noms) {
            together.push((index, append));
        } else {
            results[index] = Some(Err(AppendError::Conflict));
        }
    }
    together.sort_by(|(_, a), (_, b)| a.noms.cmp(&b.noms));
    let batch: Vec<&Append> = together.iter().map(|(_, append)| *append).collect();
    match statement(store, &batch).await {
        Ok(appended) => {
            for ((index, _), result) in together.iter().zip(appended) {
                results[*index] = Some(result);
            }
        }
        Err(error) if batch.len() == 1 || matches!(error, AppendError::Store(StoreError::Unavailable(_))) => {
            for (index, _) in &together {
                results[*index] = Some(Err(error.clone()));
            }
        }
        Err(_) => {
            for (index, append) in &together {
                let alone = statement(store, &[append]).await;
                results[*index] = Some(alone.and_then(|mut alone| alone.pop().unwrap_or_else(unanswered)));
            }
        }
    }
    results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect()
}

fn unanswered() -> Result<(), AppendError> {
    Err(StoreError::Fault("the store did not say what became of an append".to_owned()).into())
}

async fn statement(
    store: &KeptConnections,
    appends: &[&Append],
) -> Result<Vec<Result<(), AppendError>>, AppendError> {
    let columns = Columns::of(appends).map_err(|error| StoreError::Fault(error.to_string()))?;
    let began = Instant::now();
    let rows = in_time(columns.execute(store)).await?;
    metrics::histogram!("store_append_duration_seconds").record(began.elapsed());
    Ok(rows
        .into_iter()
        .map(|(_, based, granted)| match (based, granted) {
            (true, true) => Ok(()),
            (true, false) => Err(AppendError::LeaseLost),
            (false, _) => Err(AppendError::Conflict),
        })
        .collect())
}

impl From<sqlx::Error> for AppendError {
    fn from(error: sqlx::Error) -> Self {
        // Only the key of the events table says that somebody else appended first.
        let constraint = error.as_database_error().and_then(|error| error.constraint());
        if constraint == Some("events_pkey") { Self::Conflict } else { Self::Store(StoreError::from(&error)) }
    }
}
