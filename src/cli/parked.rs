//! `parked list|show|retry|skip`: messages that could not become events.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{
    listing::{Filters, confirmed, time},
    waiting,
};
use crate::{
    app::{
        Failure,
        settings::{Decider, DeliusSettings, MpcSettings, StoreSettings, Workplace, check::somebody},
    },
    audit::history::{self, Access},
    ingest::{
        Delivery, Disposition, Ingest, message,
        parked::{self, ParkedSummary},
        waiting::WaitingDecision,
    },
    operations::inline::{describe, settle},
    outbox::view::Select,
    relay::{Relay, RelayConfig},
};

/// So many are retried at once at most.
const MOST: u32 = 10_000;

/// States by which messages are listed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ListedParkings {
    Parked,
    Retried,
    Skipped,
}

impl ListedParkings {
    fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Retried => "retried",
            Self::Skipped => "skipped",
        }
    }
}

/// Arguments of `parked`.
#[derive(Debug, Args)]
pub struct Parked {
    #[command(subcommand)]
    action: ParkedAction,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one value for the length of a command")]
enum ParkedAction {
    /// List the parked messages, oldest first
    #[command(
        after_help = "Examples:\n  parked list --reason ForeignDetailUrl\n  parked list --since 1d --json\n  \
                            parked list --waiting --case A1234BC"
    )]
    List {
        /// Those already retried or skipped too
        #[arg(long, conflicts_with = "state")]
        all: bool,
        /// The messages that wait in the store to be tried again
        #[arg(long, conflicts_with_all = ["all", "state"])]
        waiting: bool,
        /// In this state only
        #[arg(long, value_enum)]
        state: Option<ListedParkings>,
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Show one with its bytes and the decisions on it
    #[command(after_help = "Example:\n  parked show 7")]
    Show {
        /// Its number in the list.
        id: i64,
        /// Who asks; recorded
        #[arg(long, env = "USER", value_parser = somebody)]
        by: String,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Send one through the ingestion again, or every one that was parked for a reason
    #[command(after_help = "Examples:\n  parked retry 7 --why \"the address is right now\"\n  \
                            parked retry --reason ForeignDetailUrl --why \"MPC_URL is right now\"")]
    Retry {
        /// Its number in the list
        #[arg(required_unless_present = "reason")]
        id: Option<i64>,
        /// Every parked message whose reason or detail contains this text
        #[arg(long, value_name = "TEXT", conflicts_with = "id")]
        reason: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        decision: Decider,
        #[command(flatten)]
        store: StoreSettings,
        #[command(flatten)]
        delius: DeliusSettings,
        #[command(flatten)]
        mpc: MpcSettings,
    },
    /// Make a waiting message due now
    #[command(
        after_help = "Example:\n  parked retry-waiting 7 --why \"Manage POM Cases has mended the case\""
    )]
    RetryWaiting {
        /// Its number in the list of waiting messages
        id: i64,
        #[command(flatten)]
        decision: Decider,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Park a waiting message: it is not tried again until an operator retries it
    #[command(after_help = "Example:\n  parked park-waiting 7 --why \"its team looks into it\"")]
    ParkWaiting {
        /// Its number in the list of waiting messages
        id: i64,
        #[command(flatten)]
        decision: Decider,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Give one up
    #[command(after_help = "Example:\n  parked skip 7 --why \"written by hand\"")]
    Skip {
        /// Its number in the list.
        id: i64,
        #[command(flatten)]
        decision: Decider,
        #[command(flatten)]
        store: StoreSettings,
    },
}

impl Parked {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            ParkedAction::List { waiting: true, filters, store, .. } => waiting::list(&store, &filters).await,
            ParkedAction::List { all, state, filters, store, .. } => list(&store, all, state, &filters).await,
            ParkedAction::RetryWaiting { id, decision, store } => {
                waiting::decide(&store, id, WaitingDecision::Retry, &decision).await
            }
            ParkedAction::ParkWaiting { id, decision, store } => {
                waiting::decide(&store, id, WaitingDecision::Park, &decision).await
            }
            ParkedAction::Show { id, by, store } => show(&store, id, &by).await,
            ParkedAction::Retry { id, reason, yes, decision, store, delius, mpc } => {
                let workplace = Workplace::open(&store, &delius, &mpc).await?;
                match id {
                    Some(id) => retry(id, &decision, &workplace).await,
                    None => retry_many(reason, yes, &decision, &workplace).await,
                }
            }
            ParkedAction::Skip { id, decision, store } => {
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

async fn list(
    store: &StoreSettings,
    all: bool,
    state: Option<ListedParkings>,
    filters: &Filters,
) -> Result<ExitCode, Failure> {
    let state = if all { Some("every") } else { state.map(ListedParkings::as_str) };
    let pool = store.connect().await?;
    let messages = parked::list(&pool, &filters.select(&pool, state).await?).await?;
    let listed: Vec<Listed<'_>> = messages.iter().map(Listed::of).collect();
    let headings = ["no", "received", "state", "reason", "event type", "case", "detail"];
    filters.print(&listed, ("messages", &headings), |message| {
        vec![
            message.number.to_string(),
            time(message.received_at),
            message.state.to_owned(),
            message.reason.to_owned(),
            message.event_type.unwrap_or_default().to_owned(),
            message.case_id.unwrap_or_default().to_owned(),
            message.detail.to_owned(),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A parked message without its bytes, which may hold anything.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    number: i64,
    message_id: &'a str,
    received_at: DateTime<Utc>,
    state: &'a str,
    reason: &'a str,
    event_type: Option<&'a str>,
    case_id: Option<&'a str>,
    detail: &'a str,
}

impl<'a> Listed<'a> {
    fn of(message: &'a ParkedSummary) -> Self {
        Self {
            number: message.id,
            message_id: &message.message_id,
            received_at: message.received_at,
            state: &message.state,
            reason: &message.reason,
            event_type: message.event_type.as_deref(),
            case_id: message.case_id.as_deref(),
            detail: &message.detail,
        }
    }
}

async fn show(store: &StoreSettings, id: i64, by: &str) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    let message =
        parked::find(&pool, id).await?.with_context(|| format!("there is no parked message {id}"))?;
    let access = Access::cli(by).to(history::Action::ParkedMessage).at_position(id);
    let noms = message.case_id.as_deref().and_then(|noms| noms.parse().ok());
    access.record(&pool, noms.as_ref(), true).await?;
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

/// Retries them one by one; one that stays parked does not keep the others.
async fn retry_many(
    reason: Option<String>,
    yes: bool,
    decision: &Decider,
    workplace: &Workplace,
) -> Result<ExitCode, Failure> {
    let select = Select { reason, limit: MOST, ..Select::default() };
    let messages = parked::list(workplace.store.pool(), &select).await?;
    if messages.is_empty() {
        println!("0 messages are parked for that");
        return Ok(ExitCode::SUCCESS);
    }
    if !confirmed(&format!("retry {} parked messages", messages.len()), yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let mut all = ExitCode::SUCCESS;
    for message in messages {
        print!("{}: ", message.id);
        if retry(message.id, decision, workplace).await? != ExitCode::SUCCESS {
            all = ExitCode::FAILURE;
        }
    }
    Ok(all)
}

async fn retry(id: i64, decision: &Decider, workplace: &Workplace) -> Result<ExitCode, Failure> {
    let Workplace { store, delius, .. } = workplace;
    let pool = store.pool();
    // The decision first: were it recorded after the message, a crash in between would hide who had it retried. The
    // message stays on the list until it is accepted.
    if !parked::decide_to_retry(pool, id, &decision.by, &decision.why).await? {
        return Err(not_parked(id));
    }
    let message =
        parked::find(pool, id).await?.with_context(|| format!("there is no parked message {id}"))?;
    let ingest = Ingest::new(Arc::clone(store), delius.clone());
    let delivery = Delivery {
        body: message.body,
        attributes: message.attributes.0,
        sqs_id: message::sqs_id(&message.message_id),
        receive_count: 1,
        received_at: message.received_at,
    };
    let disposition = ingest.retry(&delivery, &message.message_id).await.context("it is still parked")?;
    println!("{}", describe(&disposition));
    if let Disposition::Parked(_) = disposition {
        parked::decide(pool, id, "parkedAgain", &decision.by, &decision.why).await?;
        return Ok(ExitCode::FAILURE);
    }
    parked::take_off(pool, id).await?;
    if let Disposition::Recorded { noms, .. } = &disposition {
        let worker = format!("parked-retry-{}", std::process::id());
        let relay = Relay::new(Arc::clone(store), delius.clone(), RelayConfig::of(worker));
        settle(store, &relay, noms).await?;
    }
    Ok(ExitCode::SUCCESS)
}
