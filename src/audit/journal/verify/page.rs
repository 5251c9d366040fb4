//! Checks one page of the journal: each entry against its row, and the order of the entries.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
};

use sqlx::{FromRow, PgConnection};

use super::finding::{FindingKind, VerifyFinding};
use crate::audit::journal::{
    hash::Hash,
    nodes::{self, SPAN},
    sources::{EVENTS, Record, SOURCES, Source},
    tree::{self, Node},
};

/// An entry as stored.
#[derive(Debug, FromRow)]
pub(crate) struct StoredEntry {
    pub(crate) position: i64,
    source: String,
    source_id: i64,
    xid: String,
    case_id: Option<String>,
    sequence: Option<i64>,
    salt: Option<Vec<u8>>,
    leaf: Vec<u8>,
    cluster: Option<i64>,
    /// Orders the entries of one cluster.
    #[sqlx(skip)]
    key: (u64, usize, i64),
}

/// A page in which every entry fits its row.
#[derive(Debug, Default)]
pub(crate) struct CheckedPage {
    pub(super) leaves: Vec<Hash>,
    /// The stored subtrees that end in the page.
    pub(super) subtrees: HashMap<Node, Hash>,
    /// The events among the entries, in order.
    pub(crate) events: Vec<Record>,
    pub(super) erased: u64,
}

type Rows = HashMap<(&'static str, i64), Record>;

/// Checks the leaves of the range (leaf `i` is at position `i + 1`), whose start is a multiple of 16.
pub(super) async fn check(
    connection: &mut PgConnection,
    range: &Range<u64>,
    erased: &HashSet<i64>,
) -> sqlx::Result<Result<CheckedPage, VerifyFinding>> {
    let (first, last) = (range.start.cast_signed() + 1, range.end.cast_signed());
    // One entry more on each side: the order is checked across the borders of pages too.
    let entries = entries(connection, first - 1, last + 1).await?;
    let mut rows = rows(connection, &entries).await?;
    let mut page =
        CheckedPage { subtrees: nodes::ending_in(connection, range).await?, ..CheckedPage::default() };
    for position in first..=last {
        let Some(entry) = entries.get(&position) else {
            return Ok(Err(VerifyFinding::at(position, FindingKind::EntryMissing)));
        };
        let neighbours = (entries.get(&(position - 1)), entries.get(&(position + 1)));
        let leaf = Hash::from_stored(&entry.leaf);
        if erased.contains(&position) {
            page.erased += 1;
            page.leaves.push(leaf);
            continue;
        }
        if let Err(kind) = entry.check(&rows, neighbours) {
            let kind = match kind {
                FindingKind::Edited { .. } if is_genuine(entry, &rows, &entries, &page.subtrees) => {
                    FindingKind::EntryEdited
                }
                FindingKind::Missing { source } if exists_changed(connection, entry).await? => {
                    FindingKind::Edited { source }
                }
                kind => kind,
            };
            return Ok(Err(VerifyFinding { position, event: entry.event(), kind }));
        }
        page.leaves.push(leaf);
    }
    let events = entries.range(first..=last).filter(|(_, entry)| entry.source == EVENTS.name);
    page.events = events.filter_map(|(_, entry)| rows.remove(&(EVENTS.name, entry.source_id))).collect();
    Ok(Ok(page))
}

/// The entries at these positions.
async fn entries(
    connection: &mut PgConnection,
    first: i64,
    last: i64,
) -> sqlx::Result<BTreeMap<i64, StoredEntry>> {
    let entries: Vec<StoredEntry> = sqlx::query_as(
        "select position, source, source_id, xid::text as xid, case_id, sequence, salt, leaf, cluster
         from journal where position between $1 and $2 order by position",
    )
    .bind(first)
    .bind(last)
    .fetch_all(connection)
    .await?;
    let with_key = |mut entry: StoredEntry| {
        let rank = Source::named(&entry.source).map_or(SOURCES.len(), Source::rank);
        entry.key = (entry.xid.parse().unwrap_or(u64::MAX), rank, entry.source_id);
        (entry.position, entry)
    };
    Ok(entries.into_iter().map(with_key).collect())
}

/// The rows of the entries.
async fn rows(connection: &mut PgConnection, entries: &BTreeMap<i64, StoredEntry>) -> sqlx::Result<Rows> {
    let mut rows = Rows::new();
    for source in &SOURCES {
        let keys: Vec<(String, i64)> = entries
            .values()
            .filter(|entry| entry.source == source.name)
            .map(|entry| (entry.xid.clone(), entry.source_id))
            .collect();
        if keys.is_empty() {
            continue;
        }
        let records = source.load(connection, &keys).await?;
        rows.extend(records.into_iter().map(|(id, record)| ((source.name, id), record)));
    }
    Ok(rows)
}

impl StoredEntry {
    fn event(&self) -> Option<(String, i64)> {
        Some((self.case_id.clone()?, self.sequence?))
    }

    /// Whether the two cannot follow each other. The numbers of two clusters cannot be compared.
    fn overtakes(&self, next: &Self) -> bool {
        let same_cluster = self.cluster.is_some_and(|cluster| cluster != 0 && next.cluster == Some(cluster));
        same_cluster && self.key > next.key
    }

    fn check(&self, rows: &Rows, (before, after): (Option<&Self>, Option<&Self>)) -> Result<(), FindingKind> {
        let Some(source) = Source::named(&self.source) else { return Err(FindingKind::EntryEdited) };
        let Some(row) = rows.get(&(source.name, self.source_id)) else {
            return Err(FindingKind::Missing { source: source.name });
        };
        // Where entries were exchanged, the one that overtakes all between them is the first that is wrong.
        if before.is_some_and(|before| before.overtakes(self))
            || after.is_some_and(|after| self.overtakes(after))
        {
            return Err(FindingKind::Swapped);
        }
        let Some(salt) = &self.salt else { return Err(FindingKind::EntryEdited) };
        if source.leaf(row, salt) != Some(Hash::from_stored(&self.leaf)) {
            return Err(FindingKind::Edited { source: source.name });
        }
        // Columns that are not hashed: they only repeat what is in the row.
        if self.case_id != row.case_id || self.sequence != row.sequence || self.xid != row.xid {
            return Err(FindingKind::EntryEdited);
        }
        Ok(())
    }
}

/// Whether the row still fits the stored subtree over its leaf, so that the leaf or the salt was changed and not the
/// row.
fn is_genuine(
    entry: &StoredEntry,
    rows: &Rows,
    entries: &BTreeMap<i64, StoredEntry>,
    subtrees: &HashMap<Node, Hash>,
) -> bool {
    let computed = || {
        let source = Source::named(&entry.source)?;
        source.leaf(rows.get(&(source.name, entry.source_id))?, entry.salt.as_ref()?)
    };
    let index = (entry.position - 1).cast_unsigned() >> SPAN;
    let first = (index << SPAN).cast_signed() + 1;
    let leaves = (first..first + (1 << SPAN)).map(|position| match position == entry.position {
        true => computed(),
        false => Some(Hash::from_stored(&entries.get(&position)?.leaf)),
    });
    let Some(mut hashes) = leaves.collect::<Option<Vec<Hash>>>() else { return false };
    while hashes.len() > 1 {
        hashes = hashes.chunks(2).map(tree::fold).collect();
    }
    subtrees.get(&Node { level: SPAN, index }) == hashes.first()
}

/// Whether the event is there after all, under another transaction number or id.
async fn exists_changed(connection: &mut PgConnection, entry: &StoredEntry) -> sqlx::Result<bool> {
    let Some((case, sequence)) = entry.event() else { return Ok(false) };
    sqlx::query_scalar("select exists (select from events where aggregate_id = $1 and sequence = $2)")
        .bind(case)
        .bind(sequence)
        .fetch_one(connection)
        .await
}
