//! The tasks of a running service. Each runs until the service is told to stop; one that ends before, which only a bug
//! can bring about, ends the service, so that whoever runs it sees that and starts it anew. A service without its
//! journal, say, would look well and leave every new event unprotected.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of this process.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: Arc<AtomicBool>,
}

impl Tasks {
    /// No tasks yet; `stop` tells them to end.
    pub(crate) fn new(stop: &CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop: stop.clone(), failed: Arc::default() }
    }

    /// Starts a task that runs until the stop.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) {
        let (task, this) = (tokio::spawn(task), self.clone());
        self.tracker.spawn(async move {
            let ended = task.await;
            if ended.is_ok() && this.stop.is_cancelled() {
                return;
            }
            let how = if ended.is_ok() { "ended by itself" } else { "panicked" };
            tracing::error!(task = name, "a task of the service {how}: this is a bug; the service ends");
            this.fail();
        });
    }

    /// Ends the service: something is missing that no waiting brings.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
        self.stop.cancel();
    }

    /// Waits until all of them have ended.
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many are left.
    pub(crate) fn left(&self) -> usize {
        self.tracker.len()
    }

    /// Whether one of them ended the service.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_the_service_and_shows_it() {
        let stop = CancellationToken::new();
        let tasks = Tasks::new(&stop);
        tasks.spawn("other", stop.clone().cancelled_owned());
        tasks.spawn("journal", async { panic!("a bug") });
        tasks.ended().await;
        assert!(stop.is_cancelled() && tasks.failed());
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_ends_the_service_too() {
        let stop = CancellationToken::new();
        let tasks = Tasks::new(&stop);
        tasks.spawn("journal", async {});
        tasks.ended().await;
        assert!(stop.is_cancelled() && tasks.failed());
    }

    #[tokio::test]
    async fn tasks_that_end_when_told_to_are_no_failure() {
        let stop = CancellationToken::new();
        let tasks = Tasks::new(&stop);
        tasks.spawn("journal", stop.clone().cancelled_owned());
        stop.cancel();
        tasks.ended().await;
        assert!(!tasks.failed());
    }
}
