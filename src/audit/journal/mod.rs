//! The journal: one dense order over the events of all cases, with a hash chain that shows any later change.
//!
//! It is filled off the hot path. One leader at a time (an advisory lock, held for one batch) takes committed
//! events in the order (transaction, id), only those whose transaction is older than every running one: such a
//! transaction can no longer be overtaken, so nothing is skipped, and a rolled-back one leaves no hole. A leader
//! that dies in the middle of a batch leaves nothing behind.
//!
//! Architecture invariant: positions are dense, and `hash = SHA-256(previous hash ‖ canonical bytes)`; see
//! [`canonical`] for the bytes.

pub mod canonical;
pub mod digest;
mod lag;
pub(crate) mod one_case;
pub mod reader;
mod run;
pub(crate) mod strays;
pub mod verify;

use std::collections::BTreeMap;

use canonical::Hash;
pub use lag::{Lag, unsettled_since};
use sqlx::{FromRow, PgConnection, PgPool};

use crate::{
    case::NomsNumber,
    database,
    event_store::reader::{COLUMNS, EventRow, ReadError},
};

/// Key of the advisory lock that the leader holds.
pub const LEADER: i64 = 0x706f_6d6a_6f75_726e;

/// Events entered by one step at most.
const BATCH: u32 = 1_000;

/// Keeps the journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    pool: PgPool,
    batch: u32,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another replica holds the lock at this moment.
    NotLeader,
    /// There was nothing to enter.
    UpToDate,
    /// Events were entered.
    Entered {
        /// How many.
        count: u32,
        /// The last position now.
        last: i64,
        /// Its hash.
        hash: Hash,
        /// Whether the batch was full, so that more may wait.
        full: bool,
    },
}

#[derive(FromRow)]
struct Last {
    position: i64,
    hash: Vec<u8>,
    event_xid: String,
    event_id: i64,
    restored: bool,
}

/// Whether the last entry (as `last`) was ordered by the numbers of another cluster: the database was restored from a
/// dump. Entries from before clusters were noted show it only while their number lies ahead.
const RESTORED: &str = "(last.event_xid >= pg_snapshot_xmax(pg_current_snapshot())
     or coalesce(last.cluster <> (select system_identifier from pg_control_system()), false))";

/// An event to be entered.
#[derive(FromRow)]
struct Next {
    #[sqlx(flatten)]
    event: EventRow,
    /// Whether this cluster has come to the number of its transaction.
    own: bool,
}

impl Journal {
    /// A journal in our store.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, batch: BATCH }
    }

    /// Enters at most so many events in one step.
    pub fn with_batch(self, batch: u32) -> Self {
        Self { batch: batch.max(1), ..self }
    }

    /// Enters the next batch of events, in one transaction.
    pub async fn step(&self) -> Result<Step, ReadError> {
        let mut transaction = database::begin(&self.pool).await?;
        let leads: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)")
            .bind(LEADER)
            .fetch_one(&mut *transaction)
            .await?;
        if !leads {
            transaction.rollback().await?;
            return Ok(Step::NotLeader);
        }
        let sql = format!(
            "select position, hash, event_xid::text as event_xid, event_id, {RESTORED} as restored
             from journal last order by position desc limit 1"
        );
        let last: Option<Last> = sqlx::query_as(&sql).fetch_optional(&mut *transaction).await?;
        let events = next_events(&mut transaction, last.as_ref(), self.batch).await?;
        if events.is_empty() {
            transaction.rollback().await?;
            return Ok(Step::UpToDate);
        }
        let (position, previous) =
            last.map_or((0, Hash::GENESIS), |last| (last.position, Hash::from_stored(&last.hash)));
        let (last, hash) = enter(&mut transaction, position, previous, &events).await?;
        failpoint!("journalling");
        transaction.commit().await?;
        failpoint!("journalled");
        // A batch never exceeds u32.
        let count = events.len() as u32;
        Ok(Step::Entered { count, last, hash, full: count == self.batch })
    }

    /// Steps until nothing is left to enter (or another replica leads); how many events were entered.
    pub async fn catch_up(&self) -> Result<u64, ReadError> {
        let mut entered = 0;
        while let Step::Entered { count, .. } = self.step().await? {
            entered += u64::from(count);
        }
        Ok(entered)
    }

    /// The last position and its hash; `None` for an empty journal.
    pub async fn last(&self) -> Result<Option<(i64, Hash)>, ReadError> {
        let last: Option<(i64, Vec<u8>)> =
            sqlx::query_as("select position, hash from journal order by position desc limit 1")
                .fetch_optional(&self.pool)
                .await?;
        Ok(last.map(|(position, hash)| (position, Hash::from_stored(&hash))))
    }
}

/// The positions of a case's events in the journal and the hashes there, by sequence.
pub async fn places_of(
    connection: &mut PgConnection,
    noms: &NomsNumber,
) -> sqlx::Result<BTreeMap<u64, (i64, String)>> {
    let places: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
        "select sequence, position, hash from journal
         where aggregate_type = 'case' and aggregate_id = $1",
    )
    .bind(noms.as_str())
    .fetch_all(connection)
    .await?;
    let place = |(sequence, position, hash): (i64, i64, Vec<u8>)| {
        (sequence.cast_unsigned(), (position, Hash::from_stored(&hash).to_string()))
    };
    Ok(places.into_iter().map(place).collect())
}

/// The next events in order. After a restore into another cluster the last entry bears a transaction number from the
/// old one, so it says nothing about the numbers here (and an event whose transaction has not happened here must be
/// from there): then what is not entered yet is found by comparison, first the leftovers of the old cluster, then what
/// was added here. From the first of those on, the numbers here count again: everything below it is entered.
async fn next_events(
    connection: &mut PgConnection,
    last: Option<&Last>,
    batch: u32,
) -> sqlx::Result<Vec<Next>> {
    let not_entered = "not exists (select from journal j where j.aggregate_type = e.aggregate_type
                           and j.aggregate_id = e.aggregate_id and j.sequence = e.sequence)";
    let sql = match last {
        None | Some(Last { restored: true, .. }) => format!(
            "select {COLUMNS}, e.xid < pg_snapshot_xmin(pg_current_snapshot()) as own from events e
             where (e.xid < pg_snapshot_xmin(pg_current_snapshot())
                    or e.xid >= pg_snapshot_xmax(pg_current_snapshot()))
               and {not_entered} and $2::text is not null and $3::bigint is not null
             order by e.xid >= pg_snapshot_xmax(pg_current_snapshot()) desc, e.xid, e.id limit $1"
        ),
        Some(_) => format!(
            "select {COLUMNS}, true as own from events e
             where e.xid < pg_snapshot_xmin(pg_current_snapshot())
               and (e.xid, e.id) > ($2::text::xid8, $3::bigint) and {not_entered}
             order by e.xid, e.id limit $1"
        ),
    };
    let (xid, id) = last.map_or(("0", 0), |last| (last.event_xid.as_str(), last.event_id));
    sqlx::query_as(&sql).bind(i64::from(batch)).bind(xid).bind(id).fetch_all(connection).await
}

async fn enter(
    connection: &mut PgConnection,
    position: i64,
    previous: Hash,
    events: &[Next],
) -> Result<(i64, Hash), ReadError> {
    let mut hashes = Vec::with_capacity(events.len());
    let mut digests = Vec::with_capacity(events.len());
    let mut last = previous;
    for next in events {
        let bytes = canonical::bytes(&next.event)?;
        last = last.followed_by(&bytes);
        hashes.push(last.as_bytes().to_vec());
        digests.push(Hash::of(&bytes).as_bytes().to_vec());
    }
    let column = |of: fn(&EventRow) -> &str| events.iter().map(|next| of(&next.event)).collect::<Vec<_>>();
    sqlx::query(
        "insert into journal
             (position, aggregate_type, aggregate_id, sequence, event_xid, event_id, event_digest, hash, cluster)
         select $1 + place, aggregate_type, aggregate_id, sequence, xid::xid8, id, digest, hash,
                case when own then system_identifier else 0 end
         from unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bytea[], $8::bytea[],
                     $9::boolean[])
              with ordinality as batch (aggregate_type, aggregate_id, sequence, xid, id, digest, hash, own, place),
              pg_control_system()",
    )
    .bind(position)
    .bind(column(|event| &event.aggregate_type))
    .bind(column(|event| &event.aggregate_id))
    .bind(events.iter().map(|next| next.event.sequence).collect::<Vec<_>>())
    .bind(column(|event| &event.xid))
    .bind(events.iter().map(|next| next.event.id).collect::<Vec<_>>())
    .bind(digests)
    .bind(hashes)
    .bind(events.iter().map(|next| next.own).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok((position + events.len() as i64, last))
}
