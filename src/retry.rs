//! The one backoff of the service: exponential, with jitter, bounded.

use std::time::Duration;

/// Pauses between attempts. The ceiling doubles with every attempt up to the longest; the pause is drawn from a range
/// below it, so that many who failed together do not try again together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Ceiling after the first attempt.
    pub first: Duration,
    /// No ceiling is higher.
    pub longest: Duration,
}

impl Backoff {
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// For calls that are repeated at once: 50 ms, then longer, up to two seconds.
    pub const fn short() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(2))
    }

    /// The longest possible pause after this many attempts.
    pub fn ceiling(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(16);
        self.longest.min(self.first.saturating_mul(1 << doublings))
    }

    /// A pause between nothing and the ceiling (full jitter): for many who compete for one thing.
    pub fn after(&self, attempts: u32) -> Duration {
        self.ceiling(attempts).mul_f64(fastrand::f64())
    }

    /// A pause between half the ceiling and the ceiling: for callers that must not return at once.
    pub fn at_least_half(&self, attempts: u32) -> Duration {
        self.ceiling(attempts).mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(900));

    #[test]
    fn the_ceiling_doubles_and_ends() {
        for (attempts, ceiling) in
            [(0, 10), (1, 10), (2, 20), (4, 80), (8, 900), (1000, 900), (u32::MAX, 900)]
        {
            assert_eq!(BACKOFF.ceiling(attempts), Duration::from_secs(ceiling), "{attempts} attempts");
        }
    }

    #[test]
    fn pauses_differ_and_stay_below_the_ceiling() {
        let drawn: Vec<Duration> = (0..2000).map(|_| BACKOFF.after(3)).collect();
        let ceiling = BACKOFF.ceiling(3);
        assert!(drawn.iter().all(|pause| *pause <= ceiling));
        assert!(
            drawn.iter().any(|pause| *pause < ceiling / 4)
                && drawn.iter().any(|pause| *pause > ceiling * 3 / 4)
        );
        assert!((0..2000).all(|_| BACKOFF.at_least_half(3) >= ceiling / 2));
    }
}
