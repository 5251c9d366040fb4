//! Enqueues the messages of a run: in order, at a steady rate, a few at once.

use std::num::NonZeroU32;

use futures_util::StreamExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    case::NomsNumber,
    operations::bulk::{
        BulkRun,
        destination::{Destination, EnqueueError},
        message,
        pace::paced,
        runs,
    },
};

/// Messages enqueued at once. The cursor still moves in order.
const AT_ONCE: usize = 8;

/// How the enqueuing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnqueueEnd {
    /// Every number has its message.
    Complete,
    /// It was stopped; the run can be resumed.
    Stopped,
}

/// Enqueues a message for each number, in the order given, and advances the run's cursor. `report` is called for each
/// number, with the error of one that could not be accepted.
///
/// # Errors
/// When the cursor cannot be stored; the run can be resumed.
pub async fn enqueue_all(
    (store, destination): (&PgPool, &Destination),
    run: &mut BulkRun,
    numbers: Vec<NomsNumber>,
    rate: NonZeroU32,
    stop: &CancellationToken,
    mut report: impl FnMut(&NomsNumber, Option<&EnqueueError>),
) -> sqlx::Result<EnqueueEnd> {
    let (id, dry_run, started_at) = (run.id, run.dry_run, run.started_at);
    let handed = paced(numbers, rate)
        .take_until(stop.cancelled())
        .map(|noms| async move {
            let taken = destination.enqueue(&message(id, &noms, dry_run, started_at), stop).await;
            (noms, taken)
        })
        .buffered(AT_ONCE);
    let mut handed = std::pin::pin!(handed);
    while let Some((noms, taken)) = handed.next().await {
        match &taken {
            Ok(()) => run.handed_over += 1,
            Err(EnqueueError::Stopped) => return Ok(EnqueueEnd::Stopped),
            Err(EnqueueError::Fault(reason)) => {
                tracing::error!(reason, %noms, "a message of the bulk run could not be accepted");
                run.not_accepted += 1;
            }
        }
        runs::advance(store, run, &noms).await?;
        run.cursor = Some(noms.to_string());
        report(&noms, taken.as_ref().err());
    }
    Ok(if stop.is_cancelled() { EnqueueEnd::Stopped } else { EnqueueEnd::Complete })
}
