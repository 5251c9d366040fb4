//! `handovers refresh --all|ID`: the bulk handover update.

use std::{num::NonZeroU32, process::ExitCode, sync::Arc, time::Duration};

use anyhow::anyhow;
use chrono::{SubsecRound, Utc};
use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    app::{
        Failure,
        settings::{
            self, DeliusSettings, MpcSettings, StoreSettings, Workplace,
            check::{self, both},
        },
        stop_on_signal,
    },
    case::{NomsNumber, PersonId},
    cli::{listing::confirmed_on_terminal, people, progress::ProgressLine},
    delius::Delius,
    event_store::CaseStore,
    ingest::{Disposition, Ingest},
    operations::{
        bulk::{self, BulkRun, Destination, EnqueueEnd, Report, WaitEnd, runs},
        inline::{accept, describe, outcomes, settle},
    },
    outbox::{table, view},
    relay::{Relay, RelayConfig},
};

/// At most this many of the missing messages are named.
const NAMED: usize = 20;

/// Arguments of `handovers`.
#[derive(Debug, Args)]
pub struct Handovers {
    #[command(subcommand)]
    action: HandoversAction,
}

#[derive(Debug, Subcommand)]
enum HandoversAction {
    /// Fetch the handover dates again and bring Delius in line with them. With --all: for every NOMS number with one
    /// live custody that has a prisoner number and is not in post-sentence supervision; a run that was stopped is
    /// resumed
    Refresh(Box<Refresh>),
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  handovers refresh A1234BC --dry-run\n  handovers refresh --all --dry-run\n  handovers refresh --all --yes --why \"dates were corrected in bulk\""
)]
struct Refresh {
    /// NOMS number or CRN of one person
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<PersonId>,
    /// Every case in custody
    #[arg(long)]
    all: bool,
    /// Dry run: show what would be written, and write nothing to Delius
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before --all; without a terminal nobody is asked
    #[arg(long)]
    yes: bool,
    /// Abandon the run that was stopped, and begin another
    #[arg(long, requires = "all")]
    restart: bool,
    /// Messages a second
    #[arg(long, default_value = "10")]
    rate: NonZeroU32,
    /// Stop waiting when the run has made no progress for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
    /// Who sets it going; recorded for --all. The user of the environment when not given
    #[arg(long, env = "USER", value_parser = check::somebody)]
    by: String,
    /// Why; recorded for --all
    #[arg(long, value_parser = check::not_blank)]
    why: Option<String>,
    /// Queue for the messages of a bulk run, consumed by running services; without it this process handles them
    #[arg(long, env = "BULK_QUEUE_URL")]
    bulk_queue_url: Option<String>,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    delius: DeliusSettings,
    #[command(flatten)]
    mpc: MpcSettings,
}

impl Handovers {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let HandoversAction::Refresh(refresh) = self.action;
        match &refresh.id {
            Some(id) => refresh.one(id).await,
            None => refresh.everybody().await,
        }
    }
}

impl Refresh {
    fn queue_url(&self) -> Option<&str> {
        check::given(self.bulk_queue_url.as_deref())
    }

    async fn one(&self, id: &PersonId) -> Result<ExitCode, Failure> {
        let Workplace { store, delius, .. } = Workplace::open(&self.store, &self.delius, &self.mpc).await?;
        let noms = people::noms(store.pool(), &delius, id).await?;
        let message = bulk::message(Uuid::now_v7(), &noms, self.dry_run, Utc::now().trunc_subsecs(0));
        let disposition =
            accept(&Ingest::new(Arc::clone(&store), delius.clone()), message.delivery()).await?;
        println!("{}", describe(&disposition));
        if let Disposition::Recorded { noms, .. } = &disposition {
            settle(&store, &relay(&store, delius), noms).await?;
            for outcome in outcomes(&store, noms, &message.id).await? {
                println!("{outcome}");
            }
        }
        let failed = match &disposition {
            Disposition::Parked(_) => true,
            Disposition::Recorded { noms, .. } => {
                let stuck = !view::parked_of(store.pool(), noms).await?.is_empty();
                stuck || table::waiting_of(store.pool(), noms).await? > 0
            }
            _ => false,
        };
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn everybody(&self) -> Result<ExitCode, Failure> {
        let question = "refresh the handover dates of everybody in custody";
        if !self.dry_run && !confirmed_on_terminal(question, self.yes)? {
            return Ok(ExitCode::FAILURE);
        }
        let stop = stop_on_signal()?;
        // Without a queue this process asks Manage POM Cases itself.
        let worked_off = match self.queue_url() {
            Some(url) => check::queue("BULK_QUEUE_URL", Some(url)).map(Err),
            None => self.mpc.client().map(Ok),
        };
        let ((database, delius), worked_off) =
            both(both(self.store.database(), self.delius.database()), worked_off)?;
        let pool = settings::connect_store(database).await?;
        let delius = settings::connect_delius(delius).await?;
        let Some(_turn) = runs::lock_run(&pool, self.dry_run).await? else {
            return Err(anyhow!(
                "another process works on this bulk run; find out who runs `handovers refresh`"
            )
            .into());
        };
        let restarted = self.restart && runs::abandon(&pool, self.dry_run).await?;
        if restarted {
            println!("the run that was stopped is abandoned");
        }
        let (mut run, resumed) = runs::resume_or_begin(&pool, self.dry_run).await?;
        let decision = match (restarted, resumed) {
            (true, _) => "restarted",
            (false, true) => "resumed",
            (false, false) => "begun",
        };
        runs::decided(&pool, &run, decision, (&self.by, self.why.as_deref())).await?;
        let (numbers, skipped) = bulk::remaining_cases(&delius, &run).await?;
        if skipped > 0 {
            println!(
                "{skipped} persons in custody are left out: their number in Delius is not a NOMS number"
            );
        }
        println!("{}", opening(&run, resumed, numbers.len()));

        let (destination, relayed) = match worked_off {
            Err(url) => (self.queue(url).await?, None),
            Ok(mpc) => {
                let store = self.delius.case_store(pool.clone(), mpc);
                let ended = CancellationToken::new();
                let relay = tokio::spawn(relay(&store, delius.clone()).run(ended.clone()));
                (Destination::Here(Ingest::new(store, delius.clone())), Some((relay, ended)))
            }
        };
        let mut progress = ProgressLine::new("handing over", numbers.len() as u64);
        let to = (&pool, &destination);
        let end = bulk::enqueue_all(to, &mut run, numbers, self.rate, &stop, |noms, fault| {
            progress.step();
            if let Some(fault) = fault {
                progress.say(&format!("{noms}: NOT ACCEPTED: {fault}"));
            }
        })
        .await;
        progress.end();
        let report = match end {
            Ok(EnqueueEnd::Complete) => Some(self.wait(&run, &pool, &stop).await),
            _ => None,
        };
        if let Some((relay, ended)) = relayed {
            ended.cancel();
            relay.await?;
        }
        end?;
        match report.transpose()? {
            Some(WaitEnd::All(report)) => {
                runs::finish(&pool, &run).await?;
                println!("{}", closing(&run, &report));
                let failed = run.not_accepted > 0 || report.failed > 0;
                Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
            }
            Some(WaitEnd::NoFurther(report)) => {
                let missing = if report.accounted < run.handed_over.cast_unsigned() {
                    bulk::missing(&pool, run.id, bulk::enqueued_cases(&delius, &run).await?).await?
                } else {
                    vec![]
                };
                println!("{}", no_further(&run, &report, &missing, self.patience));
                Ok(ExitCode::FAILURE)
            }
            Some(WaitEnd::Stopped) | None => {
                println!("{}", stopped(&run));
                Ok(ExitCode::from(130))
            }
        }
    }

    async fn wait(
        &self,
        run: &BulkRun,
        store: &sqlx::PgPool,
        stop: &CancellationToken,
    ) -> sqlx::Result<WaitEnd> {
        let mut progress = ProgressLine::new("settling", run.handed_over.cast_unsigned());
        let patience = Duration::from_secs(self.patience);
        let end =
            bulk::wait_until_settled(run, store, patience, stop, |finished| progress.at(finished)).await;
        progress.end();
        end
    }

    async fn queue(&self, url: &str) -> Result<Destination, Failure> {
        let sqs = aws_sdk_sqs::Client::new(&settings::aws().await);
        crate::app::check_queue(&sqs, "BULK_QUEUE_URL", url).await?;
        Ok(Destination::Queue { sqs, url: url.to_owned() })
    }
}

fn relay(store: &Arc<CaseStore>, delius: Delius) -> Relay {
    Relay::new(Arc::clone(store), delius, RelayConfig::of(format!("handovers-{}", std::process::id())))
}

fn kind(run: &BulkRun) -> &'static str {
    if run.dry_run { "dry run" } else { "run" }
}

fn opening(run: &BulkRun, resumed: bool, ahead: usize) -> String {
    match (&run.cursor, resumed) {
        (Some(cursor), true) => format!(
            "resuming the {} of {}: {} done up to {cursor}, {ahead} to go",
            kind(run),
            run.started_at.format("%Y-%m-%dT%H:%M:%SZ"),
            run.handed_over + run.not_accepted,
        ),
        (None, true) => format!(
            "resuming the {} of {}: nothing done yet, {ahead} to go",
            kind(run),
            run.started_at.format("%Y-%m-%dT%H:%M:%SZ"),
        ),
        (_, false) => format!("{} {}: {ahead} NOMS numbers", kind(run), run.id),
    }
}

fn closing(run: &BulkRun, report: &Report) -> String {
    let mut lines = vec![format!("{} {} is complete: {} messages", kind(run), run.id, run.handed_over)];
    lines.extend(report.outcomes.iter().map(|(outcome, count)| format!("{count:>8}  {outcome}")));
    if run.not_accepted > 0 {
        lines.push(format!("{:>8}  NOT ACCEPTED (see above and the log)", run.not_accepted));
    }
    lines.join("\n")
}

/// Why a run makes no progress, and what to do.
fn no_further(run: &BulkRun, report: &Report, missing: &[NomsNumber], patience_s: u64) -> String {
    let lacking = run.handed_over.cast_unsigned().saturating_sub(report.accounted);
    let mut lines = vec![format!("{} {}: no progress for {patience_s} s", kind(run), run.id)];
    if lacking > 0 {
        let names: Vec<String> = missing.iter().take(NAMED).map(ToString::to_string).collect();
        let more = if missing.len() > NAMED { ", …" } else { "" };
        lines.push(format!("{lacking} messages are not accounted for: {}{more}", names.join(", ")));
        lines.push(
            "  they wait in the queue of the run (is a service with role ingest running?), or are in its dead-letter \
             queue (PUT /queue-admin/retry-dlq), or are gone (begin anew with --restart)"
                .to_owned(),
        );
    }
    if report.waiting > 0 {
        lines.push(format!("{} writes wait for their turn: see /health and `outbox list`", report.waiting));
    }
    let flag = if run.dry_run { " --dry-run" } else { "" };
    lines.push(format!("run the same command to wait again: handovers refresh --all{flag}"));
    lines.join("\n")
}

fn stopped(run: &BulkRun) -> String {
    let up_to = run.cursor.as_deref().map_or_else(String::new, |cursor| format!(", up to {cursor}"));
    let flag = if run.dry_run { " --dry-run" } else { "" };
    format!(
        "stopped after {} messages{up_to}; run the same command to continue: handovers refresh --all{flag}",
        run.handed_over,
    )
}
