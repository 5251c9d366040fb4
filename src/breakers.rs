//! Circuit breakers, one per dependency: while a dependency is down nobody asks it but for a probe now and then, and
//! no queue is polled for messages that need it, so that no message burns its receives into the dead-letter queue.
//!
//! After a pause the breaker is half open. Two kinds of probe are let through, each one at a time: somebody who waits
//! with work in hand, and a poll for a single new message. The second keeps one piece of work that fails for a reason
//! of its own from holding up everything else.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// Manage POM Cases.
pub const MPC: &str = "Manage POM Cases";
/// HMPPS Auth.
pub const AUTH: &str = "HMPPS Auth";
/// Delius.
pub const DELIUS: &str = "Delius";
/// Our own store.
pub const STORE: &str = "the event store";
/// The queues.
pub const SQS: &str = "SQS";
/// The directory of staff e-mail addresses.
pub const DIRECTORY: &str = "the staff directory";

/// When breakers open and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row that open a breaker.
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
    failing: Mutex<BTreeMap<&'static str, Failing>>,
    closed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Failing {
    failures: u32,
    /// Since the first failure in a row.
    since: Instant,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    pause: Duration,
    /// When the next one who waits with work in hand may try.
    next_try: Instant,
    /// When the next poll may ask for a single message.
    next_poll: Instant,
    /// A probe was let through and has not told yet.
    probing: bool,
}

/// Whether to go on.
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
    /// It answers, or failed too seldom to matter.
    Closed,
    /// It is down; nobody asks.
    Open,
    /// It was down; a probe is on its way.
    HalfOpen,
}

/// What is known of one dependency that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// Which one.
    pub dependency: &'static str,
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

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<&'static str, Failing>) -> T) -> T {
        // A panic elsewhere cannot leave these counters half-changed.
        act(&mut self.failing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// These dependencies answered. Of the others nothing is said: a message that needs only the store says
    /// nothing of Manage POM Cases.
    pub fn succeeded(&self, dependencies: &[&'static str]) {
        let closed = self.with(|failing| {
            let mut closed = false;
            for dependency in dependencies {
                if let Some(Failing { open: Some(_), since, .. }) = failing.remove(dependency) {
                    let down_ms = since.elapsed().as_millis();
                    tracing::info!(dependency, down_ms, "the dependency is back");
                    closed = true;
                }
            }
            closed
        });
        if closed {
            self.closed.notify_waiters();
        }
    }

    /// The dependency did not answer.
    pub fn failed(&self, dependency: &'static str, now: Instant) {
        self.fail(dependency, now, self.config.threshold);
    }

    /// The same where already one failure is too much, because somebody waits for it who does not need the answer.
    pub fn failed_once_too_often(&self, dependency: &'static str, now: Instant) {
        self.fail(dependency, now, 1);
    }

    fn fail(&self, dependency: &'static str, now: Instant, threshold: u32) {
        let BreakerConfig { first_pause, longest_pause, .. } = self.config;
        let opened = self.with(|failing| {
            let state = failing.entry(dependency).or_insert(Failing { failures: 0, since: now, open: None });
            state.failures = state.failures.saturating_add(1);
            if state.failures < threshold {
                return None;
            }
            let doublings = (state.failures - threshold).min(10);
            let pause = longest_pause.min(first_pause * 2_u32.pow(doublings));
            let opened = state.open.is_none();
            state.open = Some(Open { pause, next_try: now + pause, next_poll: now + pause, probing: false });
            opened.then_some(state.failures)
        });
        if let Some(failures) = opened {
            tracing::warn!(dependency, failures, "the dependency is down; work that needs it waits");
            metrics::counter!("dependency_outages_total", "dependency" => dependency).increment(1);
        }
    }

    /// Whether to poll for messages that need these dependencies. A probe is told once per pause.
    pub fn admission(&self, needed: &[&'static str], now: Instant) -> Admission {
        self.with(|failing| {
            let open = failing.iter_mut().filter(|(name, _)| needed.contains(*name));
            admit(open.filter_map(|(_, it)| it.open.as_mut()), now, |open| &mut open.next_poll)
        })
    }

    /// Whether one who waits with work in hand may ask this dependency. A probe is told once per pause.
    pub fn turn(&self, dependency: &'static str, now: Instant) -> Admission {
        self.with(|failing| {
            let open = failing.get_mut(dependency).and_then(|it| it.open.as_mut());
            admit(open.into_iter(), now, |open| &mut open.next_try)
        })
    }

    /// Waits until this dependency may be asked: it is back, or it is one's turn to see whether it is.
    pub async fn wait_for_turn(&self, dependency: &'static str) {
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

    /// Whether this dependency is taken for down.
    pub fn is_open(&self, dependency: &'static str) -> bool {
        self.with(|failing| failing.get(dependency).is_some_and(|it| it.open.is_some()))
    }

    /// The dependencies that are taken for down.
    pub fn open(&self) -> Vec<&'static str> {
        self.with(|failing| {
            failing.iter().filter(|(_, it)| it.open.is_some()).map(|(name, _)| *name).collect()
        })
    }

    /// The dependencies that failed the last time they were asked, for health and metrics.
    pub fn troubles(&self, now: Instant) -> Vec<Trouble> {
        self.with(|failing| {
            let trouble = |(dependency, it): (&&'static str, &Failing)| Trouble {
                dependency,
                state: match it.open {
                    None => BreakerState::Closed,
                    Some(Open { probing: true, .. }) => BreakerState::HalfOpen,
                    Some(_) => BreakerState::Open,
                },
                failures: it.failures,
                lasting: now.saturating_duration_since(it.since),
            };
            failing.iter().map(trouble).collect()
        })
    }
}

/// Every open breaker has to let one through.
fn admit<'a>(
    open: impl Iterator<Item = &'a mut Open>,
    now: Instant,
    next: fn(&mut Open) -> &mut Instant,
) -> Admission {
    let mut open: Vec<&mut Open> = open.collect();
    match open.iter_mut().map(|open| *next(open)).max() {
        None => Admission::Open,
        Some(until) if until > now => Admission::Paused(until - now),
        Some(_) => {
            for open in open {
                // The probe that is let through now needs time to tell; nobody else is meanwhile.
                *next(open) = now + open.pause;
                open.probing = true;
            }
            Admission::Probe
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_PAUSE: Duration = Duration::from_secs(1);

    fn down(breakers: &Breakers, dependency: &'static str, now: Instant) {
        for _ in 0..3 {
            breakers.failed(dependency, now);
        }
    }

    #[test]
    fn a_breaker_opens_after_failures_in_a_row_probes_and_closes_on_success() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        breakers.failed(DELIUS, start);
        breakers.failed(DELIUS, start);
        assert_eq!(breakers.admission(&[DELIUS], start), Admission::Open);
        assert_eq!(breakers.troubles(start)[0].state, BreakerState::Closed);
        breakers.failed(DELIUS, start);
        assert_eq!(breakers.admission(&[DELIUS], start), Admission::Paused(FIRST_PAUSE));
        assert_eq!(breakers.open(), [DELIUS]);
        assert_eq!(breakers.troubles(start)[0].state, BreakerState::Open);
        assert_eq!(breakers.admission(&[DELIUS], start + FIRST_PAUSE), Admission::Probe);
        assert_eq!(breakers.troubles(start + FIRST_PAUSE)[0].state, BreakerState::HalfOpen);
        breakers.failed(DELIUS, start + FIRST_PAUSE);
        assert_eq!(breakers.admission(&[DELIUS], start + FIRST_PAUSE), Admission::Paused(FIRST_PAUSE * 2));
        breakers.succeeded(&[STORE]);
        assert_eq!(breakers.open(), [DELIUS]);
        breakers.succeeded(&[DELIUS]);
        assert_eq!(breakers.admission(&[DELIUS], start), Admission::Open);
        assert!(breakers.open().is_empty());
    }

    #[test]
    fn one_failure_opens_the_breaker_of_what_can_be_done_without() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        breakers.failed_once_too_often(DIRECTORY, start);
        assert_eq!(breakers.turn(DIRECTORY, start), Admission::Paused(FIRST_PAUSE));
        assert_eq!(breakers.turn(DIRECTORY, start + FIRST_PAUSE), Admission::Probe);
        breakers.failed_once_too_often(DIRECTORY, start + FIRST_PAUSE);
        assert_eq!(breakers.turn(DIRECTORY, start + FIRST_PAUSE), Admission::Paused(FIRST_PAUSE * 2));
    }

    #[test]
    fn one_probe_of_each_kind_is_let_through_in_a_pause() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        down(&breakers, MPC, start);
        let later = start + FIRST_PAUSE;
        assert_eq!(breakers.turn(MPC, later), Admission::Probe);
        assert_eq!(breakers.turn(MPC, later), Admission::Paused(FIRST_PAUSE));
        assert_eq!(breakers.admission(&[MPC], later), Admission::Probe);
        assert_eq!(breakers.admission(&[MPC], later), Admission::Paused(FIRST_PAUSE));
    }

    #[test]
    fn who_does_not_need_what_is_down_goes_on() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        down(&breakers, MPC, start);
        assert_eq!(breakers.admission(&[STORE], start), Admission::Open);
        assert_eq!(breakers.turn(DELIUS, start), Admission::Open);
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        for _ in 0..1000 {
            breakers.failed(DELIUS, start);
        }
        assert_eq!(breakers.turn(DELIUS, start), Admission::Paused(Duration::from_secs(30)));
    }

    #[tokio::test]
    async fn everybody_who_waits_is_woken_when_the_dependency_is_back() {
        let config = BreakerConfig {
            first_pause: Duration::from_secs(3600),
            longest_pause: Duration::from_secs(3600),
            ..BreakerConfig::default()
        };
        let (breakers, start) = (Breakers::new(config), Instant::now());
        down(&breakers, MPC, start);
        let waiting = futures_util::future::join(breakers.wait_for_turn(MPC), breakers.wait_for_turn(MPC));
        let back = async {
            tokio::task::yield_now().await;
            breakers.succeeded(&[MPC]);
        };
        futures_util::future::join(waiting, back).await;
    }
}
