//! Circuit breakers, one per dependency: while a dependency is down, nobody asks it except a probe from time to time.
//!
//! A breaker counts *distinct items* (cases) that failed since the last success. One case that fails again and again is
//! a fault of that case, not an outage. An item that failed in two intervals in which the dependency answered others
//! counts no more at all, so that any number of bad cases cannot keep a breaker open.
//!
//! While the breaker is open, two kinds of probe are let through, each one at a time: waiting work, and a poll for one
//! new message. With the second, a piece of waiting work that fails for a reason of its own delays nobody else.

mod dependency;
mod faulty;
#[cfg(test)]
mod tests;
mod waits;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub use dependency::{AUTH, DELIUS, DIRECTORY, Dependency, MPC, SNS, SQS, STORE};
use tokio::sync::Notify;
pub use waits::{answer_of, within};

use self::faulty::FaultyItems;
use crate::retry::Backoff;

/// No poll pauses longer, however long the dependency has been down: a new message that can be accepted, or that
/// proves the dependency well, should not wait for the pace of the other probes. A poll costs at most one message, and
/// that one is kept in the store.
const LONGEST_POLL_PAUSE: Duration = Duration::from_secs(5);

/// When breakers open and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Distinct items that fail in a row and open a breaker.
    pub threshold: u32,
    /// The pause before the first probe; doubled after every probe that fails.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { threshold: 3, first_pause: Duration::from_secs(1), longest_pause: Duration::from_secs(30) }
    }
}

/// The breakers of all dependencies of this process.
#[derive(Debug, Default)]
pub struct Breakers {
    config: BreakerConfig,
    states: Mutex<BTreeMap<Dependency, State>>,
    closed: Notify,
}

#[derive(Debug, Default)]
struct State {
    failing: Option<FailureCount>,
    faulty: FaultyItems,
    /// How often the breaker closed.
    recoveries: u64,
}

/// Failures since the last success.
#[derive(Debug)]
struct FailureCount {
    failures: u32,
    /// Failures of no particular item: a connection that was refused, a poll without an answer.
    unattributed: u32,
    items: BTreeSet<String>,
    since: Instant,
    open: Option<OpenBreaker>,
}

/// The threshold decides long before; the limit keeps memory bounded during an outage of days.
const MAX_ITEMS: usize = 1000;

#[derive(Debug, Clone, Copy)]
struct OpenBreaker {
    /// The failure that opened it, and those of the probes since.
    failures: u32,
    pause: Duration,
    /// When the next piece of waiting work may try.
    next_try: Instant,
    /// When the next poll may ask for a single message.
    next_poll: Instant,
    /// A probe was let through and has no result yet.
    probing: bool,
}

/// Whether to proceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The dependencies answer: as usual.
    Open,
    /// A pause is over: once, to see whether the dependency is back.
    Probe,
    /// A dependency is down: not for this long.
    Paused(Duration),
}

/// State of the breaker of one dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// It answers, or failed for too few cases to be down.
    Closed,
    /// It is down; nobody asks.
    Open,
    /// It was down; a probe is under way.
    HalfOpen,
}

/// What is known of one dependency that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DependencyFailure {
    /// Which one.
    pub dependency: Dependency,
    /// State of its breaker.
    pub state: BreakerState,
    /// Failures in a row.
    pub failures: u32,
    /// How long it has been failing.
    pub lasting: Duration,
}

impl Breakers {
    /// Breakers with other settings than the usual ones.
    pub fn new(config: BreakerConfig) -> Self {
        Self { config, ..Self::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Dependency, State>) -> T) -> T {
        // A panic elsewhere cannot leave these counters half-changed.
        act(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// These dependencies answered for the item. About the others this says nothing: a message that needs only the
    /// store does not prove that Manage POM Cases is well.
    pub fn succeeded(&self, dependencies: &[Dependency], item: &str) {
        self.with(|states| {
            for dependency in dependencies {
                if let Some(state) = states.get_mut(dependency) {
                    state.faulty.remove(item);
                }
            }
        });
        self.answered(dependencies);
    }

    /// These dependencies answered.
    pub fn answered(&self, dependencies: &[Dependency]) {
        let closed = self.with(|states| {
            let mut closed = false;
            for dependency in dependencies {
                let Some(state) = states.get_mut(dependency) else { continue };
                let Some(failing) = state.failing.take() else { continue };
                if failing.open.is_some() {
                    let down_ms = failing.since.elapsed().as_millis();
                    tracing::info!(%dependency, down_ms, "the dependency answers again");
                    state.recoveries += 1;
                    closed = true;
                }
                state.faulty.answered_others(failing.items);
            }
            closed
        });
        if closed {
            self.closed.notify_waiters();
        }
    }

    /// The dependency failed for this item (a case), which may be the item's fault.
    pub fn failed(&self, dependency: Dependency, item: &str, now: Instant) {
        self.fail(dependency, Some(item), now, self.config.threshold);
    }

    /// The dependency cannot be reached at all; no item can be the reason.
    pub fn unreachable(&self, dependency: Dependency, now: Instant) {
        self.fail(dependency, None, now, self.config.threshold);
    }

    /// The same, but one failure opens the breaker, because somebody waits for it who does not need the answer.
    pub fn trip(&self, dependency: Dependency, now: Instant) {
        self.fail(dependency, None, now, 1);
    }

    fn fail(&self, dependency: Dependency, item: Option<&str>, now: Instant, threshold: u32) {
        let BreakerConfig { first_pause, longest_pause, .. } = self.config;
        let pauses = Backoff::new(first_pause, longest_pause);
        let opened = self.with(|states| {
            let state = states.entry(dependency).or_default();
            let says_nothing = item.is_some_and(|item| state.faulty.contains(item));
            if says_nothing && state.failing.is_none() {
                return None;
            }
            let failing = state.failing.get_or_insert_with(|| FailureCount::starting(now));
            if !says_nothing {
                failing.count(item);
            }
            let distinct = failing.distinct();
            match &mut failing.open {
                Some(open) => {
                    // Whoever asked before the breaker opened says nothing new: pauses grow with the probes alone.
                    if open.probing {
                        let failures = open.failures.saturating_add(u32::from(!says_nothing));
                        *open = OpenBreaker::after(failures, pauses, now);
                    }
                    None
                }
                None if distinct >= threshold => {
                    failing.open = Some(OpenBreaker::after(1, pauses, now));
                    Some(failing.failures)
                }
                None => None,
            }
        });
        if let Some(failures) = opened {
            tracing::warn!(%dependency, failures, "the dependency is down; work that needs it waits");
            metrics::counter!("dependency_outages_total", "dependency" => dependency.as_str()).increment(1);
        }
    }

    /// Whether to poll for messages that need these dependencies. One probe per pause.
    pub fn admission(&self, needed: &[Dependency], now: Instant) -> Admission {
        self.with(|states| {
            let open = states.iter_mut().filter(|(name, _)| needed.contains(*name));
            admit(open.filter_map(|(_, it)| it.open()), now, |open| &mut open.next_poll)
        })
    }

    /// Whether waiting work may ask this dependency. One probe per pause.
    pub fn turn(&self, dependency: Dependency, now: Instant) -> Admission {
        self.with(|states| {
            let open = states.get_mut(&dependency).and_then(State::open);
            admit(open.into_iter(), now, |open| &mut open.next_try)
        })
    }

    /// Waits until this dependency may be asked: it is back, or it is the caller's turn to probe.
    pub async fn wait_until_allowed(&self, dependency: Dependency) {
        loop {
            let closed = self.closed.notified();
            tokio::pin!(closed);
            // Before the look at the state, so that a breaker that closes in between is not missed.
            closed.as_mut().enable();
            match self.turn(dependency, Instant::now()) {
                Admission::Open | Admission::Probe => return,
                Admission::Paused(pause) => {
                    tokio::select! {
                        () = closed => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    /// Wakes when a breaker closes.
    pub fn closed(&self) -> tokio::sync::futures::Notified<'_> {
        self.closed.notified()
    }

    /// How often the breaker of this dependency has closed.
    pub fn recoveries(&self, dependency: Dependency) -> u64 {
        self.with(|states| states.get(&dependency).map_or(0, |it| it.recoveries))
    }

    /// Whether this dependency answered others repeatedly while it failed for the item.
    pub fn is_fault_of(&self, dependency: Dependency, item: &str) -> bool {
        self.with(|states| states.get(&dependency).is_some_and(|it| it.faulty.contains(item)))
    }

    /// Whether the breaker of this dependency is open.
    pub fn is_open(&self, dependency: Dependency) -> bool {
        self.with(|states| states.get_mut(&dependency).is_some_and(|it| it.open().is_some()))
    }

    /// The dependencies whose breakers are open.
    pub fn open(&self) -> Vec<Dependency> {
        self.with(|states| {
            states.iter_mut().filter_map(|(name, it)| it.open().is_some().then_some(*name)).collect()
        })
    }

    /// The dependencies that failed the last time they were asked, for health and metrics.
    pub fn failures(&self, now: Instant) -> Vec<DependencyFailure> {
        self.with(|states| {
            let failing = states.iter().filter_map(|(name, it)| Some((*name, it.failing.as_ref()?)));
            failing
                .map(|(dependency, it)| DependencyFailure {
                    dependency,
                    state: match it.open {
                        None => BreakerState::Closed,
                        Some(OpenBreaker { probing: true, .. }) => BreakerState::HalfOpen,
                        Some(_) => BreakerState::Open,
                    },
                    failures: it.failures,
                    lasting: now.saturating_duration_since(it.since),
                })
                .collect()
        })
    }
}

impl State {
    fn open(&mut self) -> Option<&mut OpenBreaker> {
        self.failing.as_mut()?.open.as_mut()
    }
}

impl FailureCount {
    fn starting(since: Instant) -> Self {
        Self { failures: 0, unattributed: 0, items: BTreeSet::new(), since, open: None }
    }

    fn count(&mut self, item: Option<&str>) {
        self.failures = self.failures.saturating_add(1);
        match item {
            Some(item) if self.items.len() < MAX_ITEMS => {
                self.items.insert(item.to_owned());
            }
            Some(_) => {}
            None => self.unattributed = self.unattributed.saturating_add(1),
        }
    }

    fn distinct(&self) -> u32 {
        self.unattributed.saturating_add(u32::try_from(self.items.len()).unwrap_or(u32::MAX))
    }
}

impl OpenBreaker {
    fn after(failures: u32, pauses: Backoff, now: Instant) -> Self {
        let pause = pauses.ceiling(failures);
        let next_poll = now + pause.min(LONGEST_POLL_PAUSE);
        Self { failures, pause, next_try: now + pause, next_poll, probing: false }
    }
}

/// Every open breaker has to admit the caller.
fn admit<'a>(
    open: impl Iterator<Item = &'a mut OpenBreaker>,
    now: Instant,
    next: fn(&mut OpenBreaker) -> &mut Instant,
) -> Admission {
    let mut open: Vec<&mut OpenBreaker> = open.collect();
    match open.iter_mut().map(|open| *next(open)).max() {
        None => Admission::Open,
        Some(until) if until > now => Admission::Paused(until - now),
        Some(_) => {
            for open in open {
                // The probe that is let through now needs time for its result; no other one is let through meanwhile.
                *next(open) = now + open.pause;
                open.probing = true;
            }
            Admission::Probe
        }
    }
}
