//! One attempt to accept a message, and what its failure says about the dependencies.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use super::{
    accept::{Disposition, NotAccepted},
    message::{Delivery, parse},
    waiting::SeenDependency,
};
use crate::{
    breakers::{self, Breakers, STORE},
    database::in_time,
};

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptOrigin {
    Queue,
    Waiting,
    /// Somebody waits for the end of the message.
    Operator,
}

/// Accepts within a time limit. Whatever the attempt waits for when its time is over did not answer in time: that is an
/// outage of it, and a fault of ours only when it waits for nothing. A panic is a failure like another: the next message is not affected. The text of a
/// panic can be anybody's data, so it is not stored.
pub(crate) async fn attempt(
    limit: Duration,
    accepting: impl Future<Output = Result<Disposition, NotAccepted>>,
) -> Result<Disposition, NotAccepted> {
    match breakers::within(limit, AssertUnwindSafe(accepting).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(NotAccepted::Fault("the attempt panicked; standard error says where".to_owned())),
        Err(Some(dependency)) => {
            let reason = "no answer within the handler timeout".to_owned();
            Err(NotAccepted::Unavailable { dependency, reason })
        }
        Err(None) => Err(NotAccepted::Fault("the attempt did not end within the handler timeout".to_owned())),
    }
}

/// The answer of the store, in time.
pub(super) async fn of_store<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    breakers::answer_of(STORE, in_time(answer)).await
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
pub(crate) fn seen(breakers: &Breakers, failure: &NotAccepted, item: &str) -> SeenDependency {
    failure.dependency().map_or_else(SeenDependency::default, |dependency| SeenDependency {
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
