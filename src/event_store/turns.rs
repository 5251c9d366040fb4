//! One message of a case at a time within a process. Two at once would both ask Manage POM Cases, and one of the two
//! answers would be thrown away with the append that comes second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

use crate::case::NomsNumber;

/// The cases that are worked on.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    cases: Arc<Mutex<HashMap<NomsNumber, Arc<Lock<()>>>>>,
}

/// The right to work on the case until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    noms: NomsNumber,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub(super) async fn take(&self, noms: &NomsNumber) -> Turn {
        let lock = Arc::clone(self.lock().entry(noms.clone()).or_default());
        // Before the wait: who is cancelled while it waits leaves nothing behind either.
        let mut turn = Turn { turns: self.clone(), noms: noms.clone(), guard: None };
        turn.guard = Some(lock.lock_owned().await);
        turn
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NomsNumber, Arc<Lock<()>>>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut cases = self.turns.lock();
        // Nobody else holds it or waits for it: only the table itself.
        if cases.get(&self.noms).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            cases.remove(&self.noms);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_case_is_worked_on_once_at_a_time_and_nothing_is_left_behind() {
        let (turns, one, other) = (Turns::default(), "A1234BC".parse().unwrap(), "A1234BD".parse().unwrap());
        let first = turns.take(&one).await;
        assert!(turns.take(&one).now_or_never().is_none());
        assert!(turns.take(&other).now_or_never().is_some());
        drop(first);
        assert!(turns.take(&one).now_or_never().is_some());
        assert!(turns.lock().is_empty());
    }
}
