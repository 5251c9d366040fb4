//! Assembles the service from its settings, and runs it. `serve` and the tests use the same assembly.

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    api::{ApiSettings, Listening},
    queues::QueueSettings,
    settings::{
        DeliusSettings, MpcSettings, StoreSettings, aws, check::both, connect_delius, connect_store,
        tuning::Tuning,
    },
    tasks::Tasks,
    watch,
};
use crate::{
    audit::journal::Journal,
    breakers::Breakers,
    case::ManagePomCases,
    mpc::NotConfigured,
    relay::{Announcer, Relay},
};

/// What a process of the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Serves the read API.
    Api,
    /// Ingests messages.
    Ingest,
    /// Applies writes to Delius, and keeps the journal.
    Relay,
}

/// The settings of the service.
#[derive(Debug, Args)]
pub struct ServeSettings {
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
    queues: QueueSettings,
    #[command(flatten)]
    api: ApiSettings,
    #[command(flatten)]
    tuning: Tuning,
}

/// Whoever asked for the stop waits 30 s and kills then. What is not finished is safe: messages come again, and
/// leases run out.
const STOPPED_WITHIN: Duration = Duration::from_secs(28);

impl ServeSettings {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Checks the settings of the roles, apart from the databases'.
    fn checked(
        &self,
        breakers: &Arc<Breakers>,
    ) -> Result<(Arc<dyn ManagePomCases>, Option<Listening>), Failure> {
        let api = self.has(Role::Api).then(|| self.api.checked(&self.mpc, breakers)).transpose();
        if !self.has(Role::Ingest) {
            return Ok((Arc::new(NotConfigured), api?));
        }
        let ((mpc, ()), api) = both(both(self.mpc.client(), self.queues.checked()), api)?;
        Ok((mpc, api))
    }
}

/// The service, ready to run: its settings are checked, its databases connected and its tasks started.
pub struct App {
    roles: Vec<Role>,
    tasks: Tasks,
    stop: CancellationToken,
}

impl App {
    /// Checks the settings, connects and starts the tasks of the roles. `stop` ends them.
    ///
    /// # Errors
    /// When a setting is missing or wrong.
    pub async fn build(settings: ServeSettings, stop: CancellationToken) -> Result<Self, Failure> {
        let breakers = Arc::new(settings.tuning.breakers());
        let databases = both(settings.store.database(), settings.delius.database());
        let ((store, delius), (mpc, listening)) = both(databases, settings.checked(&breakers))?;
        settings.tuning.warn(&settings.api.limits.records());
        let pool = connect_store(store.bounded()).await?;
        let delius = connect_delius(delius).await?.with_limits(settings.tuning.delius());
        let store = settings.delius.case_store(pool.clone(), mpc);
        let (worker, tasks, metrics) = (worker_name(), Tasks::new(&stop), watch::metrics()?);

        let started = async {
            if let Some(listening) = listening {
                let seen = (watch::health(&pool, &delius, &breakers), metrics.clone());
                let admin = settings.queues.admin(&pool).await;
                settings.api.start(listening, &pool, &delius, &admin, seen, (&tasks, &stop)).await?;
            }
            if settings.has(Role::Ingest) {
                let (queues, tuning) = (&settings.queues, &settings.tuning);
                queues.start(&store, &delius, &breakers, &worker, tuning, (&tasks, &stop)).await?;
            }
            Ok(())
        };
        if let Err(failure) = started.await {
            stop.cancel();
            tasks.ended().await;
            return Err(failure);
        }
        if settings.has(Role::Relay) {
            let relay = Relay::new(Arc::clone(&store), delius.clone(), settings.tuning.relay(worker))
                .with_breakers(Arc::clone(&breakers));
            tasks.spawn("relay", relay.run(stop.clone()));
            if let Some(topic) = settings.delius.outcome_topic() {
                let sns = aws_sdk_sns::Client::new(&aws().await);
                let announcer = Announcer::new(pool.clone(), sns, topic);
                tasks.spawn("announcer", announcer.run(store.appended(), stop.clone()));
            }
            tasks.spawn("journal", Journal::new(pool.clone()).run(stop.clone().cancelled_owned()));
        }
        tasks.spawn("measure", watch::measure(pool, breakers, metrics, stop.clone()));
        tracing::info!(roles = ?settings.roles, version = env!("CARGO_PKG_VERSION"), "started");
        Ok(Self { roles: settings.roles, tasks, stop })
    }

    /// Runs until `stop` is cancelled, then drains: work in flight is finished, the rest is given back.
    pub async fn run_until_stopped(self) -> ExitCode {
        self.stop.cancelled().await;
        tracing::info!(roles = ?self.roles, "stopping: finishing the work in flight");
        if tokio::time::timeout(STOPPED_WITHIN, self.tasks.ended()).await.is_err() {
            let unfinished = self.tasks.left();
            tracing::warn!(unfinished, "not everything was finished in time; it will be tried again");
        }
        tracing::info!("stopped");
        if self.tasks.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Unique to the process: host and process number, and a part that survives neither.
fn worker_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "local".into());
    let unique = uuid::Uuid::now_v7().simple().to_string();
    format!("{host}-{}-{}", std::process::id(), &unique[24..])
}

/// A token that is cancelled by SIGTERM or SIGINT. A second signal ends the process at once.
pub fn stop_on_signal() -> Result<CancellationToken, Failure> {
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
