//! Whether Delius is known to be unavailable: then a read with a stale record at hand need not wait for the timeout.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long after a failure the next read may try Delius again.
const REST: Duration = Duration::from_secs(1);

/// The current outage, if any.
#[derive(Debug)]
pub(super) struct Outage {
    try_again: Mutex<Option<Instant>>,
    one_try: Duration,
}

impl Outage {
    /// `one_try` is how long one attempt can take: nobody else tries meanwhile.
    pub(super) fn new(one_try: Duration) -> Self {
        Self { try_again: Mutex::new(None), one_try }
    }

    pub(super) fn failed(&self) {
        *self.lock() = Some(Instant::now() + REST);
    }

    pub(super) fn answered(&self) {
        *self.lock() = None;
    }

    /// Whether a read should use the cached record. One read at a time gets `false` and tries Delius.
    pub(super) fn is_ongoing(&self) -> bool {
        let mut try_again = self.lock();
        match *try_again {
            None => false,
            Some(at) if Instant::now() < at => true,
            Some(_) => {
                *try_again = Some(Instant::now() + self.one_try);
                false
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.try_again.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reader_at_a_time_tries_whether_an_outage_is_over() {
        let outage = Outage::new(Duration::from_secs(3600));
        assert!(!outage.is_ongoing());
        outage.failed();
        assert!(outage.is_ongoing(), "it has just failed");
        *outage.lock() = Some(Instant::now());
        assert!(!outage.is_ongoing(), "one tries");
        assert!(outage.is_ongoing(), "the others do not");
        outage.answered();
        assert!(!outage.is_ongoing());
    }
}
