//! Accepts waiting messages when they are due, or when it is their turn to probe a dependency that is down.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    table::{self, WaitingMessage},
    treatment::MAX_FAULTS,
};
use crate::{
    breakers::{AUTH, Admission, Breakers, DELIUS, Dependency, MPC, SNS, STORE},
    database::in_time,
    ingest::{
        Ingest,
        accept::{NotAccepted, Sender},
        attempt::{attempt, seen, tell_breakers},
        route::ParkReason,
        traced,
        waiting::{Treatment, treat},
    },
    retry::Backoff,
};

/// What messages wait for. While the store is down, nobody can claim.
const PROBED: [Dependency; 4] = [MPC, AUTH, DELIUS, SNS];

/// After a failure of the store.
const STORE_AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));

/// How waiting messages are worked on.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Name of this worker, unique to the process.
    pub worker: String,
    /// Messages worked on at once.
    pub concurrency: u32,
    /// How long a claim holds. Longer than one attempt may take, so that it needs no renewal.
    pub lease: Duration,
    /// How long one message may be worked on.
    pub handler_timeout: Duration,
    /// How long to sleep when nothing is due.
    pub poll: Duration,
}

impl WorkerConfig {
    /// The usual settings for a worker.
    pub fn of(worker: impl Into<String>) -> Self {
        Self {
            worker: worker.into(),
            concurrency: 8,
            lease: Duration::from_secs(40),
            handler_timeout: Duration::from_secs(25),
            poll: Duration::from_secs(1),
        }
    }
}

/// See the module.
pub struct Worker {
    ingest: Arc<Ingest>,
    breakers: Arc<Breakers>,
    config: WorkerConfig,
}

impl Worker {
    pub fn new(ingest: Arc<Ingest>, breakers: Arc<Breakers>, config: WorkerConfig) -> Self {
        Self { ingest, breakers, config }
    }

    /// Works until cancelled, then gives back what is not finished.
    pub async fn run(self, stop: CancellationToken) {
        let (this, tasks) = (Arc::new(self), TaskTracker::new());
        let (mut seen, mut failures) = (BTreeMap::new(), 0);
        while !stop.is_cancelled() {
            let closed = this.breakers.closed();
            tokio::pin!(closed);
            closed.as_mut().enable();
            let mut pause = this.config.poll;
            let claimed = match this.claim(&mut seen, tasks.len()).await {
                Ok(claimed) => {
                    failures = 0;
                    claimed
                }
                Err(error) => {
                    failures += 1;
                    pause = STORE_AGAIN.at_least_half(failures);
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "could not claim waiting messages; trying again");
                    vec![]
                }
            };
            if claimed.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = closed => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            for message in claimed {
                let (this, stop) = (Arc::clone(&this), stop.clone());
                tasks.spawn(async move { this.work(&message, &stop).await });
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Works on what is due now, once; how many messages that were.
    ///
    /// # Errors
    /// When the store is unavailable.
    pub async fn step(&self) -> sqlx::Result<usize> {
        let claimed = self.claim(&mut BTreeMap::new(), 0).await?;
        for message in &claimed {
            self.work(message, &CancellationToken::new()).await;
        }
        Ok(claimed.len())
    }

    /// What is due, and one message to probe each dependency that is down and may be asked.
    async fn claim(
        &self,
        seen: &mut BTreeMap<Dependency, u64>,
        busy: usize,
    ) -> sqlx::Result<Vec<WaitingMessage>> {
        let (pool, config) = (self.ingest.store().pool(), &self.config);
        let free = config.concurrency.saturating_sub(u32::try_from(busy).unwrap_or(u32::MAX));
        if free == 0 {
            return Ok(vec![]);
        }
        self.wake_recovered(seen).await?;
        let down = self.breakers.open();
        let mut claimed = in_time(table::claim(pool, &config.worker, free, config.lease, &down)).await?;
        for dependency in PROBED.into_iter().filter(|dependency| down.contains(dependency)) {
            if self.breakers.turn(dependency, Instant::now()) == Admission::Probe {
                claimed.extend(
                    in_time(table::claim_probe(pool, &config.worker, config.lease, dependency)).await?,
                );
            }
        }
        Ok(claimed)
    }

    /// Everything that waited for a dependency is due as soon as its breaker closes.
    async fn wake_recovered(&self, seen: &mut BTreeMap<Dependency, u64>) -> sqlx::Result<()> {
        for dependency in PROBED {
            let recoveries = self.breakers.recoveries(dependency);
            if seen.get(&dependency).copied().unwrap_or_default() < recoveries {
                let due = in_time(table::make_due(self.ingest.store().pool(), dependency)).await?;
                tracing::info!(%dependency, due, "waiting messages are due, the dependency answers again");
                seen.insert(dependency, recoveries);
            }
        }
        Ok(())
    }

    async fn work(&self, message: &WaitingMessage, stop: &CancellationToken) {
        if let Err(error) = traced(&message.delivery(), self.accept(message, stop)).await {
            self.breakers.unreachable(STORE, Instant::now());
            let message_id = &message.message_id;
            tracing::warn!(%error, message_id, "could not record the end of an attempt; the lease ends by itself");
        }
    }

    /// One attempt, and what it leads to. The error is that of the store.
    async fn accept(&self, message: &WaitingMessage, stop: &CancellationToken) -> sqlx::Result<()> {
        let (pool, delivery) = (self.ingest.store().pool(), message.delivery());
        // So many claims in a row without a result: the message took the process with it, and would again.
        if message.claims > MAX_FAULTS {
            let parking =
                ParkReason::Fault.because("its attempts ended without a result; standard error says where");
            self.ingest.park_delivery(&delivery, &message.message_id, parking).await?;
            return in_time(table::finish(pool, message)).await;
        }
        let accepting = self.ingest.accept_waiting(&delivery, &message.message_id, message.sender());
        let failure = tokio::select! {
            outcome = attempt(self.config.handler_timeout, accepting) => match outcome {
                Ok(disposition) => {
                    let event_type = crate::ingest::report(&delivery, &message.message_id, &disposition);
                    self.breakers.succeeded(disposition.proves(event_type.as_deref()), &delivery.item());
                    if message.sender() == Sender::Sns {
                        self.breakers.answered(&[SNS]);
                    }
                    return in_time(table::finish(pool, message)).await;
                }
                Err(failure) => failure,
            },
            () = stop.cancelled() => return in_time(table::release(pool, message)).await,
        };
        tell_breakers(&self.breakers, &failure, &delivery.item());
        if failure.dependency() == Some(STORE) && matches!(failure, NotAccepted::Unavailable { .. }) {
            // Nothing was tried that counts; without the store not even that could be recorded.
            return in_time(table::release(pool, message)).await;
        }
        let mut attempts = message.attempts;
        let seen = seen(&self.breakers, &failure, &delivery.item());
        match treat(&mut attempts, &failure, seen, chrono::Utc::now()) {
            Treatment::Park(parking) => {
                self.ingest.park_delivery(&delivery, &message.message_id, parking).await?;
                in_time(table::finish(pool, message)).await
            }
            Treatment::Wait { after } => {
                let (message_id, attempts_made) = (&message.message_id, attempts.attempts);
                let after_ms = after.as_millis();
                tracing::info!(%failure, message_id, attempts = attempts_made, after_ms, "message still waits");
                let dependency = failure.dependency();
                let answer = failure.to_string();
                in_time(table::reschedule(pool, message, attempts, after, dependency, &answer)).await
            }
        }
    }
}
