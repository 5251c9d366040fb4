//! What a run came to: its outcomes, counted by name.

use std::collections::BTreeMap;

use sqlx::PgPool;
use uuid::Uuid;

use super::messages_of;
use crate::{
    event_store::fates::{self, Fate},
    outbox::view::{self, Standing},
};

/// What became of the messages of a run so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many messages came to what: an outcome of a write, or why there is none.
    pub outcomes: BTreeMap<String, u64>,
    /// Messages that have been accounted for.
    pub accounted: u64,
    /// Writes that wait for nothing but their turn.
    pub waiting: u64,
}

/// Reads what became of the messages of a run.
///
/// # Errors
/// When the store cannot be read.
pub async fn report(store: &PgPool, run: Uuid) -> sqlx::Result<Report> {
    let mut report = Report::default();
    let mut open = vec![];
    for fate in fates::of_messages(store, &messages_of(run)).await? {
        report.accounted += 1;
        match fate {
            Fate::Settled(name) => *report.outcomes.entry(name).or_default() += 1,
            Fate::Parked(reason) => {
                *report.outcomes.entry(format!("message parked: {reason}")).or_default() += 1;
            }
            Fate::Written { noms, sequence } => open.push((noms, sequence)),
        }
    }
    for (standing, count) in view::standings(store, &open).await? {
        match standing {
            Standing::Waiting => report.waiting += count,
            // Applied between the two questions; its outcome is there when asked again.
            Standing::Finished => report.waiting += count,
            Standing::Parked => {
                report.outcomes.insert("write parked".into(), count);
            }
            Standing::Blocked => {
                report.outcomes.insert("write waits behind a parked one".into(), count);
            }
            Standing::Skipped => {
                report.outcomes.insert("write given up".into(), count);
            }
        }
    }
    Ok(report)
}
