//! One attempt to accept a message, and what its failure says about the dependencies.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use super::{
    accept::{Disposition, NotAccepted},
    message::{Delivery, parse},
    waiting::Seen,
};
use crate::breakers::Breakers;

/// Accepts within a time limit. A panic is a failure like another: the next message is not affected. The text of a
/// panic can be anybody's data, so it is not stored.
pub(crate) async fn attempt(
    limit: Duration,
    accepting: impl Future<Output = Result<Disposition, NotAccepted>>,
) -> Result<Disposition, NotAccepted> {
    match tokio::time::timeout(limit, AssertUnwindSafe(accepting).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(NotAccepted::Fault("the attempt panicked; standard error says where".to_owned())),
        Err(_) => Err(NotAccepted::Fault("the attempt did not end within the handler timeout".to_owned())),
    }
}

/// Counts a failure for the breaker of its dependency.
pub(crate) fn tell_breakers(breakers: &Breakers, failure: &NotAccepted, item: &str) {
    let Some(dependency) = failure.dependency() else { return };
    match failure {
        NotAccepted::Unavailable { .. } if failure.is_of_database() => {
            breakers.unreachable(dependency, Instant::now())
        }
        _ => breakers.failed(dependency, item, Instant::now()),
    }
}

/// What the breakers know about the dependency of a failure.
pub(crate) fn seen(breakers: &Breakers, failure: &NotAccepted, item: &str) -> Seen {
    failure.dependency().map_or_else(Seen::default, |dependency| Seen {
        is_down: breakers.is_open(dependency),
        answers_others: breakers.is_fault_of(dependency, item),
    })
}

impl Delivery {
    /// What the message is about, as breakers count it: the case or the person, else the message itself.
    pub(crate) fn item(&self) -> String {
        let (message_id, parsed) = parse(self);
        let Ok(parsed) = parsed else { return message_id };
        let noms = parsed.event.noms().map(|noms| noms.to_string());
        noms.or_else(|_| parsed.event.crn().map(|crn| crn.to_string())).unwrap_or(message_id)
    }
}
