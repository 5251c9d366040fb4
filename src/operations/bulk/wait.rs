//! Waits until a run is finished, or makes no progress.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{BulkRun, Report};

/// Shortest pause between two reports.
const LOOK: Duration = Duration::from_millis(250);

/// How the waiting for a run ended.
pub enum WaitEnd {
    /// Every message is recorded or parked, and every write finished.
    All(Report),
    /// No progress for as long as `--patience` allows.
    NoFurther(Report),
    /// The caller asked to stop.
    Stopped,
}

/// Waits until every message is recorded or parked and every write finished. `progress` gets the number of messages
/// that are finished.
///
/// # Errors
/// When the store cannot be read.
pub async fn wait_until_settled(
    run: &BulkRun,
    store: &sqlx::PgPool,
    patience: Duration,
    stop: &CancellationToken,
    mut progress: impl FnMut(u64),
) -> sqlx::Result<WaitEnd> {
    let messages = run.handed_over.cast_unsigned();
    let mut last = (None, Instant::now());
    let end = loop {
        let asked = Instant::now();
        let report = super::report(store, run.id).await?;
        if report.accounted >= messages && report.waiting == 0 {
            break WaitEnd::All(report);
        }
        progress(report.accounted.saturating_sub(report.waiting));
        if last.0.as_ref() != Some(&report) {
            last = (Some(report), asked);
        } else if last.1.elapsed() >= patience {
            break WaitEnd::NoFurther(report);
        }
        // The report costs more the larger the run is.
        let pause = LOOK.max(asked.elapsed() * 5);
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            break WaitEnd::Stopped;
        }
    };
    Ok(end)
}
