//! The outcomes of a run, counted by name.

use std::collections::BTreeMap;

use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    case::NomsNumber,
    event_store::fates::{self, Fate},
    operations::bulk::messages_of,
    outbox::view::{self, Standing},
};

/// The outcomes of a run's messages so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages by outcome of their write, or by the reason why there is none.
    pub outcomes: BTreeMap<String, u64>,
    /// Messages that are recorded or parked.
    pub accounted: u64,
    /// Writes that are still pending.
    pub waiting: u64,
    /// Messages and writes that are parked, or were skipped by an operator.
    pub failed: u64,
}

/// Reads the outcomes of a run's messages.
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
                report.failed += 1;
                *report.outcomes.entry(format!("message parked: {reason}")).or_default() += 1;
            }
            Fate::Written { noms, sequence } => open.push((noms, sequence)),
        }
    }
    for (standing, count) in view::standings(store, &open).await? {
        if matches!(standing, Standing::Parked | Standing::Blocked | Standing::Skipped) {
            report.failed += count;
        }
        match standing {
            Standing::Waiting => report.waiting += count,
            // Applied between the two queries; the next report has its outcome.
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

/// The numbers whose message of the run is neither recorded nor parked.
///
/// # Errors
/// When the store cannot be read.
pub async fn missing(
    store: &PgPool,
    run: Uuid,
    numbers: impl IntoIterator<Item = NomsNumber>,
) -> sqlx::Result<Vec<NomsNumber>> {
    let prefix = messages_of(run);
    let accounted = fates::accounted(store, &prefix).await?;
    Ok(numbers.into_iter().filter(|noms| !accounted.contains(&format!("{prefix}{noms}"))).collect())
}
