//! Pooled connections that answer, but only with errors: after a fail-over the old ones are read-only for ever, after a
//! change of a column every cached plan is refused.
//!
//! The error reaches the caller when its connection is already on the way back to the pool. So the process remembers
//! when such an error was last seen, and every connection that was opened before that moment is closed when it is
//! returned or taken. One error is enough for all of them, and new connections cost a few milliseconds.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::failure::condemns_connection;

/// When the last such error was seen. One for both databases: to open a few connections too many is cheap, and an error
/// does not say which pool it came from.
static CONDEMNED_BEFORE: Mutex<Option<Instant>> = Mutex::new(None);

/// Looks at the result of a statement. An error that its connection would give again has all older connections closed.
///
/// # Errors
/// The result's own.
pub fn observe<T>(result: sqlx::Result<T>) -> sqlx::Result<T> {
    if result.as_ref().is_err_and(condemns_connection) {
        *CONDEMNED_BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
    result
}

/// Whether a connection of this age was opened after the last error of a connection.
pub(super) fn is_fresh(age: Duration) -> bool {
    let condemned = *CONDEMNED_BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    condemned.is_none_or(|at| age < at.elapsed())
}
