//! Whether the events of one case are all of them, and as the journal entered them. Only [`super::verify`] can show that
//! the journal itself is what it was.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::{
    hash::Hash,
    proofs,
    sources::{EVENTS, Record},
    strays,
    verify::{FindingKind, VerifyFinding},
};
use crate::{case::NomsNumber, event_store::reader::EventRow};

/// The entry of an event: position, salt and leaf.
type CaseEntry = (i64, Option<Vec<u8>>, Hash);

/// Compares the events of a case (all of them, in order) with their entries; how many of them are entered.
pub(crate) async fn check(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    events: &[EventRow],
) -> sqlx::Result<Result<u64, VerifyFinding>> {
    type Columns = (i64, i64, Option<Vec<u8>>, Vec<u8>);
    let entries: Vec<Columns> = sqlx::query_as(
        "select sequence, position, salt, leaf from journal where case_id = $1 and sequence > 0",
    )
    .bind(noms.as_str())
    .fetch_all(&mut *connection)
    .await?;
    let entries: BTreeMap<i64, CaseEntry> = entries
        .into_iter()
        .map(|(sequence, position, salt, leaf)| (sequence, (position, salt, Hash::from_stored(&leaf))))
        .collect();
    let end = proofs::size(connection).await?.cast_signed();
    if let Err(finding) = compare(noms, events, &entries, end) {
        return Ok(Err(finding));
    }
    Ok(match strays::lost(connection, end, Some(noms), "0").await? {
        Some(lost) => Err(lost),
        None => Ok(entries.len() as u64),
    })
}

fn compare(
    noms: &NomsNumber,
    events: &[EventRow],
    entries: &BTreeMap<i64, CaseEntry>,
    end: i64,
) -> Result<(), VerifyFinding> {
    let source = EVENTS.name;
    let found = |sequence: i64, kind| {
        let position = entries.range(sequence..).next().map_or(end + 1, |(_, (position, ..))| *position);
        Err(VerifyFinding { position, event: Some((noms.to_string(), sequence)), kind })
    };
    for (event, expected) in events.iter().zip(1..) {
        if event.sequence != expected {
            return found(expected, FindingKind::Missing { source });
        }
        match entries.get(&expected) {
            Some((_, salt, leaf)) => {
                let salt = salt.as_deref().unwrap_or_default();
                if EVENTS.leaf(&Record::of_event(event), salt) != Some(*leaf) {
                    return found(expected, FindingKind::Edited { source });
                }
            }
            // A case is entered in the order of its events.
            None if entries.range(expected..).next().is_some() => {
                return found(expected, FindingKind::Inserted { source });
            }
            None => {}
        }
    }
    let next = events.len() as i64 + 1;
    if entries.range(next..).next().is_some() { found(next, FindingKind::Missing { source }) } else { Ok(()) }
}
