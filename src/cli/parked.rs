//! `parked list|show|retry|skip`: messages that could not become events.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use crate::{
    app::{
        Failure,
        settings::{Decision, DeliusSettings, MpcSettings, StoreSettings, Workplace},
    },
    ingest::{Delivery, Disposition, Ingest, message, parked},
    operations::inline::{describe, settle},
    relay::{Relay, RelayConfig},
};

/// Arguments of `parked`.
#[derive(Debug, Args)]
pub struct Parked {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the parked messages, oldest first.
    List {
        /// Those already retried or skipped too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Show one with its bytes and the decisions on it.
    Show {
        /// Its number in the list.
        id: i64,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Send one through the ingestion again.
    Retry {
        /// Its number in the list.
        id: i64,
        #[command(flatten)]
        decision: Decision,
        #[command(flatten)]
        store: StoreSettings,
        #[command(flatten)]
        delius: DeliusSettings,
        #[command(flatten)]
        mpc: MpcSettings,
    },
    /// Give one up.
    Skip {
        /// Its number in the list.
        id: i64,
        #[command(flatten)]
        decision: Decision,
        #[command(flatten)]
        store: StoreSettings,
    },
}

impl Parked {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::List { all, store } => list(&store, all).await,
            Action::Show { id, store } => show(&store, id).await,
            Action::Retry { id, decision, store, delius, mpc } => {
                retry(id, &decision, &store, &delius, &mpc).await
            }
            Action::Skip { id, decision, store } => {
                let pool = store.connect().await?;
                if !parked::decide(&pool, id, "skipped", &decision.by, &decision.why).await? {
                    return Err(not_parked(id));
                }
                println!("parked message {id} is given up");
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn not_parked(id: i64) -> Failure {
    anyhow!("no message {id} is parked; see `parked list`").into()
}

async fn list(store: &StoreSettings, all: bool) -> Result<ExitCode, Failure> {
    let messages = parked::list(&store.connect().await?, all).await?;
    for message in &messages {
        println!(
            "{}  {}  {}  {}  {}  {}\n    {}",
            message.id,
            message.received_at.format("%Y-%m-%dT%H:%M:%SZ"),
            message.state,
            message.reason,
            message.event_type.as_deref().unwrap_or("(no event type)"),
            message.case_id.as_deref().unwrap_or("(no NOMS number)"),
            message.detail,
        );
    }
    println!("{} messages", messages.len());
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &StoreSettings, id: i64) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    let message =
        parked::find(&pool, id).await?.with_context(|| format!("there is no parked message {id}"))?;
    println!("number       {}", message.id);
    println!("state        {}", message.state);
    println!("reason       {}", message.reason);
    println!("detail       {}", message.detail);
    println!("message id   {}", message.message_id);
    println!("event type   {}", message.event_type.as_deref().unwrap_or("(none)"));
    println!("NOMS number  {}", message.case_id.as_deref().unwrap_or("(none)"));
    println!("received     {}", message.received_at.to_rfc3339());
    println!("sha256       {}", message.body_sha256);
    for decision in parked::decisions(&pool, id).await? {
        println!(
            "{:12} {} by {}: {}",
            decision.decision,
            decision.at.to_rfc3339(),
            decision.by_whom,
            decision.why
        );
    }
    println!("body         {} bytes:\n{}", message.body.len(), String::from_utf8_lossy(&message.body));
    Ok(ExitCode::SUCCESS)
}

async fn retry(
    id: i64,
    decision: &Decision,
    store: &StoreSettings,
    delius: &DeliusSettings,
    mpc: &MpcSettings,
) -> Result<ExitCode, Failure> {
    let Workplace { store, delius, .. } = Workplace::open(store, delius, mpc).await?;
    let pool = store.pool();
    // The decision first: were it recorded after the message, a crash in between would hide who had it retried. The
    // message stays on the list until it is accepted.
    if !parked::decide_to_retry(pool, id, &decision.by, &decision.why).await? {
        return Err(not_parked(id));
    }
    let message =
        parked::find(pool, id).await?.with_context(|| format!("there is no parked message {id}"))?;
    let ingest = Ingest::new(Arc::clone(&store), delius.clone());
    let delivery = Delivery {
        body: message.body,
        attributes: message.attributes.0,
        sqs_id: message::sqs_id(&message.message_id),
        receive_count: 1,
        received_at: message.received_at,
    };
    let disposition = ingest.retry(&delivery).await.context("it is still parked")?;
    println!("{}", describe(&disposition));
    if let Disposition::Parked(_) = disposition {
        parked::decide(pool, id, "parkedAgain", &decision.by, &decision.why).await?;
        return Ok(ExitCode::FAILURE);
    }
    parked::take_off(pool, id).await?;
    if let Disposition::Recorded { noms, .. } = &disposition {
        let worker = format!("parked-retry-{}", std::process::id());
        settle(&store, &Relay::new(Arc::clone(&store), delius, RelayConfig::of(worker)), noms).await?;
    }
    Ok(ExitCode::SUCCESS)
}
