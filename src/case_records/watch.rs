//! Keeps a replica's knowledge of its own freshness up to date: listens for invalidations, confirms that it would
//! receive one, and reads the state of the change feed.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{
    coherence::InvalidatedId,
    reader::{CaseRecords, Inner},
    store::{self, CHANNEL},
};
use crate::{
    case::{Crn, NomsNumber, PersonId},
    database,
    retry::Backoff,
};

/// Between attempts to listen again.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// Tokens that were sent and have not come back yet.
#[derive(Default)]
struct SentTokens {
    last: u64,
    at: HashMap<u64, Instant>,
}

struct InvalidationListener {
    inner: Arc<Inner>,
    replica: Uuid,
    said: Mutex<SentTokens>,
}

impl CaseRecords {
    /// Runs until `shutdown` resolves. Takes one connection to the store beside the pool.
    pub async fn watch(&self, shutdown: impl Future<Output = ()> + Send) {
        let watch = InvalidationListener {
            inner: Arc::clone(&self.inner),
            replica: Uuid::now_v7(),
            said: Mutex::default(),
        };
        tokio::select! {
            () = shutdown => {}
            () = watch.listen() => {}
            () = watch.probe() => {}
            () = watch.forget() => {}
        }
        self.inner.coherence.disconnected();
    }
}

impl InvalidationListener {
    async fn listen(&self) {
        let mut failures = 0;
        loop {
            match self.hear_until_it_breaks(&mut failures).await {
                Ok(()) => {
                    tracing::warn!("the connection for invalidations broke; reads go past the memory")
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot listen for invalidations; reads go past the memory")
                }
            }
            self.inner.coherence.disconnected();
            self.inner.flights.forget(None);
            failures += 1;
            tokio::time::sleep(RECONNECT.at_least_half(failures)).await;
        }
    }

    async fn hear_until_it_breaks(&self, failures: &mut u32) -> Result<(), sqlx::Error> {
        let mut listener = database::listener(&self.inner.store, CHANNEL).await?;
        listener.eager_reconnect(false);
        self.inner.coherence.connected();
        *failures = 0;
        // Tokens come back on it all the time. A connection without any has died unnoticed.
        let silence = self.inner.config.coherence_limit * 2;
        while let Ok(invalidations_seen) = tokio::time::timeout(silence, listener.try_recv()).await {
            match invalidations_seen? {
                Some(notification) => self.invalidated(notification.payload()).await,
                None => break,
            }
        }
        Ok(())
    }

    /// Payload: `<crn> <generation>`, a NOMS number, or `probe <replica> <number>`.
    async fn invalidated(&self, payload: &str) {
        let inner = &self.inner;
        let mut words = payload.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("probe"), Some(replica), Some(number)) => {
                if replica == self.replica.to_string() {
                    self.token_returned(number);
                }
            }
            (Some(crn), Some(generation), None) => {
                if let (Ok(crn), Ok(generation)) = (crn.parse::<Crn>(), generation.parse()) {
                    inner.coherence.invalidated(InvalidatedId::Case(crn.clone(), generation)).await;
                    inner.flights.forget(Some(&crn));
                    inner.memory.release(PersonId::Crn(crn)).await;
                }
            }
            (number, _, _) => {
                let noms = number.and_then(|it| it.parse::<NomsNumber>().ok());
                inner
                    .coherence
                    .invalidated(noms.clone().map_or(InvalidatedId::Unclear, InvalidatedId::Number))
                    .await;
                inner.flights.forget(None);
                if let Some(noms) = noms {
                    inner.memory.release(PersonId::Noms(noms)).await;
                }
            }
        }
    }

    fn token_returned(&self, number: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = number.parse().ok().and_then(|number| said.at.remove(&number)) {
            self.inner.coherence.confirm_listening(at);
        }
    }

    async fn probe(&self) {
        let mut tick = tokio::time::interval(self.inner.config.coherence_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let word = self.send_token();
            let limit = self.inner.config.coherence_limit;
            let heartbeats = match tokio::time::timeout(limit, store::probe(&self.inner.store, &word)).await {
                Ok(Ok(heartbeats)) => Some(heartbeats),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "cannot read the consumers' reports of the change feed");
                    None
                }
                Err(_) => None,
            };
            self.inner.coherence.observe(heartbeats.as_deref());
            let current = self.inner.coherence.may_serve_from_memory();
            metrics::gauge!("case_records_current").set(if current { 1.0 } else { 0.0 });
            if let Some(lag) = heartbeats.iter().flatten().map(|it| it.lag + it.age).max() {
                metrics::gauge!("change_feed_lag_seconds").set(lag.as_secs_f64());
            }
        }
    }

    fn send_token(&self) -> String {
        let limit = self.inner.config.coherence_limit;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.at.retain(|_, at| at.elapsed() <= limit);
        said.last += 1;
        let number = said.last;
        said.at.insert(number, Instant::now());
        format!("probe {} {number}", self.replica)
    }

    async fn forget(&self) {
        let mut tick = tokio::time::interval(Duration::from_secs(600));
        loop {
            tick.tick().await;
            let keep_s = self.inner.config.stale_limit.as_secs_f64();
            if let Err(error) = store::forget(&self.inner.store, keep_s).await {
                tracing::debug!(%error, "could not delete old case records; trying again later");
            }
        }
    }
}
