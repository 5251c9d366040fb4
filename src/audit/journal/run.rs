//! Fills the journal until the service stops: woken by `NOTIFY`, with the poll as the truth.

use std::{future::Future, pin::pin, time::Duration};

use sqlx::postgres::PgListener;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::{
    audit::journal::{Journal, JournalStep, ReadError, publish::Publisher},
    database::{self, ANSWER},
};

/// Channel on which appends are announced.
const CHANNEL: &str = "events_appended";
/// How often is looked without being woken.
const POLL: Duration = Duration::from_secs(2);
/// Pause between two steps: what is appended meanwhile becomes one batch, so that a busy store costs a few
/// transactions a second and not one per append.
const GATHER: Duration = Duration::from_millis(50);
/// How often it is checked whether a checkpoint is due.
const CHECKPOINT_POLL: Duration = Duration::from_secs(5);
/// How often receipts of the change feed are pruned, and how old they are then.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
const PRUNE_AFTER_DAYS: i32 = 30;
/// How often the root is logged when nothing can be signed.
const LOG_ROOT: Duration = Duration::from_secs(24 * 60 * 60);

impl Journal {
    /// Enters rows as they come and publishes checkpoints, until `shutdown` is ready. Failures are logged and tried again.
    pub async fn run(self, publisher: Publisher, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        tokio::select! {
            () = &mut shutdown => {}
            () = self.run_while_leader(&publisher) => {}
        }
    }

    async fn run_while_leader(&self, publisher: &Publisher) {
        let mut listener: Option<PgListener> = None;
        let (mut checkpoint_due, mut prune_due) = (Instant::now(), Instant::now());
        let mut failing = false;
        loop {
            if listener.is_none() {
                listener = database::listener(&self.pool, CHANNEL)
                    .await
                    .inspect_err(|error| {
                        tracing::debug!(%error, "journal cannot listen; it polls");
                    })
                    .ok();
            }
            let stepped_at = Instant::now();
            match self.catch_up_and_measure().await {
                Ok(()) => {
                    if failing {
                        // The store was away: this connection may be dead without an error.
                        listener = None;
                    }
                    failing = false;
                }
                Err(error) if failing => tracing::debug!(error = %chain(&error), "journal still fails"),
                Err(error) => {
                    failing = true;
                    tracing::warn!(error = %chain(&error), "journal step failed; retrying");
                }
            }
            if Instant::now() >= checkpoint_due {
                checkpoint_due = Instant::now() + self.checkpoint(publisher).await;
            }
            if Instant::now() >= prune_due {
                prune_due = Instant::now() + PRUNE_EVERY;
                self.prune().await;
            }
            wait(&mut listener).await;
            sleep_until(stepped_at + GATHER).await;
        }
    }

    async fn catch_up_and_measure(&self) -> Result<(), ReadError> {
        loop {
            match in_time(self.step()).await? {
                JournalStep::Entered { events, last, full, .. } => {
                    metrics::counter!("journal_events_total").increment(u64::from(events));
                    metrics::gauge!("journal_last_position").set(last as f64);
                    if !full {
                        break;
                    }
                }
                JournalStep::NotLeader => {
                    tracing::debug!("another process is journal leader");
                    break;
                }
                JournalStep::UpToDate => break,
            }
        }
        let lag = in_time(self.lag()).await?;
        let age = lag.horizon_since.map_or(0.0, |since| (lag.now - since).as_seconds_f64());
        metrics::gauge!("journal_horizon_age_seconds").set(age.max(0.0));
        metrics::gauge!("journal_horizon_unknown").set(if lag.unknown { 1.0 } else { 0.0 });
        Ok(())
    }

    /// Receipts of the change feed are many, and no history shows them.
    async fn prune(&self) {
        let pruned = sqlx::query_scalar::<_, i64>("select prune_change_feed_receipts($1)")
            .bind(PRUNE_AFTER_DAYS)
            .fetch_one(&self.pool);
        match database::in_time(pruned).await {
            Ok(0) => {}
            Ok(pruned) => tracing::info!(pruned, "old receipts of the change feed pruned"),
            Err(error) => tracing::warn!(%error, "receipts of the change feed not pruned; retrying in a day"),
        }
    }

    /// Publishes a checkpoint if one is due; after how long to look again.
    async fn checkpoint(&self, publisher: &Publisher) -> Duration {
        if publisher.signer.is_none() {
            return match database::in_time(publisher.log_root(&self.pool)).await {
                Ok(()) => LOG_ROOT,
                Err(_) => CHECKPOINT_POLL,
            };
        }
        if let Err(error) = database::in_time(publisher.publish_if_due(&self.pool)).await {
            tracing::warn!(%error, "checkpoint not published; retrying");
        }
        CHECKPOINT_POLL
    }
}

/// Until something was appended, or it is time to look anyway. A wake-up is only a hint; a broken connection is made
/// anew on the next turn.
async fn wait(listener: &mut Option<PgListener>) {
    let deadline = Instant::now() + POLL;
    let Some(listening) = listener else { return sleep_until(deadline).await };
    match timeout_at(deadline, listening.recv()).await {
        Ok(Err(_)) => *listener = None,
        // One step serves all the notifications that have arrived.
        Ok(Ok(_)) => while listening.next_buffered().is_some() {},
        Err(_) => {}
    }
}

/// Nobody waits for ever for a store that the network swallowed.
async fn in_time<T>(answer: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
    timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(database::no_answer().into()))
}

fn chain(error: &ReadError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
