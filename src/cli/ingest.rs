//! `ingest FILE…`: feeds message files through the same path as SQS, waits until what they led to is settled, and
//! shows it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use chrono::Utc;
use clap::Args;

use super::{
    Failure,
    settings::{DeliusSettings, MpcSettings, StoreSettings, Workplace},
};
use crate::{
    case::{CaseEvent, NomsNumber},
    event_store::{CaseStore, receipts},
    ingest::{Delivery, Disposition, Ingest, NotAccepted, message, reflector},
    outbox::{Relay, RelayConfig, table},
};

/// How long to wait for the writes of one message.
const SETTLE: Duration = Duration::from_secs(60);

/// Arguments of `ingest`.
#[derive(Debug, Args)]
pub struct IngestFiles {
    /// Message files: an SNS envelope, or the bare event.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    delius: DeliusSettings,
    #[command(flatten)]
    mpc: MpcSettings,
}

impl IngestFiles {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let Workplace { store, delius, .. } = Workplace::open(&self.store, &self.delius, &self.mpc).await?;
        let worker = format!("ingest-{}", std::process::id());
        let relay = Relay::new(Arc::clone(&store), delius.clone(), RelayConfig::of(worker));
        let ingest = Ingest::new(Arc::clone(&store), delius);
        let mut all_accepted = true;
        let mut waiting = vec![];
        for file in &self.files {
            match one(file, &ingest, &store, &relay).await? {
                Fate::NotAccepted => all_accepted = false,
                Fate::Waiting { name, noms, message_id } => waiting.push((name, noms, message_id)),
                Fate::Settled => {}
            }
        }
        for (name, noms, message_id) in waiting {
            for outcome in outcomes(&store, &noms, &message_id).await? {
                println!("{name}: the name became known since: {outcome}");
            }
        }
        Ok(if all_accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What became of a file.
enum Fate {
    NotAccepted,
    Settled,
    /// Its allocation waits until the name behind its staff code is known, perhaps by a later file.
    Waiting {
        name: String,
        noms: NomsNumber,
        message_id: String,
    },
}

async fn one(file: &Path, ingest: &Ingest, store: &CaseStore, relay: &Relay) -> Result<Fate, Failure> {
    let body = tokio::fs::read(file).await.with_context(|| format!("while reading {}", file.display()))?;
    let delivery = Delivery {
        body,
        attributes: Default::default(),
        sqs_id: None,
        receive_count: 1,
        received_at: Utc::now(),
    };
    let (message_id, _) = message::parse(&delivery);
    let promise = promise(&delivery.body);
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let disposition = match accept(ingest, delivery).await {
        Ok(disposition) => disposition,
        Err(error) => {
            println!("{name}: NOT ACCEPTED: {error}");
            return Ok(Fate::NotAccepted);
        }
    };
    let line = describe(&disposition);
    println!("{name}: {line}");
    if let Some(promise) = promise {
        println!("    promised: {promise}");
    }
    // A process that died may have recorded the message and left its writes behind.
    let settling = match &disposition {
        Disposition::Recorded { noms, .. } => Some(noms.clone()),
        Disposition::Duplicate => receipts::case_of(store.pool(), &message_id).await?,
        _ => None,
    };
    if let Some(noms) = settling {
        settle(store, relay, &noms).await?;
        for outcome in outcomes(store, &noms, &message_id).await? {
            println!("    {outcome}");
        }
    }
    Ok(match disposition {
        Disposition::Recorded { noms, events } if events.contains(&"AllocationSuperseded") => {
            println!("    waits until the name behind the staff code is known");
            Fate::Waiting { name, noms, message_id }
        }
        _ => Fate::Settled,
    })
}

/// What the sample says of itself that it leads to. Only samples say that; real messages have no such member.
fn promise(body: &[u8]) -> Option<String> {
    let sample: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(sample.get("leadsTo")?.as_str()?.to_owned())
}

/// As from SQS: what is not explained is tried again, until it is parked.
pub(super) async fn accept(ingest: &Ingest, delivery: Delivery) -> Result<Disposition, NotAccepted> {
    loop {
        match ingest.accept(&delivery).await {
            Err(NotAccepted::Unexplained(_)) => {}
            other => return other,
        }
    }
}

/// One line about what became of a message.
pub(super) fn describe(disposition: &Disposition) -> String {
    match disposition {
        Disposition::Recorded { noms, events } => format!("recorded for {noms}: {}", events.join(", ")),
        Disposition::Duplicate => "duplicate: nothing changed".into(),
        Disposition::Parked(parking) => format!("parked as {}: {}", parking.reason.as_str(), parking.detail),
        Disposition::ChangeFeed(crn) => format!("change feed: the cached record of {crn} was dropped"),
        Disposition::NotApplicable(reason) => format!("not applicable: {reason}"),
    }
}

/// Applies what is due until the case has no write that waits for anything but an operator.
pub(super) async fn settle(store: &CaseStore, relay: &Relay, noms: &NomsNumber) -> Result<(), Failure> {
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

/// What came of the writes that the message led to.
pub(super) async fn outcomes(
    store: &CaseStore,
    noms: &NomsNumber,
    message_id: &str,
) -> Result<Vec<String>, Failure> {
    let events = store.load(noms).await?;
    let of_message = |sequence: u64| {
        events.iter().any(|event| {
            event.sequence as u64 == sequence
                && event.payload.provenance().is_some_and(|provenance| provenance.message_id == message_id)
        })
    };
    let described = events.iter().filter_map(|event| match &event.payload {
        CaseEvent::DeliusWriteParked { write, error, .. } if of_message(write.sequence) => {
            Some(format!("write parked: {error}"))
        }
        payload => {
            let result = payload.write_result().filter(|result| of_message(result.write.sequence))?;
            let rows: Vec<String> = result
                .outcome
                .changes
                .iter()
                .map(|change| format!("{} {} v{}", change.table, change.row_id, change.row_version))
                .collect();
            let rows = if rows.is_empty() { "no row changed".to_owned() } else { rows.join(", ") };
            Some(format!("{}: {rows}", result.outcome.name.as_str()))
        }
    });
    Ok(described.collect())
}
