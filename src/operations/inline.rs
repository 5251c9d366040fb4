//! Runs one message inline, for commands: accepts it, applies its writes and describes the outcome.

use std::time::{Duration, Instant};

use crate::{
    case::{CaseEvent, NomsNumber},
    event_store::CaseStore,
    ingest::{Delivery, Disposition, Ingest, NotAccepted, reflector},
    outbox::table,
    relay::Relay,
};

/// How long to wait for the writes of one message.
const SETTLE: Duration = Duration::from_secs(60);

/// Accepts a message to its end: somebody waits for it.
pub async fn accept(ingest: &Ingest, delivery: Delivery) -> Result<Disposition, NotAccepted> {
    ingest.accept_now(&delivery).await
}

/// One line about what became of a message.
pub fn describe(disposition: &Disposition) -> String {
    match disposition {
        Disposition::Recorded { noms, events } => {
            let names: Vec<&str> = events.iter().map(CaseEvent::name).collect();
            format!("recorded for {noms}: {}", names.join(", "))
        }
        Disposition::Duplicate => "duplicate: nothing changed".into(),
        Disposition::Parked(parking) => format!("parked as {}: {}", parking.reason.as_str(), parking.detail),
        Disposition::Waiting { reason } => format!("waiting: {reason}"),
        Disposition::ChangeFeed(crn) => format!("change feed: the cached record of {crn} was dropped"),
        Disposition::NotApplicable(reason) => format!("not applicable: {reason}"),
        Disposition::ErasureRequested(crn) => {
            format!("the erasure of {crn} is requested; see `erasure list`")
        }
    }
}

/// Applies what is due until the case has no write that waits for anything but an operator.
pub async fn settle(store: &CaseStore, relay: &Relay, noms: &NomsNumber) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLE;
    loop {
        reflector::step(store).await?;
        relay.step().await?;
        if table::waiting_of(store.pool(), noms).await? == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            println!("    (writes are still waiting; see `outbox list`)");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Outcomes of the writes that the message led to.
pub async fn outcomes(store: &CaseStore, noms: &NomsNumber, message_id: &str) -> anyhow::Result<Vec<String>> {
    let events = store.load(noms).await?;
    let of_message = |sequence: u64| {
        events.iter().any(|event| {
            event.sequence as u64 == sequence
                && event.payload.provenance().is_some_and(|provenance| provenance.message_id == message_id)
        })
    };
    let described = events.iter().filter_map(|event| {
        if let CaseEvent::DeliusWriteParked { write, error, .. } = &event.payload {
            return of_message(write.sequence).then(|| format!("write parked: {error}"));
        }
        let result = event.payload.write_result().filter(|result| of_message(result.write.sequence))?;
        let rows: Vec<String> = result
            .outcome
            .changes
            .iter()
            .map(|change| format!("{} {} v{}", change.table, change.row_id, change.row_version))
            .collect();
        let rows = if rows.is_empty() { "no row changed".to_owned() } else { rows.join(", ") };
        Some(format!("{}: {rows}", result.outcome.name.as_str()))
    });
    Ok(described.collect())
}
