//! The relay: applies the writes of the outbox to Delius, in order within a case and in parallel across cases.
//!
//! A write is claimed for a lease, applied in one Delius transaction together with its row in the ledger of Delius,
//! and its outcome is recorded as an event of the case in the store transaction that finishes the row. A crash
//! between the two is found by the ledger on the next attempt, which answers the same outcome.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    breakers::{Admission, Breakers, DELIUS, STORE},
    case::{CaseCommand, WriteOutcome},
    database::{self, in_time},
    delius::{Delius, LedgerLookup},
    event_store::{CaseStore, Cause, ExecuteError},
    outbox::{
        projector,
        table::{self, Claim},
    },
    relay::{
        RelayConfig,
        address::addressed,
        attempt::{AttemptFailure, LastSettled, unpanicked},
        staff,
    },
    retry::Backoff,
};

/// How long a relay with little room waits for more of it before it claims: one claim of many rows costs as much as a
/// claim of one. Not for long, so that writes that take their time do not delay the others.
const LINGER: Duration = Duration::from_millis(2);

/// A write that was settled within this time shows that Delius takes writes.
const RECENTLY: Duration = Duration::from_secs(1);

/// What became of one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayStep {
    /// Applied (or refused): recorded and finished.
    Settled(WriteOutcome),
    /// To be tried again later.
    Deferred,
    /// Given up until an operator decides.
    Parked,
    /// Another worker has it.
    LeaseLost,
    /// Given back unfinished because the service stops.
    Released,
}

/// See the module.
#[derive(Clone)]
pub struct Relay {
    store: Arc<CaseStore>,
    delius: Delius,
    config: RelayConfig,
    breakers: Arc<Breakers>,
    abandon: CancellationToken,
    settled: LastSettled,
    /// Of the writes that are claimed, so many are applied at once.
    room: Arc<Semaphore>,
}

impl Relay {
    /// A relay from the store's outbox to Delius.
    pub fn new(store: Arc<CaseStore>, delius: Delius, config: RelayConfig) -> Self {
        let (breakers, abandon) = (Arc::default(), CancellationToken::new());
        let room = Arc::new(Semaphore::new(config.concurrency as usize));
        Self { store, delius, config, breakers, abandon, settled: LastSettled::never(), room }
    }

    /// With the breakers that it shares with the rest of the process.
    pub fn with_breakers(self, breakers: Arc<Breakers>) -> Self {
        Self { breakers, ..self }
    }

    /// Claims and applies what is due now, once; empty when nothing was due.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn step(&self) -> sqlx::Result<Vec<RelayStep>> {
        let claims = self.claim(self.config.concurrency).await?;
        let mut steps = vec![];
        for (index, claim) in claims.iter().enumerate() {
            // A lease that ran out while its claim waited for its turn would count as an attempt that died.
            let behind = async {
                join_all(claims[index + 1..].iter().map(|waiting| self.hold(waiting))).await;
                std::future::pending::<Infallible>().await
            };
            steps.push(tokio::select! {
                step = self.settle(claim.clone()) => step,
                never = behind => match never {},
            });
        }
        Ok(steps)
    }

    async fn claim(&self, limit: u32) -> sqlx::Result<Vec<Claim>> {
        let claims = table::claim(self.store.pool(), &self.config.worker, limit, self.config.lease);
        let claims = in_time(claims).await;
        match &claims {
            Ok(claims) => {
                self.breakers.answered(&[STORE]);
                if !claims.is_empty() {
                    failpoint!("claimed");
                }
            }
            Err(error) if database::is_outage(error) => self.breakers.unreachable(STORE, Instant::now()),
            Err(_) => {}
        }
        claims
    }

    /// How many writes may be claimed now: one, to probe, when a pause is over; none while Delius is down, so that
    /// nobody's attempts are used up on what cannot succeed.
    fn admitted(&self, tasks: &TaskTracker) -> Result<u32, Duration> {
        let busy = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let free = self.in_work_at_most().saturating_sub(busy);
        match self.breakers.admission(&[DELIUS], Instant::now()) {
            _ if free == 0 => Err(self.config.poll),
            Admission::Open => Ok(free),
            Admission::Probe => Ok(1),
            Admission::Paused(pause) => Err(pause),
        }
    }

    /// While some writes are applied, others are claimed, addressed and recorded, so that Delius does not wait for the store.
    /// Not while none succeeds: a claim counts as an attempt.
    fn in_work_at_most(&self) -> u32 {
        let ahead = if self.settled.within(RECENTLY) { 3 } else { 1 };
        self.config.concurrency.saturating_mul(ahead)
    }

    /// Whether a claim made now would be a small one, while there is work to do meanwhile.
    fn is_nearly_full(&self, tasks: &TaskTracker) -> bool {
        let (busy, limit) = (tasks.len(), self.in_work_at_most() as usize);
        busy > limit / 2 && busy < limit
    }

    /// Applies until cancelled, then finishes what is in work, and gives back what does not finish soon.
    pub async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let appended = self.store.appended();
        while !stop.is_cancelled() {
            let woken = appended.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let mut pause = self.config.poll;
            if self.is_nearly_full(&tasks) {
                tokio::time::sleep(LINGER).await;
            }
            let claims = match self.admitted(&tasks) {
                Ok(free) => self.claim(free).await,
                Err(wait) => {
                    pause = wait;
                    Ok(vec![])
                }
            };
            let claims = claims.unwrap_or_else(|error| {
                tracing::warn!(%error, "could not claim from the outbox; trying again");
                vec![]
            });
            if claims.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = woken => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            for claim in claims {
                let (this, appended) = (self.clone(), Arc::clone(&appended));
                tasks.spawn(async move {
                    this.settle(claim).await;
                    // The next write of the same case may be due now.
                    appended.notify_waiters();
                });
            }
        }
        tasks.close();
        if tokio::time::timeout(self.config.drain, tasks.wait()).await.is_err() {
            self.abandon.cancel();
            tasks.wait().await;
        }
    }

    /// Applies one claimed write and finishes, defers or parks its row, within the trace of its message.
    async fn settle(&self, claim: Claim) -> RelayStep {
        super::telemetry::traced(&claim, self.settle_traced(&claim)).await
    }

    async fn settle_traced(&self, claim: &Claim) -> RelayStep {
        // Somebody changed the row, or mixed rows of two stores: its outcome in Delius would be that of another write.
        let (noms, reference, write) = (&claim.write.noms, claim.reference, &claim.write.write);
        if claim.write.id != projector::write_id(noms, reference, write) {
            return self
                .park(claim, "its identity is not that of what it is to write; compare it with its event")
                .await;
        }
        // So many attempts were never heard of again: one more could crash the process once more.
        if claim.unknown_failures >= self.config.park_after {
            return self.park(claim, "its attempts ended without a result or could not be recorded").await;
        }
        match unpanicked(self.attempt(claim)).await {
            Ok(step) => {
                if matches!(step, RelayStep::LeaseLost) {
                    metrics::counter!("relay_lease_losses_total").increment(1);
                }
                step
            }
            Err(failure) if self.is_final(claim, &failure) => self.park(claim, &failure.error).await,
            Err(failure) => self.defer(claim, &failure).await,
        }
    }

    /// Whether to give up.
    fn is_final(&self, claim: &Claim, failure: &AttemptFailure) -> bool {
        if !failure.known {
            return claim.unknown_failures + 1 >= self.config.park_after;
        }
        let limit = self.config.park_after_failing_for;
        let same = claim.failing.as_ref().filter(|(error, _)| *error == failure.error);
        same.is_some_and(|(_, span)| *span >= limit && self.settled.within(*span))
    }

    /// Applies and records, and keeps the lease all the while: one that ran out while the store was slow to take the
    /// outcome would count as an attempt that died.
    async fn attempt(&self, claim: &Claim) -> Result<RelayStep, AttemptFailure> {
        // An attempt that is dropped in the middle rolls back, or has committed and is found by the ledger.
        tokio::select! {
            step = self.apply_and_record(claim) => step,
            () = self.hold(claim) => Ok(RelayStep::LeaseLost),
        }
    }

    async fn apply_and_record(&self, claim: &Claim) -> Result<RelayStep, AttemptFailure> {
        let write = addressed(self.store.pool(), claim).await?;
        let staff = staff::recorded(self.store.pool(), &write.write).await?;
        let lookup = if claim.attempt > 1 { LedgerLookup::First } else { LedgerLookup::AfterFailure };
        let applied = async {
            let _room = self.room.acquire().await;
            let began = Instant::now();
            let applied = self.delius.apply_for(&write, &staff, lookup).await;
            metrics::histogram!("delius_write_duration_seconds").record(began.elapsed());
            applied
        };
        let applied = tokio::select! {
            applied = applied => applied,
            () = self.abandon.cancelled() => return Ok(self.release(claim).await),
        };
        match &applied {
            Ok(_) => {
                self.breakers.succeeded(&[DELIUS], claim.write.noms.as_str());
                failpoint!("delius_committed");
            }
            Err(error) if error.is_outage() => self.breakers.unreachable(DELIUS, Instant::now()),
            Err(error) if error.is_transient() => {}
            // Nobody knows this error. When several cases in a row get one, Delius is to blame and not the write.
            Err(_) => self.breakers.failed(DELIUS, claim.write.noms.as_str(), Instant::now()),
        }
        let outcome = applied.map_err(|error| {
            let failure = AttemptFailure::from(error);
            AttemptFailure { known: failure.known || self.breakers.is_open(DELIUS), ..failure }
        })?;
        self.record(claim, outcome).await
    }

    async fn release(&self, claim: &Claim) -> RelayStep {
        if let Err(error) = in_time(table::release(self.store.pool(), claim)).await {
            tracing::warn!(%error, write_id = %claim.write.id, "could not give a write back; its lease ends by itself");
        }
        RelayStep::Released
    }

    /// Renews the lease; returns when it is lost.
    async fn hold(&self, claim: &Claim) {
        loop {
            tokio::time::sleep(self.config.lease / 3).await;
            match in_time(table::renew(self.store.pool(), claim, self.config.lease)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, write_id = %claim.write.id, "could not renew a lease"),
            }
        }
    }

    async fn record(&self, claim: &Claim, outcome: WriteOutcome) -> Result<RelayStep, AttemptFailure> {
        let command = CaseCommand::RecordOutcome {
            write: claim.reference,
            intent: claim.write.write.clone(),
            attempt: claim.attempt,
            outcome: outcome.clone(),
        };
        match self.store.execute(&claim.write.noms, command, Cause::NoMessage).await {
            Ok(_) => {
                self.settled.now();
                super::telemetry::applied(claim, &outcome);
                failpoint!("finished");
                Ok(RelayStep::Settled(outcome))
            }
            Err(ExecuteError::LeaseLost) => {
                tracing::warn!(write_id = %claim.write.id, "the lease was lost; another worker records the outcome");
                Ok(RelayStep::LeaseLost)
            }
            // Delius has the write and its ledger row: the next attempt, or the one after an operator's retry, finds
            // the outcome there.
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the write up until an operator decides. Where not even that can be recorded it stays due, and is counted
    /// as stuck.
    async fn park(&self, claim: &Claim, error: &str) -> RelayStep {
        let (noms, write_id, attempts) = (&claim.write.noms, claim.write.id, claim.attempt);
        let note = table::note(self.store.pool(), claim, &self.config.worker, error);
        if let Err(error) = in_time(note).await {
            tracing::warn!(%error, %write_id, "could not keep a failed attempt");
        }
        let command = CaseCommand::ParkWrite { write: claim.reference, attempts, error: error.to_owned() };
        let parked = unpanicked(async {
            match self.store.execute(noms, command, Cause::NoMessage).await {
                Ok(_) => Ok(RelayStep::Parked),
                Err(ExecuteError::LeaseLost) => Ok(RelayStep::LeaseLost),
                Err(error) => Err(AttemptFailure::from(error)),
            }
        });
        let parked = tokio::select! {
            parked = parked => parked,
            () = self.hold(claim) => Ok(RelayStep::LeaseLost),
        };
        match parked {
            Ok(RelayStep::Parked) => {
                tracing::error!(error, %noms, %write_id, attempts, "write parked; later writes of this case wait behind it");
                metrics::counter!("relay_writes_total", "outcome" => "Parked").increment(1);
                RelayStep::Parked
            }
            Ok(step) => step,
            Err(failure) => {
                let error = format!("{error}; and it cannot be parked: {}", failure.error);
                self.defer(claim, &AttemptFailure { error, ..failure }).await
            }
        }
    }

    async fn defer(&self, claim: &Claim, failure: &AttemptFailure) -> RelayStep {
        let backoff = Backoff::new(Duration::from_millis(500), self.config.longest_backoff);
        let delay = backoff.after(claim.attempt);
        let (noms, write_id, attempt) = (&claim.write.noms, claim.write.id, claim.attempt);
        let AttemptFailure { error, known } = failure;
        tracing::warn!(error, %noms, %write_id, attempt, delay_ms = delay.as_millis(), "write not applied; trying again");
        metrics::counter!("relay_deferrals_total").increment(1);
        let defer = table::defer(self.store.pool(), claim, &self.config.worker, error, *known, delay);
        match in_time(defer).await {
            Ok(true) => RelayStep::Deferred,
            Ok(false) => RelayStep::LeaseLost,
            Err(error) => {
                tracing::warn!(%error, %write_id, "could not put the write back; its lease ends by itself");
                RelayStep::Deferred
            }
        }
    }
}
