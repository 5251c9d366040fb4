//! The gauges that nobody else keeps: read from the store, the breakers and the pools every few seconds.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::metrics::process;
use crate::{
    breakers::{Breakers, Dependency},
    database::in_time,
    delius::{Delius, engine::Connections},
    outbox::{notices, table},
};

const INTERVAL: Duration = Duration::from_secs(5);
/// Every so many rounds.
const SELDOM: u64 = 12;

/// What is measured.
pub(crate) struct Measured {
    pub(crate) store: PgPool,
    pub(crate) delius: Delius,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) metrics: PrometheusHandle,
}

impl Measured {
    /// Measures until cancelled.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut reasons = BTreeSet::new();
        for round in 0_u64.. {
            self.metrics.run_upkeep();
            process::measure();
            self.breakers();
            let store = Connections::of(&self.store);
            for (pool, name) in [(store, "store"), (self.delius.connections(), "delius")] {
                connections(pool, name);
            }
            self.outbox().await;
            self.messages(&mut reasons).await;
            // This one reads more than a counter's worth.
            if round.is_multiple_of(SELDOM) {
                self.refused().await;
            }
            if stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    }

    fn breakers(&self) {
        let open = self.breakers.open();
        for dependency in Dependency::ALL {
            let is_open = if open.contains(&dependency) { 1.0 } else { 0.0 };
            let dependency = dependency.as_str();
            metrics::gauge!("dependency_breaker_open", "dependency" => dependency).set(is_open);
            metrics::counter!("dependency_outages_total", "dependency" => dependency).increment(0);
        }
    }

    async fn outbox(&self) {
        if let Ok(waiting) = in_time(notices::waiting(&self.store)).await {
            metrics::gauge!("outcome_notices_waiting").set(waiting as f64);
        }
        if let Ok(backlog) = in_time(table::backlog(&self.store)).await {
            metrics::gauge!("outbox_pending").set(backlog.pending as f64);
            metrics::gauge!("outbox_parked").set(backlog.parked as f64);
            metrics::gauge!("outbox_stuck").set(backlog.stuck as f64);
            metrics::gauge!("outbox_oldest_age_seconds").set(age(backlog.oldest));
        }
    }

    async fn refused(&self) {
        if let Ok(refused) = in_time(table::refused_count(&self.store)).await {
            metrics::gauge!("outbox_refused").set(refused as f64);
        }
    }

    /// `reasons`: those that messages were parked for since the start, so that one whose last message went shows 0.
    async fn messages(&self, reasons: &mut BTreeSet<String>) {
        let parked = sqlx::query_as::<_, (String, i64)>(
            "select reason, count(*) from parked_messages where state = 'parked' group by reason",
        );
        if let Ok(parked) = in_time(parked.fetch_all(&self.store)).await {
            reasons.extend(parked.iter().map(|(reason, _)| reason.clone()));
            for reason in &*reasons {
                let count = parked.iter().find(|(each, _)| each == reason).map_or(0, |(_, count)| *count);
                metrics::gauge!("ingest_parked_messages", "reason" => reason.clone()).set(count as f64);
            }
        }
        let waiting = sqlx::query_as::<_, (i64, Option<DateTime<Utc>>)>(
            "select count(*), min(waiting_since) from waiting_messages",
        );
        if let Ok((waiting, oldest)) = in_time(waiting.fetch_one(&self.store)).await {
            metrics::gauge!("ingest_waiting_messages").set(waiting as f64);
            metrics::gauge!("ingest_waiting_oldest_age_seconds").set(age(oldest));
        }
        let unreflected = sqlx::query_scalar::<_, i64>("select count(*) from unreflected_allocations");
        if let Ok(unreflected) = in_time(unreflected.fetch_one(&self.store)).await {
            metrics::gauge!("unreflected_allocations").set(unreflected as f64);
        }
    }
}

fn age(since: Option<DateTime<Utc>>) -> f64 {
    since.map_or(0.0, |since| (Utc::now() - since).as_seconds_f64().max(0.0))
}

fn connections(pool: Connections, name: &'static str) {
    let used = pool.open.saturating_sub(pool.idle);
    metrics::gauge!("database_pool_connections", "pool" => name, "state" => "idle").set(f64::from(pool.idle));
    metrics::gauge!("database_pool_connections", "pool" => name, "state" => "used").set(f64::from(used));
    metrics::gauge!("database_pool_connections_max", "pool" => name).set(f64::from(pool.most));
}
