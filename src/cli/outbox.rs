//! `outbox list|show|retry|skip`: writes on their way to Delius.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use sqlx::PgPool;
use uuid::Uuid;

use super::listing::{Filters, confirmed, time};
use crate::{
    app::{
        Failure,
        settings::{self, Decider, StoreSettings, check::somebody},
    },
    audit::history::{self, Access},
    case::{CaseCommand, NomsNumber, WriteRef},
    event_store::Cause,
    outbox::view,
};

/// So many are retried at once at most.
const MOST: u32 = 10_000;

/// Arguments of `outbox`.
#[derive(Debug, Args)]
pub struct Outbox {
    #[command(subcommand)]
    action: OutboxAction,
}

/// States by which writes are listed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ListedWrites {
    Pending,
    Parked,
    Done,
    Skipped,
}

impl ListedWrites {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Parked => "parked",
            Self::Done => "done",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Debug, Subcommand)]
enum OutboxAction {
    /// List the writes that wait, oldest first; parked ones block their case
    #[command(
        after_help = "Examples:\n  outbox list --state parked\n  outbox list --case A1234BC --all --json"
    )]
    List {
        /// Finished ones too
        #[arg(long, conflicts_with = "state")]
        all: bool,
        /// In this state only
        #[arg(long, value_enum)]
        state: Option<ListedWrites>,
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Show one with its attempts
    #[command(after_help = "Example:\n  outbox show 0195f3c2-6d1e-7c4a-9b1e-3f5a7c9d1e2f")]
    Show {
        /// Its id
        id: Uuid,
        /// Who asks; recorded
        #[arg(long, env = "USER", value_parser = somebody)]
        by: String,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Have a parked or refused write tried again, or every parked one
    #[command(after_help = "Examples:\n  outbox retry ID --why \"the constraint is mended\"\n  \
                            outbox retry --reason 23514 --why \"the constraint is mended\"")]
    Retry {
        /// Its id
        #[arg(required_unless_present_any = ["all", "reason"])]
        id: Option<Uuid>,
        /// Every parked write
        #[arg(long, conflicts_with_all = ["id", "reason"])]
        all: bool,
        /// Every parked write whose error contains this text
        #[arg(long, value_name = "TEXT", conflicts_with = "id")]
        reason: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        decision: Decider,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Give a parked write up, so that the later writes of its case continue
    #[command(after_help = "Example:\n  outbox skip ID --why \"written by hand\"")]
    Skip {
        /// Its id
        id: Uuid,
        #[command(flatten)]
        decision: Decider,
        #[command(flatten)]
        store: StoreSettings,
    },
}

impl Outbox {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            OutboxAction::List { all, state, filters, store } => list(&store, all, state, &filters).await,
            OutboxAction::Show { id, by, store } => show(&store, id, &by).await,
            OutboxAction::Retry { id: Some(id), decision: Decider { why, by }, store, .. } => {
                decide(id, &store.connect().await?, |write| CaseCommand::RetryWrite { write, by, why }).await
            }
            OutboxAction::Retry { id: None, reason, yes, decision, store, .. } => {
                retry_many(&store, reason, yes, &decision).await
            }
            OutboxAction::Skip { id, decision: Decider { why, by }, store } => {
                decide(id, &store.connect().await?, |write| CaseCommand::SkipWrite { write, by, why }).await
            }
        }
    }
}

async fn list(
    store: &StoreSettings,
    all: bool,
    state: Option<ListedWrites>,
    filters: &Filters,
) -> Result<ExitCode, Failure> {
    let state = if all { Some("every") } else { state.map(ListedWrites::as_str) };
    let pool = store.connect().await?;
    let rows = view::list(&pool, &filters.select(&pool, state).await?).await?;
    let headings = ["case", "write", "kind", "state", "attempts", "derived", "outcome or error", "id"];
    filters.print(&rows, ("writes", &headings), |row| {
        vec![
            row.case_id.clone(),
            format!("{}.{}", row.sequence, row.ordinal),
            row.kind.clone(),
            row.state.clone(),
            row.attempt.to_string(),
            time(row.created_at),
            row.outcome.clone().or_else(|| row.last_error.clone()).unwrap_or_default(),
            row.id.to_string(),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Retries parked writes one by one: each is a decision on its own case.
async fn retry_many(
    store: &StoreSettings,
    reason: Option<String>,
    yes: bool,
    decision: &Decider,
) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    let select =
        view::Select { reason, state: Some("parked".into()), limit: MOST, ..view::Select::default() };
    let parked = view::list(&pool, &select).await?;
    if parked.is_empty() {
        println!("0 writes are parked for that");
        return Ok(ExitCode::SUCCESS);
    }
    if !confirmed(&format!("retry {} parked writes", parked.len()), yes)? {
        return Ok(ExitCode::FAILURE);
    }
    for row in &parked {
        let Decider { why, by } = decision.clone();
        decide(row.id, &pool, |write| CaseCommand::RetryWrite { write, by, why }).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &StoreSettings, id: Uuid, by: &str) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    let row = found(view::find(&pool, id).await?, id)?;
    let access = Access::cli(by).to(history::Action::Write).at_position(row.sequence);
    access.record(&pool, row.case_id.parse().ok().as_ref(), true).await?;
    println!("write      {}", row.id);
    println!("case       {}, event {}, write {}", row.case_id, row.sequence, row.ordinal);
    println!("state      {} after {} attempts", row.state, row.attempt);
    println!("derived    {}", row.created_at.to_rfc3339());
    println!("due        {}", row.available_at.to_rfc3339());
    if let Some(finished_at) = row.finished_at {
        println!("finished   {}", finished_at.to_rfc3339());
    }
    if let Some(outcome) = &row.outcome {
        println!("outcome    {outcome}");
    }
    println!("intent     {}", serde_json::to_string_pretty(&row.intent.0)?);
    for attempt in view::attempts(&pool, id).await? {
        println!(
            "attempt {}  {}  {}  {}",
            attempt.attempt,
            attempt.at.to_rfc3339(),
            attempt.worker,
            attempt.error
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn found<T>(row: Option<T>, id: Uuid) -> Result<T, Failure> {
    row.ok_or_else(|| anyhow!("there is no write {id}; see `outbox list --all`").into())
}

async fn decide(
    id: Uuid,
    pool: &PgPool,
    command: impl FnOnce(WriteRef) -> CaseCommand,
) -> Result<ExitCode, Failure> {
    let row = found(view::find(pool, id).await?, id)?;
    let noms: NomsNumber = row.case_id.parse().context("the outbox holds a case that is no NOMS number")?;
    let write = WriteRef { sequence: row.sequence.cast_unsigned(), ordinal: row.ordinal.cast_unsigned() };
    let appended =
        settings::offline_case_store(pool.clone()).execute(&noms, command(write), Cause::NoMessage).await?;
    for event in appended {
        println!("{} recorded for {noms}", event.name());
    }
    Ok(ExitCode::SUCCESS)
}
