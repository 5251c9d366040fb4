//! Allocations that waited for the name behind their staff code are recorded at their own dates as soon as the
//! code is known.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    case::{CaseCommand, CaseEvent, DeliusWrite, Inherited, NomsNumber, RELEASED_BY},
    database::in_time,
    event_store::{CaseStore, Cause, ExecuteError, identities, reflectable},
};

const BATCH: u32 = 100;
const POLL: Duration = Duration::from_secs(5);
/// Names are rarely learned, so that a busy store is not asked after every append.
const PAUSE: Duration = Duration::from_millis(500);

/// Reflects what can be reflected now; how many allocations were recorded. A case in which that fails for a reason of
/// its own is told of, and keeps no other case waiting.
///
/// # Errors
/// When the store is unavailable; what was not reflected is found again by the next call.
pub async fn step(store: &CaseStore) -> Result<usize, ExecuteError> {
    let known = in_time(reflectable(store.pool(), BATCH))
        .await
        .map_err(|error| ExecuteError::Unavailable(error.to_string()))?;
    let mut recorded = 0;
    for (noms, staff) in known {
        let command = CaseCommand::ReflectAllocations { staff };
        match store.execute(&noms, command, Cause::NoMessage).await {
            Ok(appended) => {
                recorded += appended.len();
                pass_on(store, &noms, &appended).await?;
            }
            Err(error @ ExecuteError::Unavailable(_)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, %noms, "could not reflect an allocation whose name is known")
            }
        }
    }
    Ok(recorded)
}

/// An allocation under a former number is written for the person who has another number now, and what that person has
/// recorded later is written again behind it.
async fn pass_on(store: &CaseStore, noms: &NomsNumber, events: &[CaseEvent]) -> Result<(), ExecuteError> {
    for holding in events.iter().filter_map(CaseEvent::stated_holding) {
        let heir = in_time(identities::heir(store.pool(), noms, holding.at))
            .await
            .map_err(|error| ExecuteError::Unavailable(error.to_string()))?;
        if heir == *noms {
            continue;
        }
        let command = CaseCommand::Reassert {
            writes: vec![DeliusWrite::from(holding.clone())],
            inherited: Inherited { holdings: vec![holding], handover: None },
            by: RELEASED_BY.to_owned(),
            why: format!("an allocation under the former number {noms} got its name"),
        };
        store.execute(&heir, command, Cause::NoMessage).await?;
    }
    Ok(())
}

/// Reflects until cancelled: soon after an append of this process, and every few seconds for those of others.
pub async fn run(store: &CaseStore, stop: CancellationToken) {
    let appended = store.appended();
    while !stop.is_cancelled() {
        let woken = appended.notified();
        if let Err(error) = step(store).await {
            tracing::warn!(%error, "could not reflect allocations whose staff code became known; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = async {
                woken.await;
                tokio::time::sleep(PAUSE).await;
            } => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}
