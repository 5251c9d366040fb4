//! `serve`: runs the service until SIGTERM or SIGINT, then drains.

mod api;
mod limits;
mod queues;
mod tasks;
mod tuning;
mod watch;

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub(super) use self::queues::check as check_queue;
use self::tasks::Tasks;
use super::{
    Failure,
    check::both,
    settings::{self, DeliusSettings, MpcSettings, StoreSettings},
};
use crate::{
    breakers::Breakers,
    case::ManagePomCases,
    event_store::journal::Journal,
    mpc::NotConfigured,
    outbox::{Announcer, Relay},
};

/// What a process of the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Serves the read API.
    Api,
    /// Ingests messages.
    Ingest,
    /// Applies writes to Delius, and keeps the journal.
    Relay,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// What this process does
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["api", "ingest", "relay"])]
    roles: Vec<Role>,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    delius: DeliusSettings,
    #[command(flatten)]
    mpc: MpcSettings,
    #[command(flatten)]
    queues: queues::QueueSettings,
    #[command(flatten)]
    api: api::ApiSettings,
    #[command(flatten)]
    tuning: tuning::Tuning,
}

/// Whoever asked for the stop waits 30 s and kills then. What is not finished is safe: messages come again, and
/// leases run out.
const STOPPED_WITHIN: Duration = Duration::from_secs(28);

impl Serve {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Checks the settings of the roles, apart from the databases'.
    fn checked(
        &self,
        breakers: &Arc<Breakers>,
    ) -> Result<(Arc<dyn ManagePomCases>, Option<api::Listening>), Failure> {
        let api = self.has(Role::Api).then(|| self.api.checked(&self.mpc, breakers)).transpose();
        if !self.has(Role::Ingest) {
            return Ok((Arc::new(NotConfigured), api?));
        }
        let ((mpc, ()), api) = both(both(self.mpc.client(), self.queues.checked()), api)?;
        Ok((mpc, api))
    }

    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        // Before anything is started, so that no signal is missed.
        let stop = stop_on_signal()?;
        let breakers = Arc::new(self.tuning.breakers());
        let databases = both(self.store.database(), self.delius.database());
        let ((store, delius), (mpc, listening)) = both(databases, self.checked(&breakers))?;
        self.tuning.warn(&self.api.limits.records());
        let pool = settings::connect_store(store.bounded()).await?;
        let delius = settings::connect_delius(delius).await?.with_limits(self.tuning.delius());
        let store = self.delius.case_store(pool.clone(), mpc);
        let (worker, tasks, metrics) = (worker_name(), Tasks::new(&stop), watch::metrics()?);

        let started = async {
            if let Some(listening) = listening {
                let seen = (watch::health(&pool, &delius, &breakers), metrics.clone());
                let admin = self.queues.admin(&pool).await;
                self.api.start(listening, &pool, &delius, &admin, seen, (&tasks, &stop)).await?;
            }
            if self.has(Role::Ingest) {
                let queues =
                    self.queues.start(&store, &delius, &breakers, &worker, &self.tuning, (&tasks, &stop));
                queues.await?;
            }
            Ok(())
        };
        if let Err(failure) = started.await {
            stop.cancel();
            tasks.ended().await;
            return Err(failure);
        }
        if self.has(Role::Relay) {
            let relay = Relay::new(Arc::clone(&store), delius.clone(), self.tuning.relay(worker))
                .with_breakers(Arc::clone(&breakers));
            tasks.spawn("relay", relay.run(stop.clone()));
            if let Some(topic) = self.delius.outcome_topic() {
                let sns = aws_sdk_sns::Client::new(&settings::aws().await);
                let announcer = Announcer::new(pool.clone(), sns, topic);
                tasks.spawn("announcer", announcer.run(store.appended(), stop.clone()));
            }
            tasks.spawn("journal", Journal::new(pool.clone()).run(stop.clone().cancelled_owned()));
        }
        tasks.spawn("measure", watch::measure(pool, breakers, metrics, stop.clone()));
        tracing::info!(roles = ?self.roles, version = env!("CARGO_PKG_VERSION"), "started");
        stop.cancelled().await;
        tracing::info!("stopping: finishing what is in work");
        if tokio::time::timeout(STOPPED_WITHIN, tasks.ended()).await.is_err() {
            tracing::warn!(
                unfinished = tasks.left(),
                "not everything could be finished in time; it is taken up again"
            );
        }
        tracing::info!("stopped");
        Ok(if tasks.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Unique to the process: host and process number, and a part that survives neither.
fn worker_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "local".into());
    let unique = uuid::Uuid::now_v7().simple().to_string();
    format!("{host}-{}-{}", std::process::id(), &unique[24..])
}

/// A token that is cancelled by SIGTERM or SIGINT. A second signal ends the process at once.
pub(super) fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        };
        next().await;
        cancelled.cancel();
        next().await;
        tracing::warn!("second signal: ending at once; what is unfinished is found again");
        std::process::exit(130);
    });
    Ok(stop)
}
