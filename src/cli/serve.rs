//! `serve`: runs the service until SIGTERM or SIGINT, then drains.

use std::{process::ExitCode, sync::Arc};

use aws_sdk_sqs::types::QueueAttributeName;
use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Failure,
    settings::{self, DeliusSettings, MpcSettings, StoreSettings},
};
use crate::{
    delius::Delius,
    event_store::CaseStore,
    ingest::{Consumer, ConsumerConfig, Ingest, breaker::Breakers, feed::FeedWatch, reflector},
    outbox::{Relay, RelayConfig},
};

/// What a process of the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    /// Serves the read API.
    Api,
    /// Ingests messages.
    Ingest,
    /// Applies writes to Delius.
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
    /// SQS queue of domain events (role ingest)
    #[arg(long, env = "QUEUE_URL")]
    queue_url: Option<String>,
    /// Second queue for the change feed; without it the feed is read from QUEUE_URL (role ingest)
    #[arg(long, env = "CHANGE_FEED_QUEUE_URL")]
    change_feed_queue_url: Option<String>,
}

impl Serve {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        // Before anything is started, so that no signal is missed.
        let stop = stop_on_signal()?;
        let mpc =
            if self.has(Role::Ingest) { self.mpc.client()? } else { Arc::new(crate::mpc::NotConfigured) };
        let pool = self.store.connect().await?;
        let delius = self.delius.connect().await?;
        let store = settings::case_store(pool, mpc);
        let worker = worker_name();
        let tasks = TaskTracker::new();

        if self.has(Role::Ingest) {
            self.start_ingest(&store, &delius, &worker, &tasks, &stop).await?;
        }
        if self.has(Role::Relay) {
            let relay = Relay::new(Arc::clone(&store), delius.clone(), RelayConfig::of(worker));
            tasks.spawn(relay.run(stop.clone()));
        }
        tracing::info!(roles = ?self.roles, version = env!("CARGO_PKG_VERSION"), "started");
        stop.cancelled().await;
        tracing::info!("stopping: finishing what is in work");
        tasks.close();
        tasks.wait().await;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }

    async fn start_ingest(
        &self,
        store: &Arc<CaseStore>,
        delius: &Delius,
        worker: &str,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let sqs = aws_sdk_sqs::Client::new(&settings::aws().await);
        let queue_url = settings::required("QUEUE_URL", self.queue_url.as_deref())?;
        let feed_url = self.change_feed_queue_url.as_deref();
        let ingest = Arc::new(Ingest::new(Arc::clone(store), delius.clone()));
        let breakers = Arc::new(Breakers::default());
        let queues = [("QUEUE_URL", Some(queue_url)), ("CHANGE_FEED_QUEUE_URL", feed_url)];
        for (setting, url) in queues.into_iter().filter_map(|(setting, url)| Some((setting, url?))) {
            let config = ConsumerConfig::of(url);
            check_queue(&sqs, setting, &config).await?;
            let carries_feed = feed_url.is_none_or(|feed_url| feed_url == url);
            let feed = carries_feed.then(|| FeedWatch::new(store.pool().clone(), worker.to_owned()));
            let consumer =
                Consumer::new(sqs.clone(), Arc::clone(&ingest), Arc::clone(&breakers), feed, config);
            tasks.spawn(consumer.run(stop.clone()));
        }
        let (store, stop) = (Arc::clone(store), stop.clone());
        tasks.spawn(async move { reflector::run(&store, stop).await });
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
fn stop_on_signal() -> Result<CancellationToken, Failure> {
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
        tracing::warn!("second signal: ending at once; unfinished messages come again");
        std::process::exit(130);
    });
    Ok(stop)
}

/// The queue is there, and its settings fit ours.
async fn check_queue(
    sqs: &aws_sdk_sqs::Client,
    setting: &str,
    config: &ConsumerConfig,
) -> Result<(), Failure> {
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(&config.queue_url)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await;
    let attributes = attributes.map_err(|error| {
        let why = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
        Failure::setting(
            setting,
            format!("the queue {} cannot be read: {why}; check the URL, AWS_ENDPOINT_URL, AWS_REGION and credentials", config.queue_url),
        )
    })?;
    let policy = attributes.attributes().and_then(|all| all.get(&QueueAttributeName::RedrivePolicy));
    if policy.is_none() {
        tracing::warn!(
            setting,
            "the queue has no dead-letter queue: a message that we cannot handle comes for ever"
        );
    }
    if config.visibility < config.handler_timeout {
        tracing::warn!(
            setting,
            "the visibility timeout is shorter than the handler timeout: expect duplicates"
        );
    }
    Ok(())
}
