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
mod directory;
mod document;
pub mod feed;
mod flights;
mod loading;
mod memory;
mod outage;
mod reader;
mod source;
mod store;
mod watch;

use sqlx::PgPool;

pub use config::CaseRecordsConfig;
pub use directory::{DirectoryConfig, StaffDirectory};
pub use document::{Answer, Document, Origin, Payload};
pub use feed::FeedHealth;
pub use reader::{CaseRecords, Demand, Unavailable};
pub use source::{DeliusSource, Reading, Source};

use crate::case::PersonId;

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
    store::drop_kept(store, people).await?;
    metrics::counter!("case_record_invalidations_total").increment(people.len() as u64);
    Ok(())
}
