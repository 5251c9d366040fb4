//! Circuit breaker: while a dependency is down, polling pauses, so that no message burns its receives into the
//! dead-letter queue.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Failures in a row that open the breaker.
const THRESHOLD: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The breakers of all dependencies of the ingestion.
#[derive(Debug, Default)]
pub struct Breakers {
    states: Mutex<BTreeMap<&'static str, State>>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

/// Whether to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// All dependencies answer: poll as usual.
    Open,
    /// A pause is over: poll a single message, to see whether the dependency is back.
    Probe,
    /// A dependency is down: do not poll for this long.
    Paused(Duration),
}

impl Breakers {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<&'static str, State>) -> T) -> T {
        // A panic elsewhere cannot leave these counters half-changed.
        act(&mut self.states.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// These dependencies answered. Of the others nothing is said: a message that needs only the store says
    /// nothing of Manage POM Cases.
    pub fn succeeded(&self, dependencies: &[&'static str]) {
        self.with(|states| states.retain(|name, _| !dependencies.contains(name)));
    }

    /// The dependency did not answer.
    pub fn failed(&self, dependency: &'static str, now: Instant) {
        self.with(|states| {
            let state = states.entry(dependency).or_insert(State { failures: 0, open_until: None });
            state.failures = state.failures.saturating_add(1);
            if state.failures >= THRESHOLD {
                let doublings = (state.failures - THRESHOLD).min(10);
                let pause = LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow(doublings));
                state.open_until = Some(now + pause);
            }
        });
    }

    /// Whether to poll now.
    pub fn admission(&self, now: Instant) -> Admission {
        self.with(|states| {
            let latest = states.values().filter_map(|state| state.open_until).max();
            match latest {
                None => Admission::Open,
                Some(until) if until <= now => Admission::Probe,
                Some(until) => Admission::Paused(until - now),
            }
        })
    }

    /// The dependencies that are taken for down, for health and metrics.
    pub fn open(&self) -> Vec<&'static str> {
        self.with(|states| {
            states.iter().filter(|(_, state)| state.open_until.is_some()).map(|(name, _)| *name).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_after_failures_in_a_row_probes_and_closes_on_success() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        breakers.failed("Delius", start);
        breakers.failed("Delius", start);
        assert_eq!(breakers.admission(start), Admission::Open);
        breakers.failed("Delius", start);
        assert_eq!(breakers.admission(start), Admission::Paused(FIRST_PAUSE));
        assert_eq!(breakers.open(), ["Delius"]);
        assert_eq!(breakers.admission(start + FIRST_PAUSE), Admission::Probe);
        breakers.failed("Delius", start + FIRST_PAUSE);
        assert_eq!(breakers.admission(start + FIRST_PAUSE), Admission::Paused(FIRST_PAUSE * 2));
        breakers.succeeded(&["the event store"]);
        assert_eq!(breakers.open(), ["Delius"]);
        breakers.succeeded(&["Delius"]);
        assert_eq!(breakers.admission(start), Admission::Open);
        assert!(breakers.open().is_empty());
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        for _ in 0..1000 {
            breakers.failed("Delius", start);
        }
        assert_eq!(breakers.admission(start), Admission::Paused(LONGEST_PAUSE));
    }
}
