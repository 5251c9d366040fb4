//! How current the change feed is: its consumers report to the store, the readers evaluate the reports.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::CaseRecordsConfig;

/// Records that a consumer of the change feed has just polled it, for how long a message may have been waiting there
/// undetected, and when the oldest message was sent that it knows of and has not processed. How old that is, is said by the
/// clock of the store: the one of this machine may be minutes behind, and an old message would seem to be new.
///
/// Call it after every successful poll, and poll at least every two seconds: without a report, reads go to Delius.
///
/// # Errors
/// When the store cannot be written; readers then see no report, which is safe.
pub async fn heartbeat(
    store: &PgPool,
    consumer: &str,
    undetected: Duration,
    oldest: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO change_feed_heartbeat (consumer, polled_at, lag_ms)
         VALUES ($1, now(), greatest($2, (extract(epoch FROM clock_timestamp() - $3) * 1000)::bigint))
         ON CONFLICT (consumer) DO UPDATE SET polled_at = excluded.polled_at, lag_ms = excluded.lag_ms",
    )
    .bind(consumer)
    .bind(i64::try_from(undetected.as_millis()).unwrap_or(i64::MAX))
    .bind(oldest)
    .execute(store)
    .await?;
    Ok(())
}

/// Makes the feed lag under the name of no real consumer: for `until_then`, and then until it expires like a consumer
/// that stopped reporting. `lag` is the lag that is reported meanwhile.
pub(super) async fn hold(
    connection: &mut PgConnection,
    name: &str,
    until_then: Duration,
    lag: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO change_feed_heartbeat (consumer, polled_at, lag_ms)
         VALUES ($1, now() + make_interval(secs => $2), $3)
         ON CONFLICT (consumer) DO UPDATE SET polled_at = excluded.polled_at, lag_ms = excluded.lag_ms",
    )
    .bind(name)
    .bind(until_then.as_secs_f64())
    .bind(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a consumer that stops with no message in flight. One that merely stops reporting makes the feed unknown
/// for a while, because it may have a message in flight that nobody else can see.
///
/// # Errors
/// When the store cannot be written.
pub async fn leave(store: &PgPool, consumer: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM change_feed_heartbeat WHERE consumer = $1")
        .bind(consumer)
        .execute(store)
        .await?;
    Ok(())
}

/// The last report of one consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerReport {
    /// Time since its last successful poll.
    pub age: Duration,
    /// Age of the oldest message that it had not processed then.
    pub lag: Duration,
}

/// Whether cached records may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedHealth {
    /// Every consumer polled recently and is up to date.
    Current,
    /// A consumer has messages in flight that are older than allowed.
    Lagging,
    /// No consumer, or one that stopped reporting, or the store did not answer.
    Unknown,
}

impl FeedHealth {
    /// Evaluates the consumers' last reports.
    pub fn judge(heartbeats: &[ConsumerReport], config: &CaseRecordsConfig) -> Self {
        let mut alive = heartbeats.iter().filter(|it| it.age <= config.feed_forget_after).peekable();
        if alive.peek().is_none() {
            return Self::Unknown;
        }
        alive.fold(Self::Current, |health, it| match health {
            Self::Unknown => health,
            _ if it.age > config.feed_poll_limit => Self::Unknown,
            _ if it.lag > config.feed_lag_limit => Self::Lagging,
            _ => health,
        })
    }

    /// The name in metrics and health answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Lagging => "lagging",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(age_ms: u64, lag_ms: u64) -> ConsumerReport {
        ConsumerReport { age: Duration::from_millis(age_ms), lag: Duration::from_millis(lag_ms) }
    }

    #[test]
    fn the_feed_is_current_only_while_every_consumer_polls_and_none_lags() {
        let config = CaseRecordsConfig::default();
        for (heartbeats, expected) in [
            (vec![], FeedHealth::Unknown),
            (vec![beat(100, 0)], FeedHealth::Current),
            (vec![beat(5_000, 1_000)], FeedHealth::Current),
            (vec![beat(5_001, 0)], FeedHealth::Unknown),
            (vec![beat(100, 1_001)], FeedHealth::Lagging),
            (vec![beat(100, 0), beat(100, 60_000)], FeedHealth::Lagging),
            (vec![beat(100, 60_000), beat(6_000, 0)], FeedHealth::Unknown),
            (vec![beat(6_000, 0), beat(100, 60_000)], FeedHealth::Unknown),
        ] {
            assert_eq!(FeedHealth::judge(&heartbeats, &config), expected, "{heartbeats:?}");
        }
    }

    #[test]
    fn what_makes_the_feed_lag_on_account_of_lost_messages_outlives_the_records_they_would_have_dropped() {
        let config = CaseRecordsConfig::default();
        assert!(super::super::OUTLIVED >= config.max_age);
        assert!(config.feed_forget_after >= config.max_age, "a hold is forgotten like a silent consumer");
    }

    #[test]
    fn a_consumer_that_fell_silent_is_forgotten_after_its_message_must_have_reappeared() {
        let config = CaseRecordsConfig::default();
        let gone = beat(300_001, 0);
        assert_eq!(FeedHealth::judge(&[gone, beat(100, 0)], &config), FeedHealth::Current);
        assert_eq!(FeedHealth::judge(&[gone], &config), FeedHealth::Unknown, "nobody is left");
    }
}
