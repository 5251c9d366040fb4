//! Does in one go what many ask for at the same moment.
//!
//! A request that comes alone is worked on at once; what comes while a batch is under way makes up the next batch. So a
//! quiet store answers as fast as without batches, and a busy one pays for a round trip and a commit once per batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex, Notify, mpsc, oneshot};

/// Requests that wait at most; further callers wait for room.
const ROOM: usize = 1024;

/// The next batch waits so long for the end of the one under way, and grows meanwhile. Not for longer: a batch that is stuck
/// behind a lock is no reason for others to wait.
const GROW: Duration = Duration::from_millis(5);

type BatchedRequest<T, R> = (T, oneshot::Sender<R>);

/// See the module. Its workers end when it is dropped.
#[derive(Debug)]
pub(super) struct Batcher<T, R> {
    queue: mpsc::Sender<BatchedRequest<T, R>>,
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// Starts so many workers, each of which takes up to `at_most` requests at once. `run` answers one result for each
    /// request, in the same order.
    pub(super) fn start<F, B>(workers: usize, at_most: usize, run: F) -> Self
    where
        F: Fn(Vec<T>) -> B + Clone + Send + Sync + 'static,
        B: Future<Output = Vec<R>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(ROOM);
        let (waiting, under_way) = (Arc::new(Mutex::new(waiting)), Arc::new(UnderWay::default()));
        for _ in 0..workers {
            tokio::spawn(work(Arc::clone(&waiting), Arc::clone(&under_way), at_most, run.clone()));
        }
        Self { queue }
    }

    /// The result of this request; `None` when the batch that it was part of panicked.
    pub(super) async fn submit(&self, request: T) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        self.queue.send((request, answer)).await.ok()?;
        answered.await.ok()
    }
}

/// Batches that were begun and have not ended.
#[derive(Debug, Default)]
struct UnderWay {
    count: AtomicUsize,
    ended: Notify,
}

impl UnderWay {
    /// Returns when nothing is under way, or after [`GROW`].
    async fn rest(&self) {
        let ended = self.ended.notified();
        if self.count.load(Ordering::Acquire) > 0 {
            let _ = tokio::time::timeout(GROW, ended).await;
        }
    }

    fn begin(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    fn end(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        self.ended.notify_waiters();
    }
}

async fn work<T, R, F, B>(
    waiting: Arc<Mutex<mpsc::Receiver<BatchedRequest<T, R>>>>,
    under_way: Arc<UnderWay>,
    at_most: usize,
    run: F,
) where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(Vec<T>) -> B + Send + Sync + 'static,
    B: Future<Output = Vec<R>> + Send + 'static,
{
    loop {
        let mut batch = Vec::with_capacity(at_most);
        {
            let mut waiting = waiting.lock().await;
            if waiting.recv_many(&mut batch, at_most).await == 0 {
                return;
            }
            under_way.rest().await;
            while batch.len() < at_most
                && let Ok(request) = waiting.try_recv()
            {
                batch.push(request);
            }
            under_way.begin();
        }
        let (requests, answers): (Vec<T>, Vec<_>) = batch.into_iter().unzip();
        // In a task of its own: a panic ends this batch, and the worker goes on with the next one.
        let results = tokio::spawn(run(requests)).await;
        under_way.end();
        if let Ok(results) = results {
            for (answer, result) in answers.into_iter().zip(results) {
                // A caller that has gone does not need the result.
                let _ = answer.send(result);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Mutex as Lock;

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_is_asked_during_a_batch_makes_up_the_next_one() {
        let (sizes, gate) = (Arc::new(Lock::new(vec![])), Arc::new(Semaphore::new(0)));
        let batcher = {
            let (sizes, gate) = (Arc::clone(&sizes), Arc::clone(&gate));
            Batcher::start(1, 4, move |requests: Vec<u32>| {
                let (sizes, gate) = (Arc::clone(&sizes), Arc::clone(&gate));
                async move {
                    sizes.lock().unwrap().push(requests.len());
                    gate.acquire().await.unwrap().forget();
                    requests.into_iter().map(|request| request * 2).collect()
                }
            })
        };
        let opened = async {
            // The first batch is under way before the gate is opened for the others.
            while sizes.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            gate.add_permits(10);
        };
        let (results, ()) = tokio::join!(join_all((0..6).map(|request| batcher.submit(request))), opened);
        assert_eq!(results, (0..6).map(|request| Some(request * 2)).collect::<Vec<_>>());
        assert!(sizes.lock().unwrap().len() <= 3, "{:?}", sizes.lock().unwrap());
    }

    #[tokio::test]
    async fn a_batch_that_panics_answers_nothing_and_the_next_one_is_answered() {
        let batcher = Batcher::start(1, 1, |requests: Vec<u32>| async move {
            assert!(requests != [1], "a bug");
            requests
        });
        assert_eq!(batcher.submit(1).await, None);
        assert_eq!(batcher.submit(2).await, Some(2));
    }
}
