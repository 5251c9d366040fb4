//! `erasure`: who is due for erasure, and the erasure of one person.

use std::{
    io::{BufRead as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, value_parser};
use serde_json::json;

use crate::{
    app::{
        Failure,
        settings::{
            StoreSettings,
            check::{not_blank, somebody},
        },
    },
    case::PersonId,
    london::date_time_zone,
    operations::erasure::{self, ErasureCandidate, RemovedRows, Subject},
};

/// Arguments of `erasure`.
#[derive(Debug, Args)]
pub struct ErasureArgs {
    #[command(subcommand)]
    action: ErasureAction,
}

#[derive(Debug, Subcommand)]
enum ErasureAction {
    /// Requests of the probation service, and persons past their retention
    List(ListArgs),
    /// Remove the personal data of a person, under every number that they ever had, from our store. Delius is not touched;
    /// the journal stays verifiable
    Apply(ApplyArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  erasure list\n  erasure list --retention-years 7 --json")]
struct ListArgs {
    /// List persons about whom nothing was recorded for so many years as well
    #[arg(long, env = "RETENTION_YEARS", value_parser = value_parser!(u32).range(1..=200))]
    retention_years: Option<u32>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreSettings,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  erasure apply A1234BC --why \"request 42 of the probation service\"")]
struct ApplyArgs {
    /// NOMS number (A1234BC) or CRN (X123456); any that the person ever had
    #[arg(value_name = "ID")]
    id: PersonId,
    /// Who decided; kept
    #[arg(long, env = "USER", value_parser = somebody)]
    by: String,
    /// Why; kept, so it must not name the person
    #[arg(long, value_parser = not_blank)]
    why: String,
    /// Also where another person had or has one of the numbers: what is recorded of that person under it goes as well
    #[arg(long)]
    with_shared_numbers: bool,
    /// Do not ask for the identifier once more
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    store: StoreSettings,
}

impl ErasureArgs {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            ErasureAction::List(list) => list.run().await,
            ErasureAction::Apply(apply) => apply.run().await,
        }
    }
}

impl ListArgs {
    async fn run(self) -> Result<ExitCode, Failure> {
        let pool = self.store.connect().await?;
        let candidates = erasure::candidates(&pool, self.retention_years).await?;
        if self.json {
            let items: Vec<_> = candidates.iter().map(as_json).collect();
            println!("{}", serde_json::to_string_pretty(&items)?);
            return Ok(ExitCode::SUCCESS);
        }
        if candidates.is_empty() {
            println!("nobody is due for erasure");
        }
        for candidate in &candidates {
            println!("{}", as_line(candidate));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn as_json(candidate: &ErasureCandidate) -> serde_json::Value {
    json!({
        "numbers": candidate.numbers,
        "crn": candidate.crn,
        "requestedAt": candidate.requested_at,
        "lastEventAt": candidate.last_event_at,
    })
}

fn as_line(candidate: &ErasureCandidate) -> String {
    let numbers: Vec<String> = candidate.numbers.iter().map(ToString::to_string).collect();
    let numbers = if numbers.is_empty() { "no case known".to_owned() } else { numbers.join(", ") };
    let last = match candidate.last_event_at {
        Some(at) => format!("last event {}", date_time_zone(at)),
        None => "no events".to_owned(),
    };
    match (candidate.requested_at, &candidate.crn) {
        (Some(at), Some(crn)) => format!("{numbers}  requested {} for CRN {crn}; {last}", date_time_zone(at)),
        _ => format!("{numbers}  past its retention; {last}"),
    }
}

impl ApplyArgs {
    async fn run(self) -> Result<ExitCode, Failure> {
        let pool = self.store.connect().await?;
        let subject = erasure::subject(&pool, &self.id).await.context("nothing was erased")?;
        if !self.with_shared_numbers && !subject.shared.is_empty() {
            let shared: Vec<String> = subject.shared.iter().map(ToString::to_string).collect();
            let shared = shared.join(", ");
            return Err(anyhow!(
                "not erased: another person had or has the number {shared}, and what is recorded under one number can \
                 only be erased together; repeat it with --with-shared-numbers to erase both"
            )
            .into());
        }
        if !self.yes && !confirmed(&self.id, &subject)? {
            return Err(anyhow!("not erased: the identifier was not repeated").into());
        }
        let removed = erasure::apply(&pool, &subject, &self.by, &self.why)
            .await
            .context("nothing was erased")?
            .with_context(|| format!("nothing is held for {}", self.id))?;
        println!("erased: {}", in_words(&removed));
        println!("backups made before now still hold the data: see docs/DATA-PROTECTION.md");
        Ok(ExitCode::SUCCESS)
    }
}

fn in_words(removed: &RemovedRows) -> String {
    let counts = removed.iter().filter(|(_, count)| **count > 0);
    counts.map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

/// Asks for the identifier once more: what is erased is gone.
fn confirmed(id: &PersonId, subject: &Subject) -> anyhow::Result<bool> {
    eprint!("This removes all data of {} and cannot be undone. Repeat {id}: ", subject.named());
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().eq_ignore_ascii_case(&id.to_string()))
}
