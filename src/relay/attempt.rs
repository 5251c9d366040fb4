//! How an attempt at a write ends without an outcome, and when one last had an outcome.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use crate::{delius::DeliusError, event_store::ExecuteError};

/// When this process last settled a write.
#[derive(Debug, Clone)]
pub(super) struct LastSettled {
    began: Instant,
    /// Milliseconds since `began`, plus one; zero for never.
    last: Arc<AtomicU64>,
}

impl LastSettled {
    pub(super) fn never() -> Self {
        Self { began: Instant::now(), last: Arc::default() }
    }

    pub(super) fn now(&self) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(elapsed + 1, Ordering::Relaxed);
    }

    pub(super) fn within(&self, span: Duration) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && self.began.elapsed().saturating_sub(Duration::from_millis(last - 1)) <= span
    }
}

/// An attempt that settled nothing.
pub(super) struct AttemptFailure {
    /// Without personal data.
    pub(super) error: String,
    /// It passes by itself: no reason to park.
    pub(super) known: bool,
}

impl From<DeliusError> for AttemptFailure {
    fn from(error: DeliusError) -> Self {
        Self { error: error.to_string(), known: error.is_transient() }
    }
}

impl From<ExecuteError> for AttemptFailure {
    fn from(error: ExecuteError) -> Self {
        Self {
            error: error.to_string(),
            known: matches!(error, ExecuteError::Unavailable(_) | ExecuteError::Contended(_)),
        }
    }
}

/// A panic is a failure like another: its write is tried again and parked, and the other cases go on. What the panic
/// says of itself can be anybody's data, so it is not kept.
pub(super) async fn unpanicked<T>(
    work: impl Future<Output = Result<T, AttemptFailure>>,
) -> Result<T, AttemptFailure> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
        Err(AttemptFailure {
            error: "the attempt panicked; standard error says where".to_owned(),
            known: false,
        })
    })
}
