//! The read model: case records, kept while they are known to be current.
//!
//! A record is read from Delius in one round trip, kept in the store (so that it survives a restart and serves every
//! replica) and held in memory as the bytes to send. It is served from there only while all of this is known:
//!
//! - the change feed is current: each of its consumers polled of late and has nothing old in hand ([`feed`]);
//! - this replica hears invalidations: a word it says on the channel comes back to it;
//! - no invalidation of the case came after the read that brought the record.
//!
//! Otherwise the read goes through to Delius. While Delius gives no answer, the last record that was not invalidated
//! is served and said to be stale, up to a limit. A record that *was* invalidated is not: its reader was just told
//! that it changed, and would keep the old one for a day.
//!
//! Architecture invariant: this room asks Delius only through `delius::records`.

mod coherence;
mod config;
mod document;
mod email_directory;
pub mod feed;
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

/// Drops what is kept of these people, on every replica. To be called when a message of the change feed names them,
/// before that message is acknowledged; with both identifiers when the message has both, because a NOMS number that
/// moved to another person outdates whoever had it before.
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

/// How long a message that was lost may make a record outdated: records loaded before it was lost are too old by
/// themselves after this time ([`CaseRecordsConfig::max_age`]), and records loaded later contain what it told of.
pub const OUTLIVED: Duration = Duration::from_secs(300);

/// To be called before messages of the change feed are purged, with the queue's name: drops every kept record, on
/// every replica, and keeps all from being trusted until no record can be left that one of those messages would have
/// dropped. SQS takes up to a minute to purge, and takes messages with it that come in meanwhile.
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
        "a queue is purged: cached case records are dropped and not trusted for a while"
    );
    Ok(())
}
