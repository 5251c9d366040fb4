//! One run over many cases.

use std::{collections::BTreeSet, num::NonZeroU32};

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{NotCompared, Tally, Three, finding::Finding};
use crate::{case::NomsNumber, operations::bulk::paced};

/// Cases compared at once; repairs go one by one.
const AT_ONCE: usize = 8;

/// How a run ended.
pub enum RunEnd {
    Finished,
    /// Somebody stopped it.
    Stopped,
    /// A dependency is down, and so it would be for the next case.
    Unavailable(String),
}

/// Compares the cases in order, and gives each finding to `found` together with the number that was compared.
pub async fn compare_all(
    three: &Three,
    cases: BTreeSet<NomsNumber>,
    rate: NonZeroU32,
    stop: &CancellationToken,
    mut found: impl FnMut(&NomsNumber, Result<&Finding, &str>),
) -> (Tally, RunEnd) {
    let mut tally = Tally::default();
    let at_once = if three.fix.is_some() { 1 } else { AT_ONCE };
    let compared = paced(cases, rate)
        .take_until(stop.cancelled())
        .map(|noms| async move { (three.find(&noms).await, noms) })
        .buffered(at_once);
    let mut compared = std::pin::pin!(compared);
    while let Some((finding, noms)) = compared.next().await {
        match finding {
            Ok(finding) => {
                found(&noms, Ok(&finding));
                tally.add(&finding);
            }
            Err(NotCompared::Case(reason)) => {
                found(&noms, Err(&reason));
                tally.not_compared += 1;
            }
            Err(NotCompared::Unavailable(reason)) => return (tally, RunEnd::Unavailable(reason)),
        }
        tally.up_to = Some(noms);
    }
    let end = if stop.is_cancelled() { RunEnd::Stopped } else { RunEnd::Finished };
    (tally, end)
}
