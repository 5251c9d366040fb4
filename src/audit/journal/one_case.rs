//! Whether the events of one case are all of them, and as the journal entered them. The chain runs over all cases, so
//! only [`super::verify`] can show that the journal itself is what it was.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::{
    audit::journal::{
        canonical::{self, Hash},
        strays,
        verify::{Finding, Wrong},
    },
    case::NomsNumber,
    event_store::reader::EventRow,
};

/// Compares the events of a case (all of them, in order) with their entries; how many of them are entered.
pub(crate) async fn check(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    events: &[EventRow],
) -> sqlx::Result<Result<u64, Finding>> {
    let entries: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
        "select sequence, position, event_digest from journal
         where aggregate_type = 'case' and aggregate_id = $1 and sequence > 0",
    )
    .bind(noms.as_str())
    .fetch_all(&mut *connection)
    .await?;
    let entries: BTreeMap<i64, (i64, Hash)> = entries
        .into_iter()
        .map(|(sequence, position, digest)| (sequence, (position, Hash::from_stored(&digest))))
        .collect();
    let end: i64 = sqlx::query_scalar("select coalesce(max(position), 0) from journal")
        .fetch_one(&mut *connection)
        .await?;
    if let Err(finding) = compare(noms, events, &entries, end) {
        return Ok(Err(finding));
    }
    Ok(match strays::lost(connection, end, Some(noms)).await? {
        Some(lost) => Err(lost),
        None => Ok(entries.len() as u64),
    })
}

fn compare(
    noms: &NomsNumber,
    events: &[EventRow],
    entries: &BTreeMap<i64, (i64, Hash)>,
    end: i64,
) -> Result<(), Finding> {
    let found = |sequence: i64, wrong| {
        let position = entries.range(sequence..).next().map_or(end + 1, |(_, (position, _))| *position);
        Err(Finding { position, event: Some((noms.to_string(), sequence)), wrong })
    };
    for (event, expected) in events.iter().zip(1..) {
        if event.sequence != expected {
            return found(expected, Wrong::Missing);
        }
        match entries.get(&expected) {
            Some((_, digest)) => match canonical::bytes(event) {
                Ok(bytes) if Hash::of(&bytes) == *digest => {}
                _ => return found(expected, Wrong::Edited),
            },
            // A case is entered in the order of its events.
            None if entries.range(expected..).next().is_some() => return found(expected, Wrong::Inserted),
            None => {}
        }
    }
    let next = events.len() as i64 + 1;
    if entries.range(next..).next().is_some() { found(next, Wrong::Missing) } else { Ok(()) }
}
