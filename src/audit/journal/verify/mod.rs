//! Checks the whole journal against the rows, and names the first position that is wrong.
//!
//! Pages are read and hashed in parallel, all in one picture of the store; the tree is then computed from their leaves in
//! order, and compared with the stored subtrees and with every checkpoint.

mod checkpoints;
mod finding;
mod page;

use std::{collections::HashSet, ops::Range, sync::Arc};

use checkpoints::CheckpointsLeft;
pub use finding::{FindingKind, VerifyFinding};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
pub(crate) use page::CheckedPage;
use sqlx::{PgConnection, PgPool};

use super::{
    checkpoint::{Checkpoint, Verifier},
    hash::Hash,
    nodes::{self, SPAN},
    proofs, strays,
    tree::Frontier,
};
use crate::{
    database,
    event_store::reader::{self, ReadError, SharedPicture},
};

/// Leaves read at once: bounds the memory. A multiple of 16.
const PAGE: u64 = 1_024;

/// What is to be checked.
#[derive(Debug, Clone, Default)]
pub struct VerifyRequest {
    /// Recompute from about this position on, and take what is before from the stored subtrees. 0 or 1: everything.
    pub since: i64,
    /// Checkpoints that were kept outside the database.
    pub kept_outside: Vec<Checkpoint>,
    /// Keys that sign checkpoints; without any, the signatures of stored checkpoints are not checked.
    pub verifiers: Vec<Verifier>,
}

/// A journal in which nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntactJournal {
    /// How many positions there are.
    pub size: u64,
    /// The first position that was recomputed.
    pub from: u64,
    /// How many events were checked.
    pub events: u64,
    /// How many positions have lost their row by a recorded erasure.
    pub erased: u64,
    /// How many erasures are recorded.
    pub erasures: u64,
    /// The root, as recomputed.
    pub root: Hash,
    /// How many checkpoints of the store agree, and how many that were kept outside.
    pub checkpoints: (usize, usize),
    /// Rows that wait to be entered.
    pub waiting: u64,
}

/// Checks every position. `progress` is given positions done and positions in all.
///
/// # Errors
/// When the store cannot be read. What is wrong with the journal is in the inner result.
pub async fn verify(
    pool: &PgPool,
    request: &VerifyRequest,
    mut progress: impl FnMut(u64, u64),
) -> Result<Result<IntactJournal, VerifyFinding>, ReadError> {
    let mut transaction = database::begin(pool).await?;
    reader::begin_picture(&mut transaction).await?;
    let connection = &mut *transaction;
    let size = proofs::size(connection).await?;
    let start = request.since.max(1).cast_unsigned().min(size.max(1)).saturating_sub(1) / PAGE * PAGE;
    let since = xid_at(connection, start).await?;
    let strays = strays::find(connection, size.cast_signed(), since.as_deref()).await?;
    let (stray, waiting) = (strays.first, strays.waiting);
    if size == 0 && waiting > 0 {
        return Ok(Err(VerifyFinding::at(1, FindingKind::Empty { rows: waiting })));
    }
    let (erasures, erased) = erased(connection).await?;
    let mut checkpoints = match CheckpointsLeft::load(connection, request, start).await? {
        Ok(checkpoints) => checkpoints,
        Err(finding) => return Ok(Err(first_of(stray, finding))),
    };
    let Some(mut tree) = frontier(connection, start).await? else {
        let kind = FindingKind::HashRewritten { through: start.cast_signed() };
        return Ok(Err(first_of(stray, VerifyFinding::at(1, kind))));
    };
    let picture = SharedPicture::of(pool, connection).await?;
    let (mut events, mut erased_count) = (0, 0);
    let mut pages = pages(&picture, start..size, &erased);
    while let Some(page) = pages.try_next().await? {
        let page = match page {
            Ok(page) => page,
            Err(finding) => return Ok(Err(first_of(stray, finding))),
        };
        if let Err(finding) = grow(&mut tree, &page, &mut checkpoints) {
            return Ok(Err(first_of(stray, finding)));
        }
        events += page.events.len() as u64;
        erased_count += page.erased;
        progress(tree.size(), size);
    }
    drop(pages);
    transaction.rollback().await?;
    match (stray, checkpoints.beyond(size)) {
        (stray, Some(finding)) => Ok(Err(first_of(stray, finding))),
        (Some(stray), None) => Ok(Err(stray)),
        (None, None) => Ok(Ok(IntactJournal {
            size,
            from: (start + 1).min(size),
            events,
            erased: erased_count,
            erasures,
            root: tree.root(),
            checkpoints: checkpoints.agreed(),
            waiting,
        })),
    }
}

/// Of two findings the one at the lower position is the first.
fn first_of(stray: Option<VerifyFinding>, finding: VerifyFinding) -> VerifyFinding {
    match stray {
        Some(stray) if stray.position <= finding.position => stray,
        _ => finding,
    }
}

/// The pages of these leaves in order, each checked on a connection of its own.
pub(crate) fn pages(
    picture: &SharedPicture,
    leaves: Range<u64>,
    erased: &Arc<HashSet<i64>>,
) -> impl Stream<Item = Result<Result<CheckedPage, VerifyFinding>, ReadError>> + Unpin + use<> {
    let (picture, erased, parallel) = (picture.clone(), Arc::clone(erased), picture.parallel());
    let end = leaves.end;
    let ranges = leaves.step_by(PAGE as usize).map(move |first| first..(first + PAGE).min(end));
    let check = move |range| checked(picture.clone(), range, Arc::clone(&erased));
    Box::pin(stream::iter(ranges).map(check).buffered(parallel))
}

async fn checked(
    picture: SharedPicture,
    range: Range<u64>,
    erased: Arc<HashSet<i64>>,
) -> Result<Result<CheckedPage, VerifyFinding>, ReadError> {
    // A task of its own, so that pages are hashed on several cores.
    let checked = tokio::spawn(async move {
        let mut transaction = picture.begin().await?;
        let page = page::check(&mut transaction, &range, &erased).await?;
        transaction.rollback().await?;
        Ok(page)
    });
    checked.await.unwrap_or(Err(ReadError::Store(sqlx::Error::WorkerCrashed)))
}

/// Appends the leaves of a page to the tree, and compares what they complete with what is stored.
pub(crate) fn grow_without_checkpoints(tree: &mut Frontier, page: &CheckedPage) -> Result<(), VerifyFinding> {
    grow(tree, page, &mut CheckpointsLeft::default())
}

/// The same, and compares every root on the way with the checkpoints.
fn grow(
    tree: &mut Frontier,
    page: &CheckedPage,
    checkpoints: &mut CheckpointsLeft,
) -> Result<(), VerifyFinding> {
    for leaf in &page.leaves {
        let mut rewritten = None;
        tree.push(*leaf, |node, hash| {
            if node.level % SPAN == 0 && page.subtrees.get(&node) != Some(&hash) {
                rewritten = rewritten.or(Some(node));
            }
        });
        if let Some(node) = rewritten {
            let first = (node.index << node.level).cast_signed() + 1;
            let through = ((node.index + 1) << node.level).cast_signed();
            return Err(VerifyFinding::at(first, FindingKind::HashRewritten { through }));
        }
        checkpoints.compare(tree)?;
    }
    Ok(())
}

/// The tree before the first recomputed leaf, from stored subtrees; `None` when one of them is gone.
async fn frontier(connection: &mut PgConnection, size: u64) -> sqlx::Result<Option<Frontier>> {
    match nodes::frontier(connection, size).await {
        Ok(tree) => Ok(Some(tree)),
        Err(sqlx::Error::RowNotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The transaction of the first row that is recomputed; `None` when everything is.
async fn xid_at(connection: &mut PgConnection, start: u64) -> sqlx::Result<Option<String>> {
    if start == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("select xid::text from journal where position = $1")
        .bind(start.cast_signed() + 1)
        .fetch_optional(connection)
        .await
}

pub(crate) async fn erased(connection: &mut PgConnection) -> sqlx::Result<(u64, Arc<HashSet<i64>>)> {
    let erasures: Vec<Vec<i64>> =
        sqlx::query_scalar("select positions from erasures order by id").fetch_all(connection).await?;
    Ok((erasures.len() as u64, Arc::new(erasures.into_iter().flatten().collect())))
}
