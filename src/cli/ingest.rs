//! `ingest FILE…`: feeds message files through the same path as SQS, waits until what they led to is settled, and
//! shows it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use chrono::Utc;
use clap::Args;

use crate::{
    app::{
        Failure,
        settings::{DeliusSettings, MpcSettings, StoreSettings, Workplace},
    },
    case::{CaseEvent, NomsNumber},
    event_store::{CaseStore, receipts},
    ingest::{Delivery, Disposition, Ingest, message},
    operations::inline::{accept, describe, outcomes, settle},
    relay::{Relay, RelayConfig},
};

/// Arguments of `ingest`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ingest event-samples/allocation-changed.json\n  ingest event-samples/*.json"
)]
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
                FileFate::NotAccepted => all_accepted = false,
                FileFate::Waiting { name, noms, message_id } => waiting.push((name, noms, message_id)),
                FileFate::Settled => {}
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
enum FileFate {
    NotAccepted,
    Settled,
    /// Its allocation waits until the name behind its staff code is known, perhaps by a later file.
    Waiting {
        name: String,
        noms: NomsNumber,
        message_id: String,
    },
}

async fn one(file: &Path, ingest: &Ingest, store: &CaseStore, relay: &Relay) -> Result<FileFate, Failure> {
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
            return Ok(FileFate::NotAccepted);
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
        Disposition::Recorded { noms, events }
            if events.iter().any(|event| matches!(event, CaseEvent::AllocationSuperseded { .. })) =>
        {
            println!("    waits until the name behind the staff code is known");
            FileFate::Waiting { name, noms, message_id }
        }
        // The file did not become what it says, and a script has to see that.
        Disposition::Parked(_) => FileFate::NotAccepted,
        _ => FileFate::Settled,
    })
}

/// What the sample says of itself that it leads to. Only samples say that; real messages have no such member.
fn promise(body: &[u8]) -> Option<String> {
    let sample: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(sample.get("leadsTo")?.as_str()?.to_owned())
}
