//! Keeps the journal until the service stops: woken by `NOTIFY`, with the poll as the truth.

use std::{future::Future, pin::pin, time::Duration};

use sqlx::postgres::PgListener;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    audit::journal::{Journal, ReadError, Step, digest::Digest},
    database::{self, ANSWER},
};

/// Channel on which appends are announced.
const CHANNEL: &str = "events_appended";
/// How often is looked without being woken.
const POLL: Duration = Duration::from_secs(2);
/// How often the state of the chain is logged, for whoever collects logs outside the reach of the database.
const DIGEST_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

impl Journal {
    /// Enters events as they come until `shutdown` is ready. Failures are logged and tried again.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        tokio::select! {
            () = &mut shutdown => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&self) {
        let mut listener: Option<PgListener> = None;
        let mut digest_due = Instant::now();
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
            match self.catch_up_and_measure().await {
                Ok(()) => {
                    if failing {
                        // What the store was cut off from may include this connection, and it would not tell.
                        listener = None;
                    }
                    failing = false;
                }
                Err(error) if failing => tracing::debug!(error = %chain(&error), "journal still fails"),
                Err(error) => {
                    failing = true;
                    tracing::warn!(error = %chain(&error), "journal could not be kept; trying again");
                }
            }
            if Instant::now() >= digest_due && self.log_digest().await {
                digest_due = Instant::now() + DIGEST_EVERY;
            }
            let deadline = Instant::now() + POLL;
            match &mut listener {
                Some(listening) => {
                    // A wake-up is only a hint; a broken connection is made anew on the next turn.
                    if let Ok(Err(_)) = timeout_at(deadline, listening.recv()).await {
                        listener = None;
                    }
                }
                None => tokio::time::sleep_until(deadline).await,
            }
        }
    }

    async fn catch_up_and_measure(&self) -> Result<(), ReadError> {
        loop {
            match in_time(self.step()).await? {
                Step::Entered { count, last, full, .. } => {
                    metrics::counter!("journal_events_total").increment(u64::from(count));
                    metrics::gauge!("journal_last_position").set(last as f64);
                    if !full {
                        break;
                    }
                }
                Step::NotLeader => {
                    tracing::debug!("another process keeps the journal at this moment");
                    break;
                }
                Step::UpToDate => break,
            }
        }
        let lag = in_time(self.lag()).await?;
        let age = lag.horizon_since.map_or(0.0, |since| (lag.now - since).as_seconds_f64());
        metrics::gauge!("journal_horizon_age_seconds").set(age.max(0.0));
        metrics::gauge!("journal_horizon_unknown").set(if lag.unknown { 1.0 } else { 0.0 });
        Ok(())
    }

    async fn log_digest(&self) -> bool {
        match in_time(self.last()).await {
            Ok(Some((position, hash))) => {
                let digest = Digest { position, hash, at: chrono::Utc::now() };
                tracing::info!(target: "journal_digest", position, %hash, %digest, "journal digest");
                true
            }
            _ => false,
        }
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
