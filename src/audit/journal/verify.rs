//! Checks the whole journal against the events, and names the first position that is wrong.
//!
//! Two columns of the journal are not in the chain and prove nothing: `entered_at` tells when an entry was made, and
//! `cluster` by whose transaction numbers it was ordered.

use std::fmt;

use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};

use crate::{
    audit::journal::{
        canonical::{self, Hash},
        digest::Digest,
        strays,
    },
    database,
    event_store::reader::{self, COLUMNS, EventRow, ReadError},
};

/// Positions read at once: bounds the memory.
const PAGE: i64 = 500;

/// A journal in which nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intact {
    /// How many events were checked.
    pub count: u64,
    /// Hash of the first position.
    pub first: Option<Hash>,
    /// The last position and its hash.
    pub last: Option<(i64, Hash)>,
    /// Events that wait to be entered.
    pub waiting: u64,
}

/// What is wrong first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The first bad position.
    pub position: i64,
    /// Case and sequence of the event there, where they are known.
    pub event: Option<(String, i64)>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What can be wrong with a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The event is not what was entered.
    Edited,
    /// The event or its entry is gone.
    Missing,
    /// An event lies among older ones and was never entered; the position is that of the event it lies before.
    Inserted,
    /// An event bears the number of a transaction that has not happened: it was never entered and never would be. The
    /// position is the one after the end.
    Ahead,
    /// A message was recorded, as its receipt says, and its event is gone. The position is that of the first event
    /// recorded after it, or the one after the end.
    Lost {
        /// NOMS number.
        case: String,
        /// SNS `MessageId`.
        message: String,
    },
    /// The event is as entered, but the digest in its entry is not.
    EntryEdited,
    /// The entries stand in another order than their events.
    Reordered,
    /// The event is as entered, but its hash does not follow from the position before: what comes before was
    /// hashed anew.
    Rehashed,
    /// The journal ends before a position that was noted outside.
    Truncated {
        /// The position that was noted.
        noted: i64,
    },
    /// The chain is sound but not the one that was noted outside: it was written anew, after the position that
    /// still agrees and up to this one.
    Rewritten {
        /// The last noted position that agrees; 0 for none.
        agrees: i64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}", self.position)?;
        if let Some((case, sequence)) = &self.event {
            write!(f, " (case {case}, event {sequence})")?;
        }
        match &self.wrong {
            Wrong::Edited => f.write_str(": edited. The event is not what was entered"),
            Wrong::Missing => f.write_str(": missing. The event or its entry is gone"),
            Wrong::Inserted => {
                f.write_str(": inserted. The event lies before this position and was never entered")
            }
            Wrong::Ahead => f.write_str(
                ": inserted. The event bears a transaction number that the database has not come to",
            ),
            Wrong::Lost { case, message } => {
                write!(f, ": missing. Message {message} was recorded for case {case}, and its event is gone")
            }
            Wrong::EntryEdited => f.write_str(": edited. The digest in the journal is not that of the event"),
            Wrong::Reordered => {
                f.write_str(": reordered. The entries stand in another order than their events")
            }
            Wrong::Rehashed => {
                f.write_str(": re-hashed. The event is as entered, but the chain before it was written anew")
            }
            Wrong::Truncated { noted } => {
                write!(f, ": truncated. The digest knows position {noted}, the journal ends before this one")
            }
            Wrong::Rewritten { agrees } => {
                write!(f, ": rewritten. The chain differs from the digest, somewhere after position {agrees}")
            }
        }
    }
}

/// A position with its event, as far as they are there.
pub(crate) struct Entered {
    pub(crate) position: i64,
    case: String,
    sequence: i64,
    key: (u64, i64),
    cluster: Option<i64>,
    digest: Hash,
    pub(crate) hash: Hash,
    pub(crate) event: Option<EventRow>,
}

/// Follows the chain position by position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    position: i64,
    hash: Hash,
    key: (u64, i64),
    cluster: Option<i64>,
}

impl Chain {
    pub(crate) const START: Self = Self { position: 0, hash: Hash::GENESIS, key: (0, 0), cluster: None };

    pub(crate) fn position(&self) -> i64 {
        self.position
    }

    /// The last position followed and its hash.
    pub(crate) fn last(&self) -> Option<(i64, Hash)> {
        (self.position > 0).then_some((self.position, self.hash))
    }

    /// Takes the next position, or says what is wrong with it. `next` is the one after it, when there is one.
    pub(crate) fn follow(&mut self, entered: &Entered, next: Option<&Entered>) -> Result<(), Finding> {
        let expected = self.position + 1;
        let named = Some((entered.case.clone(), entered.sequence));
        if entered.position != expected {
            return Err(Finding { position: expected, event: None, wrong: Wrong::Missing });
        }
        let found = |wrong| Err(Finding { position: expected, event: named.clone(), wrong });
        let Some(event) = &entered.event else { return found(Wrong::Missing) };
        let Ok(bytes) = canonical::bytes(event) else { return found(Wrong::Edited) };
        let hash = self.hash.followed_by(&bytes);
        if hash != entered.hash || entered.key != key(event) {
            let intact = Hash::of(&bytes) == entered.digest && entered.key == key(event);
            let overtakes = entered.key < self.key || next.is_some_and(|next| next.key < entered.key);
            return found(match (intact, overtakes) {
                (false, _) => Wrong::Edited,
                (true, true) => Wrong::Reordered,
                (true, false) => Wrong::Rehashed,
            });
        }
        if Hash::of(&bytes) != entered.digest {
            return found(Wrong::EntryEdited);
        }
        // The numbers of two clusters cannot be compared.
        if entered.key < self.key
            && entered.cluster.is_some_and(|cluster| cluster != 0 && self.cluster == Some(cluster))
        {
            return found(Wrong::Reordered);
        }
        *self = Self { position: expected, hash, key: entered.key, cluster: entered.cluster };
        Ok(())
    }
}

/// Checks every position, streaming. `progress` is told positions done and positions in all.
pub async fn verify(
    pool: &PgPool,
    digests: &[Digest],
    mut progress: impl FnMut(u64, u64),
) -> Result<Result<Intact, Finding>, ReadError> {
    let mut transaction = database::begin(pool).await?;
    reader::begin_picture(&mut transaction).await?;
    let total: i64 = sqlx::query_scalar("select coalesce(max(position), 0) from journal")
        .fetch_one(&mut *transaction)
        .await?;
    let stray = strays::first(&mut transaction, total).await?;
    // Of two findings the one at the lower position is the first.
    let first_of = |finding: Finding| match &stray {
        Some(stray) if stray.position <= finding.position => stray.clone(),
        _ => finding,
    };
    let mut chain = Chain::START;
    let mut first = None;
    let mut digests_left = digests.iter().peekable();
    let mut agrees = 0;
    loop {
        let page = entered_after(&mut transaction, chain.position, PAGE).await?;
        // One more than is followed, so that each position is seen together with the next one.
        let follow = if page.len() > PAGE as usize { PAGE as usize } else { page.len() };
        for (index, entered) in page[..follow].iter().enumerate() {
            if let Err(finding) = chain.follow(entered, page.get(index + 1)) {
                return Ok(Err(first_of(finding)));
            }
            first = first.or(Some(chain.hash));
            while let Some(digest) = digests_left.next_if(|digest| digest.position <= chain.position) {
                if digest.position == chain.position && digest.hash != chain.hash {
                    let event = Some((entered.case.clone(), entered.sequence));
                    let wrong = Wrong::Rewritten { agrees };
                    return Ok(Err(first_of(Finding { position: chain.position, event, wrong })));
                }
                agrees = digest.position;
            }
        }
        progress(chain.position.cast_unsigned(), total.cast_unsigned());
        if page.len() <= PAGE as usize {
            break;
        }
    }
    let end = chain.position;
    if let Some(digest) = digests_left.next() {
        let wrong = Wrong::Truncated { noted: digest.position };
        return Ok(Err(first_of(Finding { position: end + 1, event: None, wrong })));
    }
    if let Some(stray) = stray {
        return Ok(Err(stray));
    }
    let waiting: i64 =
        sqlx::query_scalar("select (select count(*) from events) - (select count(*) from journal)")
            .fetch_one(&mut *transaction)
            .await?;
    transaction.rollback().await?;
    Ok(Ok(Intact {
        count: end.cast_unsigned(),
        first,
        last: chain.last(),
        waiting: waiting.max(0).cast_unsigned(),
    }))
}

/// The next positions with their events: one more than the page, to look ahead.
pub(crate) async fn entered_after(
    connection: &mut PgConnection,
    position: i64,
    page: i64,
) -> sqlx::Result<Vec<Entered>> {
    let sql = format!(
        "select j.position, j.aggregate_id as entered_case, j.sequence as entered_sequence,
                j.event_xid::text as entered_xid, j.event_id as entered_id, j.cluster, j.event_digest, j.hash, {COLUMNS}
         from journal j left join events e
              on e.aggregate_type = j.aggregate_type and e.aggregate_id = j.aggregate_id
             and e.sequence = j.sequence
         where j.position > $1 order by j.position limit $2"
    );
    sqlx::query(&sql)
        .bind(position)
        .bind(page + 1)
        .try_map(|row: PgRow| {
            let present = row.try_get::<Option<i64>, _>("id")?.is_some();
            let event = if present { Some(sqlx::FromRow::from_row(&row)?) } else { None };
            let xid: String = row.try_get("entered_xid")?;
            Ok(Entered {
                position: row.try_get("position")?,
                case: row.try_get("entered_case")?,
                sequence: row.try_get("entered_sequence")?,
                key: (xid.parse().unwrap_or(u64::MAX), row.try_get("entered_id")?),
                cluster: row.try_get("cluster")?,
                digest: Hash::from_stored(row.try_get("event_digest")?),
                hash: Hash::from_stored(row.try_get("hash")?),
                event,
            })
        })
        .fetch_all(connection)
        .await
}

fn key(event: &EventRow) -> (u64, i64) {
    (event.xid.parse().unwrap_or(u64::MAX), event.id)
}
