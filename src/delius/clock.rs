//! The clock of Delius, for reads that have no round trip to spare for asking it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use super::{
    engine::Session,
    error::{DeliusError, During},
};

/// Two clocks part by milliseconds in this time.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// What the clock said, and when it was asked. The clock of this machine may be minutes away from it; that time passes on
/// both alike can be relied on.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock(Arc<Mutex<Option<Said>>>);

#[derive(Debug, Clone, Copy)]
struct Said {
    time: DateTime<Utc>,
    asked: Instant,
}

impl Clock {
    /// Its present time.
    pub(super) async fn now(&self, session: &mut dyn Session) -> Result<DateTime<Utc>, DeliusError> {
        let said = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = said.filter(|said| said.asked.elapsed() < ASK_EVERY) {
            return Ok(said.time + said.asked.elapsed());
        }
        let time = session.now().await.during("while asking for the time")?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Said { time, asked: Instant::now() });
        Ok(time)
    }
}
