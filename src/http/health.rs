//! Health of this process: one probe for each dependency, registered by the room that uses it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

/// A probe may take this long.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// Probes are not repeated within this time: the routes are open to everybody.
const CACHED_FOR: Duration = Duration::from_secs(1);

/// State of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// All is well.
    Up,
    /// It does not work.
    Down,
    /// Shutting down: no new requests.
    OutOfService,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Component {
    /// State.
    pub status: Status,
    /// Numbers and words that explain the state. No personal data, no addresses.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<&'static str, String>,
}

impl Component {
    /// A part that works.
    pub fn up() -> Self {
        Self { status: Status::Up, details: BTreeMap::new() }
    }

    /// A part that does not work.
    pub fn down() -> Self {
        Self { status: Status::Down, details: BTreeMap::new() }
    }

    /// The same with one more detail.
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.insert(name, value.into());
        self
    }
}

/// Body of a health answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthBody {
    /// Worst state of any part.
    pub status: Status,
    /// The parts by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<&'static str, Component>,
}

impl HealthBody {
    /// Without any part: for what depends on none.
    pub(super) fn up() -> Self {
        Self { status: Status::Up, components: BTreeMap::new() }
    }
}

type Probe = Arc<dyn Fn() -> BoxFuture<'static, Component> + Send + Sync>;

/// The probes of this process, and whether it is draining.
#[derive(Clone)]
pub struct Health {
    probes: Vec<(&'static str, Probe)>,
    limit: Duration,
    draining: Arc<AtomicBool>,
    last: Arc<Mutex<Option<(Instant, HealthBody)>>>,
}

impl Default for Health {
    fn default() -> Self {
        Self { probes: Vec::new(), limit: PROBE_LIMIT, draining: Arc::default(), last: Arc::default() }
    }
}

impl Health {
    /// Adds a part. The probe tells whether it works; one that takes longer than two seconds counts as down.
    pub fn with<F>(mut self, name: &'static str, probe: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Component> + Send + 'static,
    {
        self.probes.push((name, Arc::new(move || probe().boxed())));
        self
    }

    /// From now on readiness is 503.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether new requests may be sent here. A dependency that is down does not count: every replica would become
    /// unready at once, and none could answer from its cache or with a 503 that says why.
    pub(super) fn readiness(&self) -> HealthBody {
        let draining = self.draining.load(Ordering::SeqCst);
        HealthBody {
            status: if draining { Status::OutOfService } else { Status::Up },
            components: BTreeMap::new(),
        }
    }

    /// All parts, probed side by side.
    pub(super) async fn check(&self) -> HealthBody {
        let mut last = self.last.lock().await;
        if let Some((at, body)) = &*last
            && at.elapsed() < CACHED_FOR
        {
            return body.clone();
        }
        let probes = self.probes.iter().map(|(name, probe)| async move {
            let component = tokio::time::timeout(self.limit, probe())
                .await
                .unwrap_or_else(|_| Component::down().detail("reason", "no answer in time"));
            (*name, component)
        });
        let components: BTreeMap<_, _> = futures_util::future::join_all(probes).await.into_iter().collect();
        let all_up = components.values().all(|it| it.status == Status::Up);
        let status = if all_up { self.readiness().status } else { Status::Down };
        let body = HealthBody { status, components };
        *last = Some((Instant::now(), body.clone()));
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_part_that_is_down_makes_the_whole_down_but_not_unready() {
        let health = Health::default()
            .with("store", || async { Component::up() })
            .with("delius", || async { Component::down().detail("reason", "refused") });
        let body = health.check().await;
        assert_eq!(body.status, Status::Down);
        assert_eq!(body.components["store"].status, Status::Up);
        assert_eq!(health.readiness().status, Status::Up);
        health.drain();
        assert_eq!(health.readiness().status, Status::OutOfService);
    }

    #[tokio::test]
    async fn a_probe_that_hangs_counts_as_down() {
        let mut health = Health::default().with("delius", std::future::pending);
        health.limit = Duration::ZERO;
        assert_eq!(health.check().await.components["delius"].status, Status::Down);
    }
}
