//! Reads every event of the store in the order of the journal, and follows the hash chain on the way.
//!
//! Architecture invariant: an error ends the reading and reaches the caller. Nothing here can return a part as if
//! it were the whole.

use sqlx::PgConnection;

use super::{
    canonical::Hash,
    one_case, strays,
    verify::{self, Chain, Finding},
};
use crate::{
    case::NomsNumber,
    event_store::reader::{COLUMNS, EventRow, PAGE},
};

/// Whether the events of a case, as [`events_of`] read them, are all of them and as the journal entered them; how many
/// of them it has entered.
pub async fn check_case(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    events: &[EventRow],
) -> sqlx::Result<Result<u64, Finding>> {
    one_case::check(connection, noms, events).await
}

/// What the chain does not show, see [`verify::verify`]: events that were never entered and never would be, and what is
/// gone before it was entered. `end` is the last position of the journal.
pub async fn first_stray(connection: &mut PgConnection, end: i64) -> sqlx::Result<Option<Finding>> {
    strays::first(connection, end).await
}

/// Reads every event once, in the order of the journal and then those that it has not entered yet, in pages, and
/// follows the hash chain on the way.
#[derive(Debug)]
pub struct AuditReader {
    chain: Chain,
    tail: Option<Tail>,
    not_entered: u64,
}

/// What a page turned out to be.
#[derive(Debug)]
pub enum Read {
    /// The next events; none at the end.
    Page(Vec<EventRow>),
    /// The journal shows that the events are not what was recorded.
    Tampered(Finding),
}

/// Where the events that are not entered yet have been read to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tail {
    xid: String,
    id: i64,
}

impl Default for AuditReader {
    fn default() -> Self {
        Self::new()
    }
}

impl AuditReader {
    /// From the beginning.
    pub fn new() -> Self {
        Self { chain: Chain::START, tail: None, not_entered: 0 }
    }

    /// The next page. All pages must be read in the same picture of the store, see [`begin_picture`].
    pub async fn next_page(&mut self, connection: &mut PgConnection) -> sqlx::Result<Read> {
        if self.tail.is_none() {
            let mut page = verify::entered_after(connection, self.chain.position(), PAGE).await?;
            let more = page.len() > PAGE as usize;
            let followed = if more { PAGE as usize } else { page.len() };
            for index in 0..followed {
                if let Err(finding) = self.chain.follow(&page[index], page.get(index + 1)) {
                    return Ok(Read::Tampered(finding));
                }
            }
            page.truncate(followed);
            if !page.is_empty() {
                return Ok(Read::Page(page.into_iter().filter_map(|entered| entered.event).collect()));
            }
            self.tail = Some(Tail { xid: "0".to_owned(), id: 0 });
        }
        let tail = self.tail.clone().unwrap_or_else(|| Tail { xid: "0".to_owned(), id: 0 });
        let sql = format!(
            "select {COLUMNS} from events e
             where (e.xid, e.id) > ($1::text::xid8, $2::bigint)
               and not exists (select from journal j where j.aggregate_type = e.aggregate_type
                                   and j.aggregate_id = e.aggregate_id and j.sequence = e.sequence)
             order by e.xid, e.id limit $3"
        );
        let page: Vec<EventRow> =
            sqlx::query_as(&sql).bind(tail.xid).bind(tail.id).bind(PAGE).fetch_all(connection).await?;
        if let Some(last) = page.last() {
            self.tail = Some(Tail { xid: last.xid.clone(), id: last.id });
        }
        self.not_entered += page.len() as u64;
        Ok(Read::Page(page))
    }

    /// The last position of the journal that was read, and its hash as recomputed from the events.
    pub fn last(&self) -> Option<(i64, Hash)> {
        self.chain.last()
    }

    /// How many of the events read are not entered yet.
    pub fn not_entered(&self) -> u64 {
        self.not_entered
    }
}
