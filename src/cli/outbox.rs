//! `outbox list|show|retry|skip`: writes on their way to Delius.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::{
    app::{
        Failure,
        settings::{self, Decision, StoreSettings},
    },
    case::{CaseCommand, NomsNumber, WriteRef},
    event_store::Cause,
    outbox::view,
};

/// Arguments of `outbox`.
#[derive(Debug, Args)]
pub struct Outbox {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the writes that wait, oldest first; parked ones block their case.
    List {
        /// Finished ones too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Show one with its attempts.
    Show {
        /// Its id.
        id: Uuid,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Have a parked or refused write tried again.
    Retry {
        /// Its id.
        id: Uuid,
        #[command(flatten)]
        decision: Decision,
        #[command(flatten)]
        store: StoreSettings,
    },
    /// Give a parked write up, so that the later writes of its case go on.
    Skip {
        /// Its id.
        id: Uuid,
        #[command(flatten)]
        decision: Decision,
        #[command(flatten)]
        store: StoreSettings,
    },
}

impl Outbox {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::List { all, store } => list(&store, all).await,
            Action::Show { id, store } => show(&store, id).await,
            Action::Retry { id, decision: Decision { why, by }, store } => {
                decide(id, &store, |write| CaseCommand::RetryWrite { write, by, why }).await
            }
            Action::Skip { id, decision: Decision { why, by }, store } => {
                decide(id, &store, |write| CaseCommand::SkipWrite { write, by, why }).await
            }
        }
    }
}

async fn list(store: &StoreSettings, all: bool) -> Result<ExitCode, Failure> {
    let rows = view::list(&store.connect().await?, all).await?;
    for row in &rows {
        println!(
            "{}  {}  {}.{}  {}  {}  attempt {}{}",
            row.id,
            row.case_id,
            row.sequence,
            row.ordinal,
            row.kind,
            row.state,
            row.attempt,
            row.last_error.as_ref().map(|error| format!("\n    {error}")).unwrap_or_default(),
        );
    }
    println!("{} writes", rows.len());
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &StoreSettings, id: Uuid) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    let row = found(view::find(&pool, id).await?, id)?;
    println!("write      {}", row.id);
    println!("case       {}, event {}, write {}", row.case_id, row.sequence, row.ordinal);
    println!("state      {} after {} attempts", row.state, row.attempt);
    println!("derived    {}", row.created_at.to_rfc3339());
    println!("due        {}", row.available_at.to_rfc3339());
    if let Some(finished_at) = row.finished_at {
        println!("finished   {}", finished_at.to_rfc3339());
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
    store: &StoreSettings,
    command: impl FnOnce(WriteRef) -> CaseCommand,
) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    let row = found(view::find(&pool, id).await?, id)?;
    let noms: NomsNumber = row.case_id.parse().context("the outbox holds a case that is no NOMS number")?;
    let write = WriteRef { sequence: row.sequence.cast_unsigned(), ordinal: row.ordinal.cast_unsigned() };
    let appended =
        settings::offline_case_store(pool).execute(&noms, command(write), Cause::NoMessage).await?;
    for event in appended {
        println!("{} recorded for {noms}", event.name());
    }
    Ok(ExitCode::SUCCESS)
}
