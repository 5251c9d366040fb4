//! Reads every event of the store in the order of the journal, and checks it against its leaf on the way.
//!
//! Architecture invariant: an error ends the reading and reaches the caller. Nothing here can return a part as if
//! it were the whole.

use std::{collections::HashSet, sync::Arc};

use sqlx::PgConnection;

use super::{
    hash::Hash,
    one_case, proofs, strays,
    tree::Frontier,
    verify::{self, VerifyFinding},
};
use crate::{
    case::NomsNumber,
    event_store::reader::{COLUMNS, EventRow, PAGE},
};

/// Positions read at once; a multiple of 16, as the check of a page demands.
const POSITIONS: u64 = 512;

/// Whether the events of a case are all of them and as the journal entered them; how many of them it has entered.
pub async fn check_case(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    events: &[EventRow],
) -> sqlx::Result<Result<u64, VerifyFinding>> {
    one_case::check(connection, noms, events).await
}

/// What the tree does not show, see [`verify`]: rows that were never entered and never would be, and what is gone
/// before it was entered. `end` is the last position of the journal.
pub async fn first_stray(connection: &mut PgConnection, end: i64) -> sqlx::Result<Option<VerifyFinding>> {
    strays::first(connection, end, None).await
}

/// Reads every event once, in the order of the journal and then those that it has not entered yet, in pages, and
/// computes the tree on the way.
#[derive(Debug, Default)]
pub struct AuditReader {
    tree: Frontier,
    erased: Option<Arc<HashSet<i64>>>,
    tail: Option<UnjournaledTail>,
    not_entered: u64,
}

/// What a page turned out to be.
#[derive(Debug)]
pub enum PageRead {
    /// The next events; none at the end.
    Page(Vec<EventRow>),
    /// The journal shows that the events are not what was recorded.
    Tampered(VerifyFinding),
}

/// Where the events that are not entered yet have been read to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UnjournaledTail {
    xid: String,
    id: i64,
}

impl AuditReader {
    /// From the beginning.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next page. All pages must be read in the same picture of the store, see
    /// [`begin_picture`](crate::event_store::reader::begin_picture).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn next_page(&mut self, connection: &mut PgConnection) -> sqlx::Result<PageRead> {
        while self.tail.is_none() {
            let (start, size) = (self.tree.size(), proofs::size(connection).await?);
            let range = start..(start + POSITIONS).min(size);
            if range.is_empty() {
                self.tail = Some(UnjournaledTail { xid: "0".to_owned(), id: 0 });
                break;
            }
            let erased = match &self.erased {
                Some(erased) => Arc::clone(erased),
                None => verify::erased(connection).await?.1,
            };
            self.erased = Some(Arc::clone(&erased));
            match verify::grow_by(connection, &mut self.tree, &range, &erased).await? {
                Ok(()) => {}
                Err(finding) => return Ok(PageRead::Tampered(finding)),
            }
            let page = entered(connection, range.start.cast_signed() + 1, range.end.cast_signed()).await?;
            if !page.is_empty() {
                return Ok(PageRead::Page(page));
            }
        }
        self.next_of_tail(connection).await.map(PageRead::Page)
    }

    async fn next_of_tail(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<EventRow>> {
        let tail = self.tail.clone().unwrap_or_else(|| UnjournaledTail { xid: "0".to_owned(), id: 0 });
        let sql = format!(
            "select {COLUMNS} from events e
             where (e.xid, e.id) > ($1::text::xid8, $2::bigint)
               and not exists (select from journal j where j.source = 'event' and j.source_id = e.id)
             order by e.xid, e.id limit $3"
        );
        let page: Vec<EventRow> =
            sqlx::query_as(&sql).bind(tail.xid).bind(tail.id).bind(PAGE).fetch_all(connection).await?;
        if let Some(last) = page.last() {
            self.tail = Some(UnjournaledTail { xid: last.xid.clone(), id: last.id });
        }
        self.not_entered += page.len() as u64;
        Ok(page)
    }

    /// The last position that was read, and the root of the log there, recomputed from the rows.
    pub fn last(&self) -> Option<(i64, Hash)> {
        (self.tree.size() > 0).then(|| (self.tree.size().cast_signed(), self.tree.root()))
    }

    /// How many of the events read are not entered yet.
    pub fn not_entered(&self) -> u64 {
        self.not_entered
    }
}

/// The events at these positions.
async fn entered(connection: &mut PgConnection, first: i64, last: i64) -> sqlx::Result<Vec<EventRow>> {
    let sql = format!(
        "select {COLUMNS} from journal j join events e on (e.xid, e.id) = (j.xid, j.source_id)
         where j.position between $1 and $2 and j.source = 'event' order by j.position"
    );
    sqlx::query_as(&sql).bind(first).bind(last).fetch_all(connection).await
}
