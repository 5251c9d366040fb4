//! Single-flight: concurrent reads of one person share one read of Delius.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use crate::case::{Crn, PersonId};

/// A read that began longer ago is not joined: its answer may be older than the request.
const JOINABLE: Duration = Duration::from_secs(1);

struct SharedRead<T> {
    number: u64,
    began: Instant,
    read: Shared<BoxFuture<'static, T>>,
}

/// The reads in flight.
pub(super) struct SingleFlight<T> {
    under_way: Mutex<(u64, HashMap<PersonId, SharedRead<T>>)>,
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    pub(super) fn new() -> Self {
        Self { under_way: Mutex::new((0, HashMap::new())) }
    }

    /// Joins the read of this person that is in flight, or begins one. The read continues when its first caller is gone.
    pub(super) async fn join<F>(&self, person: &PersonId, begin: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: From<ReadAbandoned>,
    {
        let (number, read) = {
            let mut guard = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let (last, flights) = &mut *guard;
            match flights.get(person).filter(|it| it.began.elapsed() < JOINABLE) {
                Some(flight) => (flight.number, flight.read.clone()),
                None => {
                    let task = tokio::spawn(begin());
                    let read =
                        async move { task.await.unwrap_or_else(|_| T::from(ReadAbandoned)) }.boxed().shared();
                    *last += 1;
                    let flight = SharedRead { number: *last, began: Instant::now(), read: read.clone() };
                    flights.insert(person.clone(), flight);
                    (*last, read)
                }
            }
        };
        let answer = read.await;
        let mut guard = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.1.get(person).is_some_and(|it| it.number == number) {
            guard.1.remove(person);
        }
        answer
    }

    /// Nobody joins a read that began before an invalidation of this case. Which case a NOMS number belongs to is known
    /// only when its read is done, so those reads are not joined either.
    pub(super) fn forget(&self, crn: Option<&Crn>) {
        let mut guard = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        guard.1.retain(|person, _| match person {
            PersonId::Crn(read) => crn.is_some_and(|crn| crn != read),
            PersonId::Noms(_) => false,
        });
    }
}

/// A read ended without an answer: it panicked, or the runtime is shutting down.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadAbandoned;
