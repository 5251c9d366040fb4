//! How current the change feed is: its consumers say so in the store, the readers judge.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use super::CaseRecordsConfig;

/// Notes that a consumer of the change feed has just polled it, and how old the oldest message is that it knows of
/// and has not worked through (zero when the poll came back empty and nothing is in hand).
///
/// Call it after every successful poll, and poll at least every two seconds: silence makes readers go to Delius.
///
/// # Errors
/// When the store cannot be written; the readers then see silence, which is safe.
pub async fn heartbeat(store: &PgPool, consumer: &str, lag: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO change_feed_heartbeat (consumer, polled_at, lag_ms) VALUES ($1, now(), $2)
         ON CONFLICT (consumer) DO UPDATE SET polled_at = excluded.polled_at, lag_ms = excluded.lag_ms",
    )
    .bind(consumer)
    .bind(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX))
    .execute(store)
    .await?;
    Ok(())
}

/// Makes the feed lag on behalf of nobody who polls: for as long as `until_then`, and then until it is forgotten like a
/// consumer that fell silent. `lag` is what is told of it meanwhile.
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

/// Takes a consumer off the list when it stops with nothing in hand. One that just falls silent makes the feed
/// unknown for a while, because it may hold a message that nobody else can see.
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

/// What one consumer last said, and how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerReport {
    /// Time since its last successful poll.
    pub age: Duration,
    /// Age of the oldest message it had not worked through then.
    pub lag: Duration,
}

/// Whether what is kept may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedHealth {
    /// Every consumer has polled of late and is up to date.
    Current,
    /// A consumer has messages in hand that are older than allowed.
    Lagging,
    /// No consumer, or one that fell silent, or the store could not be asked.
    Unknown,
}

impl FeedHealth {
    /// Judges what the consumers last said.
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
