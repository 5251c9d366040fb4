//! Reads every event of the store in the order of the journal, and checks it against its leaf on the way.
//!
//! Architecture invariant: an error ends the reading and reaches the caller. Nothing here can return a part as if
//! it were the whole.

use std::{collections::HashSet, sync::Arc};

use futures_util::{Stream, TryStreamExt as _};
use sqlx::{PgConnection, PgPool};

use super::{
    hash::Hash,
    one_case, proofs,
    sources::Record,
    strays,
    tree::Frontier,
    verify::{self, CheckedPage, VerifyFinding},
};
use crate::{
    case::NomsNumber,
    event_store::reader::{COLUMNS, EventRow, PAGE, ReadError, SharedPicture},
};

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
    Ok(strays::find(connection, end, None).await?.first)
}

/// Reads every event once, in the order of the journal and then those that it has not entered yet, in pages, and
/// computes the tree on the way.
#[derive(Debug)]
pub struct AuditReader {
    picture: SharedPicture,
    size: u64,
    erased: Arc<HashSet<i64>>,
    tree: Frontier,
    tail: UnjournaledTail,
    not_entered: u64,
}

/// Entries of the journal that fit their rows.
#[derive(Debug)]
pub struct EnteredPage(CheckedPage);

impl EnteredPage {
    /// The events among them, in order.
    pub fn events(&self) -> &[Record] {
        &self.0.events
    }
}

/// Where the events that are not entered yet have been read to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UnjournaledTail {
    xid: String,
    id: i64,
}

impl AuditReader {
    /// From the beginning, in the picture of the connection; see
    /// [`begin_picture`](crate::event_store::reader::begin_picture).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn new(pool: &PgPool, connection: &mut PgConnection) -> sqlx::Result<Self> {
        Ok(Self {
            picture: SharedPicture::of(pool, connection).await?,
            size: proofs::size(connection).await?,
            erased: verify::erased(connection).await?.1,
            tree: Frontier::default(),
            tail: UnjournaledTail { xid: "0".to_owned(), id: 0 },
            not_entered: 0,
        })
    }

    /// The picture that it reads.
    pub fn picture(&self) -> &SharedPicture {
        &self.picture
    }

    /// The pages of the journal, in order. Each is given to [`take`](Self::take) afterwards.
    pub fn pages(
        &self,
    ) -> impl Stream<Item = Result<Result<EnteredPage, VerifyFinding>, ReadError>> + Unpin + use<> {
        let pages = verify::pages(&self.picture, 0..self.size, &self.erased);
        pages.map_ok(|page| page.map(EnteredPage))
    }

    /// Continues the tree by the page that follows.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(&mut self, page: &EnteredPage) -> Result<(), VerifyFinding> {
        verify::grow_without_checkpoints(&mut self.tree, &page.0)
    }

    /// The next events that are not entered yet; none at the end.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn next_not_entered(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Record>> {
        let sql = format!(
            "select {COLUMNS} from events e
             where (e.xid, e.id) > ($1::text::xid8, $2::bigint)
               and not exists (select from journal j where j.source = 'event' and j.source_id = e.id)
             order by e.xid, e.id limit $3"
        );
        let page: Vec<EventRow> = sqlx::query_as(&sql)
            .bind(&self.tail.xid)
            .bind(self.tail.id)
            .bind(PAGE)
            .fetch_all(connection)
            .await?;
        if let Some(last) = page.last() {
            self.tail = UnjournaledTail { xid: last.xid.clone(), id: last.id };
        }
        self.not_entered += page.len() as u64;
        Ok(page.iter().map(Record::of_event).collect())
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
