//! The journal: a transparency log over the events of all cases and everything else that a history shows. It proves
//! that nobody changed any of it since, also to somebody who is given one case only.
//!
//! Every row of the [`sources`] becomes a leaf of a Merkle tree as in RFC 9162: SHA-256(0x00 ‖ salt ‖ [canonical
//! bytes](canonical)). The salt is random and stored beside the leaf; erasure removes it together with the row and keeps
//! the leaf, which then reveals nothing, so the log stays verifiable. Signed [checkpoints](checkpoint) say which root the
//! log had at which size; one that is kept elsewhere shows a log that was cut off or rewritten.
//!
//! The log is filled off the hot path. One leader at a time (an advisory lock, held for one batch) takes committed rows in
//! the order of their transactions, and only those whose transaction is older than every running one: such a transaction
//! can no longer be overtaken, so nothing is skipped, and a rolled-back one leaves no hole. A leader that dies in the
//! middle of a batch leaves nothing behind.
//!
//! Architecture invariant: positions are dense, and the leaf at position p is leaf p - 1 of the tree.

pub mod canonical;
pub mod checkpoint;
mod enter;
pub mod hash;
mod lag;
pub(crate) mod nodes;
pub(crate) mod one_case;
pub mod proofs;
pub mod publish;
pub mod reader;
mod run;
pub mod sources;
pub(crate) mod strays;
pub mod tree;
pub mod verify;

use std::collections::BTreeMap;

pub use enter::JournalStep;
use hash::Hash;
pub use lag::{JournalLag, unsettled_since};
use sqlx::{PgConnection, PgPool};

use crate::{case::NomsNumber, event_store::reader::ReadError};

/// Key of the advisory lock that the leader holds.
pub const LEADER: i64 = 0x706f_6d6a_6f75_726e;

/// Rows entered by one step at most.
const BATCH: u32 = 1_000;

/// Fills the journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    pool: PgPool,
    batch: u32,
}

impl Journal {
    /// A journal in our store.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, batch: BATCH }
    }

    /// Enters at most so many rows in one step.
    pub fn with_batch(self, batch: u32) -> Self {
        Self { batch: batch.max(1), ..self }
    }

    /// Steps until nothing is left to enter (or another replica leads); how many rows were entered.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn catch_up(&self) -> Result<u64, ReadError> {
        let mut entered = 0;
        while let JournalStep::Entered { count, .. } = self.step().await? {
            entered += u64::from(count);
        }
        Ok(entered)
    }

    /// The last position; 0 for an empty journal.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn last(&self) -> Result<i64, ReadError> {
        let last = sqlx::query_scalar("select coalesce(max(position), 0) from journal");
        Ok(last.fetch_one(&self.pool).await?)
    }
}

/// The positions of a case's events in the journal and their leaves, by sequence.
pub async fn places_of(
    connection: &mut PgConnection,
    noms: &NomsNumber,
) -> sqlx::Result<BTreeMap<u64, (i64, String)>> {
    let places: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
        "select sequence, position, leaf from journal where case_id = $1 and source = 'event' and sequence > 0",
    )
    .bind(noms.as_str())
    .fetch_all(connection)
    .await?;
    let place = |(sequence, position, leaf): (i64, i64, Vec<u8>)| {
        (sequence.cast_unsigned(), (position, Hash::from_stored(&leaf).to_string()))
    };
    Ok(places.into_iter().map(place).collect())
}
