//! The read model: case records, cached while they are known to be current.
//!
//! A record is read from Delius in one round trip, stored in our database (so that it survives a restart and serves
//! every replica) and held in memory as the bytes to send. It is served from the cache only while all of this holds:
//!
//! - the change feed is current: every consumer polled recently and has no old message in flight ([`feed`]);
//! - this replica receives invalidations: a token that it sends on the channel comes back;
//! - no invalidation of the case is newer than the read that produced the record.
//!
//! Otherwise the read goes through to Delius. While Delius does not answer, the last record that was not invalidated
//! is served and marked as stale, up to a limit. An invalidated record is never served: its reader was just notified
//! of the change, and would store the old record for a day.
//!
//! Architecture invariant: this room asks Delius only through `delius::records`.

mod coherence;
mod config;
mod document;
mod email_directory;
pub mod feed;
mod former;
mod loading;
mod memory;
mod outage;
mod reader;
mod single_flight;
mod source;
mod store;
mod watch;

use std::time::Duration;

pub use config::CaseRecordsConfig;
pub use document::{Origin, Payload, RecordAnswer, RenderedRecord};
pub use email_directory::{DirectoryConfig, EmailDirectory};
pub use feed::FeedHealth;
pub use reader::{CaseRecords, FreshnessDemand, Unavailable};
pub use source::{DeliusSource, RecordReading, RecordSource};
use sqlx::PgPool;

use crate::{case::PersonId, database};

/// Drops the cached records of these people, on every replica. Call it when a message of the change feed names them,
/// before that message is acknowledged; with both identifiers when the message has both, because a NOMS number that
/// moved to another person also outdates the record of its previous holder.
///
/// # Errors
/// When the store cannot be written: the message must then stay in its queue.
///
/// ```no_run
/// # async fn example(store: sqlx::PgPool) -> Result<(), sqlx::Error> {
/// use manage_pom_cases_and_delius::{case::PersonId, case_records};
/// let crn = PersonId::Crn("X123456".parse().expect("a CRN"));
/// case_records::invalidate(&store, &[crn]).await
/// # }
/// ```
pub async fn invalidate(store: &PgPool, people: &[PersonId]) -> Result<(), sqlx::Error> {
    store::drop_cached(store, people).await?;
    metrics::counter!("case_record_invalidations_total").increment(people.len() as u64);
    Ok(())
}

/// How long a lost message can leave a record outdated: records loaded before the loss exceed their maximum age after
/// this time ([`CaseRecordsConfig::max_age`]), and records loaded later contain the change.
pub const OUTLIVED: Duration = Duration::from_secs(300);

/// Call this before messages of the change feed are purged, with the queue's name. It drops every cached record on
/// every replica, and sends all reads through to Delius until no record can be left that one of those messages would
/// have dropped. SQS takes up to a minute to purge, and removes messages that arrive in that minute too.
///
/// # Errors
/// When the store cannot be written: nothing must be purged then.
pub async fn distrust_after_purge(store: &PgPool, queue: &str) -> Result<(), sqlx::Error> {
    const PURGING: Duration = Duration::from_secs(60);
    let mut transaction = database::begin(store).await?;
    feed::hold(&mut transaction, &format!("purge of {queue}"), PURGING, OUTLIVED).await?;
    let dropped = store::drop_all(&mut transaction).await?;
    transaction.commit().await?;
    tracing::warn!(
        queue,
        dropped,
        "queue purge: cached case records dropped; reads go through to Delius for some minutes"
    );
    Ok(())
}
