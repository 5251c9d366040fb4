//! One step of the leader: the next committed rows become leaves.

use sqlx::{FromRow, PgConnection};

use super::{
    Journal, LEADER,
    hash::Hash,
    nodes,
    sources::{Record, SOURCES, Source},
};
use crate::{database, event_store::reader::ReadError};

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalStep {
    /// Another replica holds the lock at this moment.
    NotLeader,
    /// There was nothing to enter.
    UpToDate,
    /// Rows were entered.
    Entered {
        count: u32,
        /// How many of them are events.
        events: u32,
        /// The last position now.
        last: i64,
        /// Whether the batch was full, so that more may wait.
        full: bool,
    },
}

/// The last entry.
#[derive(FromRow)]
struct LastEntry {
    position: i64,
    source: String,
    source_id: i64,
    xid: String,
    restored: bool,
}

/// Whether the last entry (as `last`) was ordered by the numbers of another cluster: the database was restored from a
/// dump. Entries from before clusters were noted show it only while their number lies ahead.
pub(super) const RESTORED: &str = "(last.xid >= pg_snapshot_xmax(pg_current_snapshot())
     or coalesce(last.cluster <> (select system_identifier from pg_control_system()), false))";

/// A row to be entered.
#[derive(FromRow)]
struct NextEntry {
    rank: i32,
    /// Whether this cluster has reached the number of its transaction.
    own: bool,
    #[sqlx(flatten)]
    record: Record,
}

impl Journal {
    /// Enters the next batch of rows, in one transaction.
    ///
    /// # Errors
    /// When the store does not answer, or a row cannot be read.
    pub async fn step(&self) -> Result<JournalStep, ReadError> {
        let mut transaction = database::begin(&self.pool).await?;
        let leads: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)")
            .bind(LEADER)
            .fetch_one(&mut *transaction)
            .await?;
        if !leads {
            transaction.rollback().await?;
            return Ok(JournalStep::NotLeader);
        }
        let sql = format!(
            "select position, source, source_id, xid::text as xid, {RESTORED} as restored
             from journal last order by position desc limit 1"
        );
        let last: Option<LastEntry> = sqlx::query_as(&sql).fetch_optional(&mut *transaction).await?;
        let entries = next_entries(&mut transaction, last.as_ref(), self.batch).await?;
        if entries.is_empty() {
            transaction.rollback().await?;
            return Ok(JournalStep::UpToDate);
        }
        let position = last.map_or(0, |last| last.position);
        enter(&mut transaction, position, &entries).await?;
        failpoint!("journalling");
        transaction.commit().await?;
        failpoint!("journalled");
        // A batch never exceeds u32.
        let count = entries.len() as u32;
        let events = entries.iter().filter(|entry| entry.record.sequence.is_some()).count() as u32;
        let last = position + entries.len() as i64;
        Ok(JournalStep::Entered { count, events, last, full: count == self.batch })
    }
}

/// The next rows in order. After a restore into another cluster the last entry has a transaction number from the old
/// one, so it says nothing about the numbers here (and a row whose transaction has not happened here must be from
/// there): then what is not entered yet is found by comparison, first the leftovers of the old cluster, then what was
/// added here. From the first of those on, the numbers here count again: everything below it is entered.
async fn next_entries(
    connection: &mut PgConnection,
    last: Option<&LastEntry>,
    batch: u32,
) -> sqlx::Result<Vec<NextEntry>> {
    let by_comparison = last.is_none_or(|last| last.restored);
    let last_rank = last.and_then(|last| Source::named(&last.source)).map_or(0, Source::rank);
    let branches: Vec<String> = SOURCES
        .iter()
        .enumerate()
        .map(|(rank, source)| {
            let (own, condition) = if by_comparison {
                ("t.xid < pg_snapshot_xmin(pg_current_snapshot())", RESTORED_CONDITION)
            } else {
                ("true", cursor(rank, last_rank))
            };
            let select =
                source.select().replacen("select ", &format!("select {rank} as rank, {own} as own, "), 1);
            let not_entered = source.not_entered();
            // Each branch is limited too, so that a long backlog is read by index and not sorted in every step.
            format!("({select} and {condition} and {not_entered} order by own, t.xid, t.id limit $1)")
        })
        .collect();
    let sql = format!(
        "select * from ({}) next where $2::text is not null and $3::bigint is not null
         order by own, xid::xid8, rank, id limit $1",
        branches.join(" union all ")
    );
    let (xid, id) = last.map_or(("0", 0), |last| (last.xid.as_str(), last.source_id));
    sqlx::query_as(&sql).bind(i64::from(batch)).bind(xid).bind(id).fetch_all(connection).await
}

const RESTORED_CONDITION: &str = "(t.xid < pg_snapshot_xmin(pg_current_snapshot())
    or t.xid >= pg_snapshot_xmax(pg_current_snapshot()))";

/// Rows after the last entry: within one transaction the sources follow each other.
fn cursor(rank: usize, last_rank: usize) -> &'static str {
    match rank.cmp(&last_rank) {
        std::cmp::Ordering::Less => {
            "t.xid < pg_snapshot_xmin(pg_current_snapshot()) and t.xid > $2::text::xid8"
        }
        std::cmp::Ordering::Equal => {
            "t.xid < pg_snapshot_xmin(pg_current_snapshot()) and (t.xid, t.id) > ($2::text::xid8, $3::bigint)"
        }
        std::cmp::Ordering::Greater => {
            "t.xid < pg_snapshot_xmin(pg_current_snapshot()) and t.xid >= $2::text::xid8"
        }
    }
}

async fn enter(connection: &mut PgConnection, position: i64, entries: &[NextEntry]) -> Result<(), ReadError> {
    let mut leaves = Vec::with_capacity(entries.len());
    let mut salts = Vec::with_capacity(entries.len());
    for entry in entries {
        let salt = new_salt()?;
        let leaf = source(entry).leaf(&entry.record, &salt).ok_or_else(|| ReadError::Event {
            case: entry.record.case_id.clone().unwrap_or_default(),
            sequence: entry.record.sequence.unwrap_or_default(),
            what: format!("the {} {} is not JSON", source(entry).name, entry.record.id),
        })?;
        leaves.push(leaf);
        salts.push(salt.to_vec());
    }
    sqlx::query(
        "insert into journal (position, source, source_id, xid, case_id, sequence, salt, leaf, cluster)
         select $1 + place, source, id, xid::xid8, case_id, sequence, salt, leaf,
                case when own then system_identifier else 0 end
         from unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bytea[], $8::bytea[],
                     $9::boolean[])
              with ordinality as batch (source, id, xid, case_id, sequence, salt, leaf, own, place),
              pg_control_system()",
    )
    .bind(position)
    .bind(entries.iter().map(|entry| source(entry).name).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.record.id).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.record.xid.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.record.case_id.as_deref()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.record.sequence).collect::<Vec<_>>())
    .bind(salts)
    .bind(leaves.iter().map(|leaf: &Hash| leaf.as_bytes().to_vec()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.own).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    nodes::append(connection, position.cast_unsigned(), &leaves).await?;
    Ok(())
}

fn source(entry: &NextEntry) -> &'static Source {
    // The ranks in a row are the ones that the query was made from.
    &SOURCES[(entry.rank.unsigned_abs() as usize).min(SOURCES.len() - 1)]
}

fn new_salt() -> Result<[u8; 16], ReadError> {
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| {
        sqlx::Error::Io(std::io::Error::other("the operating system gives no random numbers"))
    })?;
    Ok(salt)
}
