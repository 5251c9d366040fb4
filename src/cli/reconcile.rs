//! `reconcile ID|--all [--fix]`: Manage POM Cases, our record and Delius side by side. Exit code 0 = in agreement.

use std::{collections::BTreeSet, num::NonZeroU32, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use chrono::Utc;
use clap::Args;
use futures_util::{StreamExt, stream};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{
    Failure,
    ingest::{accept, describe, settle},
    people,
    progress::Progress,
    serve::stop_on_signal,
    settings::{self, DeliusSettings, MpcSettings, StoreSettings},
};
use crate::{
    case::{ManagePomCases, NomsNumber, PersonId},
    delius::{Delius, NomsCursor},
    event_store::{CaseStore, cases},
    ingest::Ingest,
    outbox::{Relay, RelayConfig, view},
    reconcile::{LookError, Verdict, compare, look},
};

/// Cases read at once.
const PAGE: u32 = 1000;
/// Cases compared at once; repairs go one by one.
const AT_ONCE: usize = 8;
/// How often something that is down is asked before the command gives up.
const TRIES: u32 = 6;

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Reconcile {
    /// NOMS number or CRN of one person
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<PersonId>,
    /// Every case on record, and everybody in custody in Delius
    #[arg(long)]
    all: bool,
    /// Repair what differs: record it as a message and write it to Delius, by the same path as an event
    #[arg(long)]
    fix: bool,
    /// Only NOMS numbers after this one, to go on where a former run ended
    #[arg(long, value_name = "NOMS", requires = "all")]
    after: Option<NomsNumber>,
    /// Cases a second
    #[arg(long, default_value = "10")]
    rate: NonZeroU32,
    /// A case that differs is looked at again after so many seconds: its message may be on its way
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
        let mpc = self.mpc.client()?;
        let store = self.store.case_store(self.store.connect().await?, Arc::clone(&mpc));
        let delius = self.delius.connect().await?;
        let relay = RelayConfig::of(format!("reconcile-{}", std::process::id()));
        let three = Three {
            ingest: Ingest::new(Arc::clone(&store), delius.clone()),
            relay: Relay::new(Arc::clone(&store), delius.clone(), relay),
            mpc_url: settings::required("MPC_URL", self.mpc.mpc_url.as_deref())?.to_owned(),
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
        let mut ticks = interval(Duration::from_secs(1) / self.rate.get());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let throttled = stream::unfold((cases.into_iter(), ticks), |(mut cases, mut ticks)| async move {
            let noms = cases.next()?;
            ticks.tick().await;
            Some((noms, (cases, ticks)))
        });
        let at_once = if self.fix { 1 } else { AT_ONCE };
        let compared = throttled
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
                    let on = tally.up_to.map(|noms| format!("; go on with --after {noms}"));
                    return Err(anyhow!("{reason}{}", on.unwrap_or_default()).into());
                }
            }
            tally.up_to = Some(noms);
            progress.step();
        }
        progress.end();
        println!("{}", tally.line());
        if stop.is_cancelled() {
            let on = tally.up_to.map_or_else(String::new, |noms| format!("; go on with --after {noms}"));
            println!("stopped{on}");
            return Ok(ExitCode::from(130));
        }
        let agrees = tally.differ == 0 && tally.not_compared == 0;
        Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Why a case was not compared.
#[derive(Debug, thiserror::Error)]
enum NotCompared {
    /// Something is down, and so it would be for the next case.
    #[error("{0}")]
    Unavailable(String),
    /// This case alone.
    #[error("{0}")]
    Case(String),
}

impl From<LookError> for NotCompared {
    fn from(error: LookError) -> Self {
        let reason = error.to_string();
        if error.is_transient() { Self::Unavailable(reason) } else { Self::Case(reason) }
    }
}

/// The three that are compared, and the path of a repair.
struct Three {
    mpc: Arc<dyn ManagePomCases>,
    store: Arc<CaseStore>,
    delius: Delius,
    ingest: Ingest,
    relay: Relay,
    mpc_url: String,
    patience: Duration,
    fix: bool,
}

impl Three {
    /// Every case on record and everybody in custody, once and in order.
    async fn cases(&self, after: Option<&NomsNumber>) -> anyhow::Result<BTreeSet<NomsNumber>> {
        let mut all = BTreeSet::new();
        let mut last = after.cloned();
        loop {
            let page = cases(self.store.pool(), last.as_ref(), PAGE).await?;
            let Some(end) = page.last().cloned() else { break };
            all.extend(page);
            last = Some(end);
        }
        let mut next = Some(after.map_or_else(NomsCursor::default, NomsCursor::after));
        while let Some(cursor) = next {
            let page = self.delius.noms_in_custody(&cursor, PAGE).await?;
            all.extend(page.numbers);
            next = page.next;
        }
        Ok(all)
    }

    async fn compare(&self, noms: &NomsNumber) -> Result<Verdict, NotCompared> {
        let mut pause = Duration::from_millis(500);
        for _ in 1..TRIES {
            match look(&*self.mpc, &self.store, &self.delius, noms).await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, %noms, pause_ms = pause.as_millis(), "trying again");
                    sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                    pause *= 2;
                }
                seen => return Ok(compare(&seen?)),
            }
        }
        Ok(compare(&look(&*self.mpc, &self.store, &self.delius, noms).await?))
    }

    /// Compares one case, and repairs it when that is asked for.
    async fn find(&self, noms: &NomsNumber) -> Result<Finding, NotCompared> {
        let mut found = self.compare(noms).await?;
        if !found.differences.is_empty() && !self.patience.is_zero() {
            sleep(self.patience).await;
            found = self.compare(noms).await?;
        }
        let repaired = if self.fix && !found.repairs.is_empty() {
            Some(self.repair(noms, &found).await.map_err(|error| NotCompared::Case(format!("{error:#}")))?)
        } else {
            None
        };
        let blocked = if found.differences.is_empty() {
            false
        } else {
            let parked = view::parked_of(self.store.pool(), noms).await;
            !parked.map_err(|error| NotCompared::Unavailable(error.to_string()))?.is_empty()
        };
        Ok(Finding { noms: noms.clone(), found, repaired, blocked })
    }

    async fn repair(&self, noms: &NomsNumber, found: &Verdict) -> anyhow::Result<(Vec<String>, Verdict)> {
        let mut done = vec![];
        for repair in &found.repairs {
            let message = repair.message(noms, &self.mpc_url, Utc::now());
            let disposition = accept(&self.ingest, message.delivery())
                .await
                .with_context(|| format!("while accepting the repair of {noms}"))?;
            done.push(format!("{} {}", message.id, describe(&disposition)));
        }
        settle(&self.store, &self.relay, noms).await.map_err(|failure| match failure {
            Failure::Other(error) => error,
            Failure::Setting(line) => anyhow!(line),
        })?;
        Ok((done, self.compare(noms).await?))
    }
}

/// What was found of one case.
struct Finding {
    noms: NomsNumber,
    found: Verdict,
    /// The messages, and the comparison after them.
    repaired: Option<(Vec<String>, Verdict)>,
    blocked: bool,
}

impl Finding {
    fn agrees(&self) -> bool {
        let verdict = self.repaired.as_ref().map_or(&self.found, |(_, after)| after);
        verdict.differences.is_empty()
    }

    /// Nothing that a list of many cases should tell.
    fn is_silent(&self) -> bool {
        self.found.differences.is_empty() && self.found.notes.is_empty()
    }

    fn lines(&self) -> Vec<String> {
        let noms = &self.noms;
        let of = |verdict: &Verdict| {
            let differences = verdict.differences.iter().map(|it| format!("{noms}  {it}"));
            let notes = verdict.notes.iter().map(|it| format!("{noms}  ({it})"));
            differences.chain(notes).collect::<Vec<_>>()
        };
        let mut lines = of(&self.found);
        if self.blocked {
            lines.push(format!("{noms}  (a parked write blocks the case; see `outbox list`)"));
        }
        if let Some((done, after)) = &self.repaired {
            lines.extend(done.iter().map(|message| format!("{noms}  repair: {message}")));
            if !after.differences.is_empty() {
                lines.push(format!("{noms}  still different after the repair:"));
                lines.extend(of(after));
            }
        }
        if self.agrees() {
            let now = if self.found.differences.is_empty() { "in agreement" } else { "in agreement now" };
            lines.push(format!("{noms}  {now}"));
        }
        lines
    }
}

/// What was found of all cases.
#[derive(Default)]
struct Tally {
    compared: u64,
    differ: u64,
    repaired: u64,
    unreflected: u64,
    not_compared: u64,
    up_to: Option<NomsNumber>,
}

impl Tally {
    fn add(&mut self, finding: &Finding) {
        self.compared += 1;
        self.differ += u64::from(!finding.agrees());
        self.repaired += u64::from(finding.agrees() && !finding.found.differences.is_empty());
        let unreflected =
            |note: &&crate::reconcile::Note| matches!(note, crate::reconcile::Note::Unreflected(_));
        self.unreflected += finding.found.notes.iter().filter(unreflected).count() as u64;
    }

    fn line(&self) -> String {
        format!(
            "{} cases compared: {} differ, {} repaired, {} not compared; {} allocations listed as unreflected",
            self.compared, self.differ, self.repaired, self.not_compared, self.unreflected
        )
    }
}
