//! `reconcile ID|--all [--fix]`: Manage POM Cases, our record and Delius side by side. Exit code 0 = in agreement.

use std::{num::NonZeroU32, process::ExitCode, sync::Arc, time::Duration};

use anyhow::anyhow;
use clap::Args;
use futures_util::StreamExt;

use crate::{
    app::{
        Failure,
        settings::{DeliusSettings, MpcSettings, StoreSettings, Workplace},
        stop_on_signal,
    },
    case::{NomsNumber, PersonId},
    cli::{people, progress::Progress},
    ingest::Ingest,
    operations::{
        bulk::paced,
        reconcile::{NotCompared, Tally, Three},
    },
    relay::{Relay, RelayConfig},
};

/// Cases compared at once; repairs go one by one.
const AT_ONCE: usize = 8;

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Reconcile {
    /// NOMS number or CRN of one person
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<PersonId>,
    /// Every recorded case, and everybody in custody in Delius
    #[arg(long)]
    all: bool,
    /// Repair what differs: record it as a message and write it to Delius, by the same path as an event
    #[arg(long)]
    fix: bool,
    /// Only NOMS numbers after this one, to continue where an earlier run ended
    #[arg(long, value_name = "NOMS", requires = "all")]
    after: Option<NomsNumber>,
    /// Cases a second
    #[arg(long, default_value = "10")]
    rate: NonZeroU32,
    /// Compare a case that differs again after this many seconds: its message may be on its way
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    patience: u64,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    delius: DeliusSettings,
    #[command(flatten)]
    mpc: MpcSettings,
}

impl Reconcile {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let Workplace { store, delius, mpc } = Workplace::open(&self.store, &self.delius, &self.mpc).await?;
        let relay = RelayConfig::of(format!("reconcile-{}", std::process::id()));
        let three = Three {
            ingest: Ingest::new(Arc::clone(&store), delius.clone()),
            relay: Relay::new(Arc::clone(&store), delius.clone(), relay),
            mpc_url: self.mpc.mpc_url()?.to_owned(),
            patience: Duration::from_secs(self.patience),
            fix: self.fix,
            mpc,
            store,
            delius,
        };
        match &self.id {
            Some(id) => {
                let noms = people::noms(&three.delius, id).await?;
                let finding = three.find(&noms).await?;
                finding.lines().iter().for_each(|line| println!("{line}"));
                Ok(if finding.agrees() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            None => self.everybody(&three).await,
        }
    }

    async fn everybody(&self, three: &Three) -> Result<ExitCode, Failure> {
        let stop = stop_on_signal()?;
        let cases = three.cases(self.after.as_ref()).await?;
        let mut tally = Tally::default();
        let mut progress = Progress::new("comparing", cases.len() as u64);
        let at_once = if self.fix { 1 } else { AT_ONCE };
        let compared = paced(cases, self.rate)
            .take_until(stop.cancelled())
            .map(|noms| async move { (three.find(&noms).await, noms) })
            .buffered(at_once);
        let mut compared = std::pin::pin!(compared);
        while let Some((finding, noms)) = compared.next().await {
            match finding {
                Ok(finding) => {
                    if !finding.is_silent() {
                        finding.lines().iter().for_each(|line| progress.say(line));
                    }
                    tally.add(&finding);
                }
                Err(NotCompared::Case(reason)) => {
                    progress.say(&format!("{noms}  NOT COMPARED: {reason}"));
                    tally.not_compared += 1;
                }
                Err(NotCompared::Unavailable(reason)) => {
                    progress.end();
                    println!("{}", tally.line());
                    let on = tally.up_to.map(|noms| format!("; continue with --after {noms}"));
                    return Err(anyhow!("{reason}{}", on.unwrap_or_default()).into());
                }
            }
            tally.up_to = Some(noms);
            progress.step();
        }
        progress.end();
        println!("{}", tally.line());
        if stop.is_cancelled() {
            let on = tally.up_to.map_or_else(String::new, |noms| format!("; continue with --after {noms}"));
            println!("stopped{on}");
            return Ok(ExitCode::from(130));
        }
        let agrees = tally.differ == 0 && tally.not_compared == 0;
        Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
