//! What operators see of a running service: the probes behind `/health` and the figures behind `/metrics`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    app::Failure,
    breakers::{BreakerState, Breakers, Dependency},
    delius::Delius,
    http::{Component, Health},
    outbox::{notices, table},
};

const INTERVAL: Duration = Duration::from_secs(5);

/// Starts to collect figures for this process.
pub(crate) fn metrics() -> Result<PrometheusHandle, Failure> {
    Ok(PrometheusBuilder::new().install_recorder()?)
}

/// The probes of this process.
pub(crate) fn health(store: &PgPool, delius: &Delius, breakers: &Arc<Breakers>) -> Health {
    let (probed_store, outbox_store, delius) = (store.clone(), store.clone(), delius.clone());
    let breakers = Arc::clone(breakers);
    Health::default()
        .with("store", move || {
            let store = probed_store.clone();
            async move {
                match sqlx::query("select 1").execute(&store).await {
                    Ok(_) => Component::up(),
                    Err(_) => Component::down().detail("reason", "the store does not answer"),
                }
            }
        })
        .with("delius", move || {
            let delius = delius.clone();
            async move {
                match delius.ping().await {
                    Ok(()) => Component::up(),
                    Err(error) => Component::down().detail("reason", error.to_string()),
                }
            }
        })
        .with("outbox", move || {
            let store = outbox_store.clone();
            async move {
                match table::backlog(&store).await {
                    Ok(backlog) if backlog.parked == 0 && backlog.stuck == 0 => {
                        Component::up().detail("pending", backlog.pending.to_string())
                    }
                    Ok(backlog) => Component::down()
                        .detail("pending", backlog.pending.to_string())
                        .detail("parked", backlog.parked.to_string())
                        .detail("stuck", backlog.stuck.to_string())
                        .detail("remedy", "see `outbox list`: each parked or stuck write blocks its case"),
                    Err(_) => Component::down().detail("reason", "the store does not answer"),
                }
            }
        })
        .with("dependencies", move || {
            let failures = breakers.failures(Instant::now());
            async move {
                let down = failures.iter().any(|it| it.state != BreakerState::Closed);
                let component = if down { Component::down() } else { Component::up() };
                failures.iter().fold(component, |component, it| {
                    let state = match it.state {
                        BreakerState::Closed => "fails for single cases",
                        BreakerState::Open => "down",
                        BreakerState::HalfOpen => "being probed",
                    };
                    let (count, lasting) = (it.failures, it.lasting.as_secs());
                    component
                        .detail(it.dependency.as_str(), format!("{state}: {count} failures in {lasting} s"))
                })
            }
        })
}

/// Keeps the figures that nobody else keeps, until cancelled.
pub(crate) async fn measure(
    store: PgPool,
    breakers: Arc<Breakers>,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        metrics.run_upkeep();
        let open = breakers.open();
        for dependency in Dependency::ALL {
            let is_open = if open.contains(&dependency) { 1.0 } else { 0.0 };
            metrics::gauge!("dependency_breaker_open", "dependency" => dependency.as_str()).set(is_open);
        }
        if let Ok(waiting) = crate::database::in_time(notices::waiting(&store)).await {
            metrics::gauge!("outcome_notices_waiting").set(waiting as f64);
        }
        if let Ok(backlog) = crate::database::in_time(table::backlog(&store)).await {
            metrics::gauge!("outbox_pending").set(backlog.pending as f64);
            metrics::gauge!("outbox_parked").set(backlog.parked as f64);
            metrics::gauge!("outbox_stuck").set(backlog.stuck as f64);
            let age = backlog.oldest.map_or(0.0, |oldest| (chrono::Utc::now() - oldest).as_seconds_f64());
            metrics::gauge!("outbox_oldest_age_seconds").set(age.max(0.0));
        }
    }
}
