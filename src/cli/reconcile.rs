//! `reconcile ID|--all [--fix]`: Manage POM Cases, our record and Delius side by side. Exit code 0 = in agreement.
//! `reconcile accept ID`: the differences of a case do not fail later runs.

use std::{num::NonZeroU32, process::ExitCode, sync::Arc, time::Duration};

use anyhow::anyhow;
use chrono::Utc;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    app::{
        Failure,
        settings::{
            DeliusSettings, MpcSettings, StoreSettings, Workplace,
            check::{not_blank, somebody},
        },
        stop_on_signal,
    },
    case::{NomsNumber, PersonId},
    cli::{listing::confirmed_on_terminal, people, progress::ProgressLine},
    ingest::Ingest,
    operations::reconcile::{Decided, RunEnd, Tally, Three, accept, compare_all, record_run},
    relay::{Relay, RelayConfig},
};

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  reconcile A1234BC\n  reconcile A1234BC --fix --why \"a row was ended by hand\"\n  reconcile --all --json > report.json\n  reconcile --all --fix --yes --why \"the nightly repair\""
)]
pub struct Reconcile {
    #[command(subcommand)]
    action: Option<ReconcileAction>,
    /// NOMS number or CRN of one person
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<PersonId>,
    /// Every recorded case, and everybody in custody in Delius
    #[arg(long)]
    all: bool,
    /// Repair what differs: record it and write it to Delius, by the same path as an event
    #[arg(long)]
    fix: bool,
    /// Only NOMS numbers after this one, to continue a run that was stopped
    #[arg(long, value_name = "NOMS", requires = "all")]
    after: Option<NomsNumber>,
    /// Cases per second
    #[arg(long, default_value = "10")]
    rate: NonZeroU32,
    /// A case that differs is compared again after this many seconds: its message may be on its way
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    patience: u64,
    /// Print the findings and the summary as one JSON document
    #[arg(long)]
    json: bool,
    /// Do not ask before --all --fix; without a terminal nobody is asked
    #[arg(long)]
    yes: bool,
    /// Why; recorded with the run and its repairs
    #[arg(long, value_parser = not_blank, default_value = "reconciliation")]
    why: String,
    #[command(flatten)]
    parts: Comparison,
}

#[derive(Debug, Subcommand)]
enum ReconcileAction {
    /// Accept the differences of a case as they are now: they do not fail later runs.
    Accept(AcceptArgs),
}

/// Arguments of `reconcile accept`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  reconcile accept A1234BC --why \"Delius is right: agreed with the prison\""
)]
struct AcceptArgs {
    /// NOMS number or CRN of one person
    #[arg(value_name = "ID")]
    id: PersonId,
    /// Why; recorded
    #[arg(long, value_parser = not_blank)]
    why: String,
    #[command(flatten)]
    parts: Comparison,
}

/// The three that are compared, and who asks.
#[derive(Debug, Args)]
struct Comparison {
    /// Who decides; recorded
    #[arg(long, env = "USER", value_parser = somebody)]
    by: Option<String>,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    delius: DeliusSettings,
    #[command(flatten)]
    mpc: MpcSettings,
}

impl Comparison {
    fn decided(&self, why: &str) -> Result<Decided, Failure> {
        let by = self.by.clone().ok_or_else(|| {
            Failure::setting("--by", "is needed where the environment gives no user: who decides is recorded")
        })?;
        Ok(Decided { by, why: why.to_owned() })
    }

    async fn open(&self, patience: u64, fix: Option<Decided>) -> Result<Three, Failure> {
        let Workplace { store, delius, mpc } = Workplace::open(&self.store, &self.delius, &self.mpc).await?;
        let relay = RelayConfig::of(format!("reconcile-{}", std::process::id()));
        Ok(Three {
            ingest: Ingest::new(Arc::clone(&store), delius.clone()),
            relay: Relay::new(Arc::clone(&store), delius.clone(), relay),
            mpc_url: self.mpc.mpc_url()?.to_owned(),
            patience: Duration::from_secs(patience),
            fix,
            mpc,
            store,
            delius,
        })
    }
}

impl Reconcile {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        if let Some(ReconcileAction::Accept(accept)) = &self.action {
            return accept.run().await;
        }
        let fix = if self.fix { Some(self.parts.decided(&self.why)?) } else { None };
        let three = self.parts.open(self.patience, fix).await?;
        match &self.id {
            Some(id) => self.one(&three, id).await,
            None => self.everybody(&three).await,
        }
    }

    async fn one(&self, three: &Three, id: &PersonId) -> Result<ExitCode, Failure> {
        let noms = people::noms(three.store.pool(), &three.delius, id).await?;
        let finding = three.find(&noms).await?;
        if self.json {
            println!("{:#}", finding.json());
        } else {
            finding.lines().iter().for_each(|line| println!("{line}"));
        }
        Ok(if finding.agrees() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn everybody(&self, three: &Three) -> Result<ExitCode, Failure> {
        let (stop, started_at) = (stop_on_signal()?, Utc::now());
        let cases = three.cases(self.after.as_ref()).await?;
        if self.fix
            && !confirmed_on_terminal(&format!("repair what differs in {} cases", cases.len()), self.yes)?
        {
            return Ok(ExitCode::FAILURE);
        }
        let mut progress = ProgressLine::new("comparing", cases.len() as u64);
        let mut findings: Vec<Value> = vec![];
        let (tally, end) = compare_all(three, cases, self.rate, &stop, |noms, finding| {
            match finding {
                Ok(finding) if self.json && !finding.is_silent() => findings.push(finding.json()),
                Ok(finding) if !self.json && !finding.is_silent() => {
                    finding.lines().iter().for_each(|line| progress.say(line));
                }
                Err(reason) if self.json => findings.push(json!({ "nomsId": noms, "notCompared": reason })),
                Err(reason) => progress.say(&format!("{noms}  NOT COMPARED: {reason}")),
                Ok(_) => {}
            }
            progress.step();
        })
        .await;
        progress.end();
        self.summarise(&tally, findings);
        let by = self.parts.by.clone().unwrap_or_else(|| "not given".to_owned());
        let decided = Decided { by, why: self.why.clone() };
        let recorded = record_run(three.store.pool(), started_at, self.fix, &decided, &tally).await;
        let resume = tally.up_to.as_ref().map(|noms| format!("; continue with --after {noms}"));
        let resume = resume.unwrap_or_default();
        match end {
            RunEnd::Unavailable(reason) => Err(anyhow!("{reason}{resume}").into()),
            RunEnd::Stopped => {
                eprintln!("stopped{resume}");
                Ok(ExitCode::from(130))
            }
            RunEnd::Finished => {
                recorded.map_err(anyhow::Error::new)?;
                let agrees = tally.differ == 0 && tally.not_compared == 0;
                Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        }
    }

    fn summarise(&self, tally: &Tally, findings: Vec<Value>) {
        if self.json {
            println!("{:#}", json!({ "cases": findings, "summary": tally }));
            return;
        }
        if let Some(kinds) = tally.kinds_line() {
            println!("{kinds}");
        }
        println!("{}", tally.line());
    }
}

impl AcceptArgs {
    async fn run(&self) -> Result<ExitCode, Failure> {
        let decided = self.parts.decided(&self.why)?;
        let three = self.parts.open(0, None).await?;
        let noms = people::noms(three.store.pool(), &three.delius, &self.id).await?;
        let finding = three.find(&noms).await?;
        let differences = &finding.found.differences;
        accept(three.store.pool(), &noms, differences, &decided).await.map_err(anyhow::Error::new)?;
        for difference in differences {
            println!("{noms}  accepted: {difference}");
        }
        if differences.is_empty() {
            println!("{noms}  in agreement: nothing to accept");
        }
        Ok(ExitCode::SUCCESS)
    }
}
