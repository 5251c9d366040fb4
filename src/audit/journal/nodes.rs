//! The stored hashes of the tree: the leaves in `journal`, and every complete subtree of 16, 256, 4096, … leaves in
//! `journal_subtrees`. Each other subtree is computed from at most eight stored ones, so a root or a proof reads a number
//! of hashes that grows with the logarithm of the size.

use std::{collections::HashMap, ops::Range};

use sqlx::PgConnection;

use super::{
    hash::Hash,
    tree::{self, Node},
};

/// Levels from one stored subtree to the next.
pub(super) const SPAN: u32 = 4;

/// Hashes by subtree.
type KnownHashes = HashMap<Node, Hash>;

/// The roots of the trees over these leaves.
///
/// # Errors
/// When the store cannot be read, or does not hold a hash that it must hold.
pub(crate) async fn over(connection: &mut PgConnection, ranges: &[Range<u64>]) -> sqlx::Result<Vec<Hash>> {
    let mut wanted: Vec<Node> =
        ranges.iter().flat_map(tree::complete).flat_map(stored_under).collect::<Vec<_>>();
    wanted.sort_unstable();
    wanted.dedup();
    let known = read(connection, &wanted).await?;
    ranges
        .iter()
        .map(|range| {
            let subtrees = tree::complete(range).into_iter().map(|node| compute(node, &known));
            Ok(tree::fold(&subtrees.collect::<sqlx::Result<Vec<_>>>()?))
        })
        .collect()
}

/// The complete subtrees that cover the first `size` leaves.
pub(super) async fn frontier(connection: &mut PgConnection, size: u64) -> sqlx::Result<tree::Frontier> {
    let nodes = tree::complete(&(0..size));
    let wanted: Vec<Node> = nodes.iter().copied().flat_map(stored_under).collect();
    let known = read(connection, &wanted).await?;
    let subtrees = nodes.into_iter().map(|node| compute(node, &known)).collect::<sqlx::Result<_>>()?;
    Ok(tree::Frontier::new(size, subtrees))
}

/// The stored subtrees that the node consists of: itself, or those on the next stored level below.
fn stored_under(node: Node) -> impl Iterator<Item = Node> {
    let up = node.level % SPAN;
    let first = node.index << up;
    (first..first + (1 << up)).map(move |index| Node { level: node.level - up, index })
}

fn compute(node: Node, known: &KnownHashes) -> sqlx::Result<Hash> {
    if node.level.is_multiple_of(SPAN) {
        return known.get(&node).copied().ok_or(sqlx::Error::RowNotFound);
    }
    let child = |side| Node { level: node.level - 1, index: node.index * 2 + side };
    Ok(Hash::parent(&compute(child(0), known)?, &compute(child(1), known)?))
}

async fn read(connection: &mut PgConnection, wanted: &[Node]) -> sqlx::Result<KnownHashes> {
    let (levels, indices): (Vec<i16>, Vec<i64>) =
        wanted.iter().map(|node| (node.level as i16, node.index.cast_signed())).unzip();
    // Leaf 0 is at position 1.
    let found: Vec<(i16, i64, Vec<u8>)> = sqlx::query_as(
        "select 0::smallint, position - 1, leaf from journal
         where position in (select index + 1 from unnest($1::smallint[], $2::bigint[]) as k (level, index) where level = 0)
         union all
         select level, index, hash from journal_subtrees
         where (level, index) in (select * from unnest($1::smallint[], $2::bigint[]))",
    )
    .bind(levels)
    .bind(indices)
    .fetch_all(connection)
    .await?;
    let node =
        |level: i16, index: i64| Node { level: level.cast_unsigned().into(), index: index.cast_unsigned() };
    Ok(found.into_iter().map(|(level, index, hash)| (node(level, index), Hash::from_stored(&hash))).collect())
}

/// Stores the subtrees that the leaves complete, which follow the first `size` ones.
pub(super) async fn append(connection: &mut PgConnection, size: u64, leaves: &[Hash]) -> sqlx::Result<()> {
    let mut growing = frontier(connection, size).await?;
    let mut completed = vec![];
    for leaf in leaves {
        growing.push(*leaf, |node, hash| {
            if node.level.is_multiple_of(SPAN) {
                completed.push((node, hash));
            }
        });
    }
    if completed.is_empty() {
        return Ok(());
    }
    let levels: Vec<i16> = completed.iter().map(|(node, _)| node.level as i16).collect();
    let indices: Vec<i64> = completed.iter().map(|(node, _)| node.index.cast_signed()).collect();
    let hashes: Vec<&[u8]> = completed.iter().map(|(_, hash)| hash.as_bytes().as_slice()).collect();
    sqlx::query(
        "insert into journal_subtrees (level, index, hash)
         select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])",
    )
    .bind(levels)
    .bind(indices)
    .bind(hashes)
    .execute(connection)
    .await?;
    Ok(())
}

/// The stored subtrees that end within these leaves.
pub(super) async fn ending_in(
    connection: &mut PgConnection,
    range: &Range<u64>,
) -> sqlx::Result<HashMap<Node, Hash>> {
    // Level by level, each by the key: joined to a list of levels, all subtrees would be read.
    let levels = (SPAN..i64::BITS).step_by(SPAN as usize).map(|level| {
        format!(
            "select level, index, hash from journal_subtrees
             where level = {level}::smallint and index >= ($1 >> {level}) and index < ($2 >> {level})"
        )
    });
    let sql = levels.collect::<Vec<_>>().join(" union all ");
    let found: Vec<(i16, i64, Vec<u8>)> = sqlx::query_as(&sql)
        .bind(range.start.cast_signed())
        .bind(range.end.cast_signed())
        .fetch_all(connection)
        .await?;
    let node =
        |level: i16, index: i64| Node { level: level.cast_unsigned().into(), index: index.cast_unsigned() };
    Ok(found.into_iter().map(|(level, index, hash)| (node(level, index), Hash::from_stored(&hash))).collect())
}
