//! Assembles the service from its settings, and runs it. `serve` and the tests use the same assembly.

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    api::{Reading, Shown},
    health,
    measure::Measured,
    metrics,
    settings::{
        DeliusSettings, MpcSettings, StoreSettings,
        api::{ApiSettings, Listening},
        aws,
        check::both,
        connect_store,
        journal::JournalSettings,
        queues::QueueSettings,
        tuning::Tuning,
    },
    start_up,
    tasks::Tasks,
};
use crate::{
    audit::journal::{Journal, checkpoint::Signer},
    breakers::Breakers,
    case::{CODE_VERSION, ManagePomCases},
    database,
    delius::Delius,
    http::Health,
    mpc::NotConfigured,
    relay::{Announcer, Relay},
};

/// What a process of the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProcessRole {
    /// Serves the read API.
    Api,
    /// Ingests messages.
    Ingest,
    /// Applies writes to Delius, and keeps the journal.
    Relay,
}

/// As they are given on the command line.
fn names(roles: &[ProcessRole]) -> String {
    let values: Vec<_> = roles.iter().filter_map(ProcessRole::to_possible_value).collect();
    values.iter().map(clap::builder::PossibleValue::get_name).collect::<Vec<_>>().join(",")
}

/// The settings of the service.
#[derive(Debug, Args)]
pub struct ServeSettings {
    /// What this process does
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["api", "ingest", "relay"])]
    roles: Vec<ProcessRole>,
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
    journal: JournalSettings,
    #[command(flatten)]
    tuning: Tuning,
}

/// Whoever asked for the stop waits 30 s and kills then. What is not finished is safe: messages come again, and
/// leases run out.
const STOPPED_WITHIN: Duration = Duration::from_secs(28);

impl ServeSettings {
    fn has(&self, role: ProcessRole) -> bool {
        self.roles.contains(&role)
    }

    /// Checks the settings of the roles, apart from the databases'.
    fn checked(&self, breakers: &Arc<Breakers>) -> Result<Checked, Failure> {
        let reading = self.has(ProcessRole::Api).then(|| self.api.reading(&self.mpc, breakers)).transpose();
        let nobody: Arc<dyn ManagePomCases> = Arc::new(NotConfigured);
        let ingest = match self.has(ProcessRole::Ingest) {
            true => both(self.mpc.client(), self.queues.checked()).map(|(mpc, ())| mpc),
            false => Ok(nobody),
        };
        // Together, so that one run names everything that is wrong.
        let listeners = both(self.api.listening(), reading);
        let (mpc, ((listening, reading), signer)) = both(ingest, both(listeners, self.journal.signer()))?;
        Ok(Checked { mpc, listening, reading, signer })
    }

    /// What `/health` says, by what the roles need.
    fn health(&self, health: Health) -> Health {
        let auth = self.has(ProcessRole::Api) || self.has(ProcessRole::Ingest);
        let neighbours = [
            ("hmppsAuth", auth, self.mpc.auth_url()),
            ("managePomCases", self.has(ProcessRole::Ingest), self.mpc.mpc_url()),
        ];
        neighbours.into_iter().fold(health, |health, (name, needed, url)| match url {
            Ok(url) if needed => health::with_neighbour(health, name, url.to_owned()),
            _ => health,
        })
    }
}

/// The settings that were checked.
struct Checked {
    mpc: Arc<dyn ManagePomCases>,
    listening: Listening,
    reading: Option<Reading>,
    signer: Option<Signer>,
}

/// The service, ready to run: its settings are checked, its databases connected and its tasks started.
pub struct App {
    roles: Vec<ProcessRole>,
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
        let ((store, delius), checked) = both(databases, settings.checked(&breakers))?;
        settings.tuning.warn(&settings.api.limits.records());
        let pool = connect_store(store.bounded().indexed()).await?;
        let tasks = Tasks::new(&stop);
        let started = async {
            let delius = start_up::delius(delius, settings.tuning.delius(), (&tasks, &stop)).await?;
            let parts = TaskParts { settings: &settings, pool: &pool, delius: &delius, breakers: &breakers };
            parts.start(checked, (&tasks, &stop)).await
        };
        if let Err(failure) = started.await {
            stop.cancel();
            tasks.ended().await;
            return Err(failure);
        }
        tracing::info!(roles = names(&settings.roles), version = CODE_VERSION, "started");
        Ok(Self { roles: settings.roles, tasks, stop })
    }

    /// Runs until `stop` is cancelled, then drains: work in flight is finished, the rest is given back.
    pub async fn run_until_stopped(self) -> ExitCode {
        self.stop.cancelled().await;
        tracing::info!(roles = names(&self.roles), "stopping: finishing the work in flight");
        if tokio::time::timeout(STOPPED_WITHIN, self.tasks.ended()).await.is_err() {
            let unfinished = self.tasks.left();
            tracing::warn!(unfinished, "not everything was finished in time; it will be tried again");
        }
        tracing::info!("stopped");
        if self.tasks.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// What the tasks of every role are made from.
struct TaskParts<'a> {
    settings: &'a ServeSettings,
    pool: &'a sqlx::PgPool,
    delius: &'a Delius,
    breakers: &'a Arc<Breakers>,
}

impl TaskParts<'_> {
    async fn start(&self, checked: Checked, running: (&Tasks, &CancellationToken)) -> Result<(), Failure> {
        let (tasks, stop) = running;
        let (settings, worker, metrics) = (self.settings, worker_name(), metrics::install()?);
        let depths = settings.queues.depths().await;
        let health = health::common(self.pool, self.delius, self.breakers);
        let health = health::with_queues(settings.health(health), &depths);
        let shown = Shown { health: &health, metrics: &metrics };
        let admin = settings.queues.admin(self.pool).await;
        match checked.reading {
            Some(reading) => {
                let databases = (self.pool, self.delius);
                settings
                    .api
                    .serve_api(&checked.listening, reading, databases, &admin, shown, running)
                    .await?;
            }
            None => settings.api.listen(&checked.listening, shown, running).await?,
        }
        settings.api.listen_internally(&checked.listening, &admin, shown, running).await?;

        let store = settings.delius.case_store(self.pool.clone(), checked.mpc);
        if settings.has(ProcessRole::Ingest) {
            let (queues, tuning) = (&settings.queues, &settings.tuning);
            queues.start(&store, self.delius, self.breakers, &worker, tuning, running).await?;
        }
        if settings.has(ProcessRole::Relay) {
            let relay = Relay::new(Arc::clone(&store), self.delius.clone(), settings.tuning.relay(worker))
                .with_breakers(Arc::clone(self.breakers));
            tasks.spawn("relay", relay.run(stop.clone()));
            if let Some(topic) = settings.delius.outcome_topic() {
                let sns = aws_sdk_sns::Client::new(&aws().await);
                let announcer = Announcer::new(self.pool.clone(), sns, topic);
                tasks.spawn("announcer", announcer.run(store.appended(), stop.clone()));
            }
            let publisher = settings.journal.publisher(checked.signer).await;
            let journal = Journal::new(database::alone(self.pool));
            tasks.spawn("journal", journal.run(publisher, stop.clone().cancelled_owned()));
        }
        tasks.spawn("queue depths", depths.watch(stop.clone()));
        let measured = Measured {
            store: self.pool.clone(),
            delius: self.delius.clone(),
            breakers: Arc::clone(self.breakers),
            metrics,
        };
        tasks.spawn("measure", measured.run(stop.clone()));
        Ok(())
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
