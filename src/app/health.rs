//! What `/health` says of this process. A component is down when the process cannot do its work without it; what waits
//! for an operator is a detail with its count.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;

use super::queue_depths::QueueDepths;
use crate::{
    breakers::{BreakerState, Breakers},
    case::CODE_VERSION,
    delius::Delius,
    http::{Component, Health},
    outbox::table,
};

/// For a neighbour to show a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// The components of every role.
pub(crate) fn common(store: &PgPool, delius: &Delius, breakers: &Arc<Breakers>) -> Health {
    let (probed, outbox, delius) = (store.clone(), store.clone(), delius.clone());
    let breakers = Arc::clone(breakers);
    Health::default()
        .with("healthInfo", || async { Component::up().detail("version", CODE_VERSION) })
        .with("store", move || {
            let store = probed.clone();
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
            let store = outbox.clone();
            async move { of_outbox(&store).await }
        })
        .with("dependencies", move || {
            let component = of_breakers(&breakers);
            async move { component }
        })
}

/// Adds the queues, each under the name that HMPPS services give theirs.
pub(crate) fn with_queues(health: Health, depths: &QueueDepths) -> Health {
    depths.labels().fold(health, |health, label| {
        let depths = depths.clone();
        let name = match label {
            "events" => "events-health",
            "change_feed" => "change-feed-health",
            _ => "bulk-health",
        };
        health.with(name, move || {
            let component = depths.component(label);
            async move { component }
        })
    })
}

/// Adds a neighbour over HTTP: anything that it answers, short of an error of its own, shows that it is there.
pub(crate) fn with_neighbour(health: Health, name: &'static str, url: String) -> Health {
    let client = reqwest::Client::builder()
        .timeout(SIGN_OF_LIFE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap_or_default();
    let url = format!("{}/health/ping", url.trim_end_matches('/'));
    health.with(name, move || {
        let asked = client.get(&url);
        async move {
            match asked.send().await {
                Ok(answer) if !answer.status().is_server_error() => Component::up(),
                Ok(answer) => Component::down().detail("reason", format!("answered {}", answer.status())),
                Err(_) => Component::down().detail("reason", "no answer"),
            }
        }
    })
}

async fn of_outbox(store: &PgPool) -> Component {
    let Ok(backlog) = table::backlog(store).await else {
        return Component::down().detail("reason", "the store does not answer");
    };
    let component = Component::up()
        .detail("pending", backlog.pending.to_string())
        .detail("parked", backlog.parked.to_string())
        .detail("stuck", backlog.stuck.to_string());
    if backlog.parked == 0 && backlog.stuck == 0 {
        return component;
    }
    component.detail("remedy", "see `outbox list`: each parked or stuck write blocks its case")
}

fn of_breakers(breakers: &Breakers) -> Component {
    let failures = breakers.failures(Instant::now());
    let down = failures.iter().any(|it| it.state != BreakerState::Closed);
    let component = if down { Component::down() } else { Component::up() };
    failures.iter().fold(component, |component, it| {
        let state = match it.state {
            BreakerState::Closed => "fails for single cases",
            BreakerState::Open => "down",
            BreakerState::HalfOpen => "being probed",
        };
        let (count, lasting) = (it.failures, it.lasting.as_secs());
        component.detail(it.dependency.as_str(), format!("{state}: {count} failures in {lasting} s"))
    })
}
