//! Hands the messages of a run over: in order, at a steady rate, a few at once.

use std::num::NonZeroU32;

use futures_util::StreamExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    case::NomsNumber,
    operations::bulk::{
        BulkRun,
        destination::{Destination, NotHandedOver},
        message,
        pace::paced,
        runs,
    },
};

/// Messages handed over at once. The cursor moves in order all the same.
const AT_ONCE: usize = 8;

/// How the handing over ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every number has its message.
    Complete,
    /// It was stopped; the run can be resumed.
    Stopped,
}

/// Hands over a message for each number, in the order given, and moves the run's cursor along. `told` hears of each
/// number, with the error of one that could not be accepted.
///
/// # Errors
/// When the store does not take the cursor; the run can be resumed.
pub async fn hand_over(
    (store, destination): (&PgPool, &Destination),
    run: &mut BulkRun,
    numbers: Vec<NomsNumber>,
    rate: NonZeroU32,
    stop: &CancellationToken,
    mut told: impl FnMut(&NomsNumber, Option<&NotHandedOver>),
) -> sqlx::Result<End> {
    let (id, dry_run, started_at) = (run.id, run.dry_run, run.started_at);
    let handed = paced(numbers, rate)
        .take_until(stop.cancelled())
        .map(|noms| async move {
            let taken = destination.take(&message(id, &noms, dry_run, started_at), stop).await;
            (noms, taken)
        })
        .buffered(AT_ONCE);
    let mut handed = std::pin::pin!(handed);
    while let Some((noms, taken)) = handed.next().await {
        match &taken {
            Ok(()) => run.handed_over += 1,
            Err(NotHandedOver::Stopped) => return Ok(End::Stopped),
            Err(NotHandedOver::Fault(reason)) => {
                tracing::error!(reason, %noms, "a message of the bulk run could not be accepted");
                run.not_accepted += 1;
            }
        }
        runs::advance(store, run, &noms).await?;
        run.cursor = Some(noms.to_string());
        told(&noms, taken.as_ref().err());
    }
    Ok(if stop.is_cancelled() { End::Stopped } else { End::Complete })
}
