//! Replay: do the stored events still mean, to today's code, the writes that were derived from them? And was every
//! event read? Nothing is written: all of it happens in one read-only picture of the store.

mod compare;
pub mod decisions;
mod diff;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use compare::event as derived_writes;
pub use compare::{Discrepancy, WriteDifference};
use futures_util::TryStreamExt as _;
use sqlx::{PgConnection, PgPool};

use crate::{
    audit::journal::{
        self,
        hash::Hash,
        reader::{AuditReader, EnteredPage},
        sources::{EVENTS, Record},
        verify::VerifyFinding,
    },
    case::{CaseEvent, InvalidIdentifier, NomsNumber},
    database,
    event_store::reader::{self, EventRow, ReadError, SharedPicture},
    outbox::audit::{self, StoredWrite},
};

/// What was replayed without a difference, and how we know that it was everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Events read.
    pub events: u64,
    /// Writes derived from them and found as stored.
    pub writes: u64,
    /// The last position of the journal that was read and the root there, recomputed from the rows; `None` when nothing
    /// is entered yet, or for the replay of one case.
    pub journal: Option<(i64, Hash)>,
    /// Events among them that the journal has not entered yet.
    pub not_entered: u64,
}

/// Why a replay is not *identical*.
#[derive(Debug, Clone, PartialEq)]
pub enum Unlike {
    /// A write differs.
    Write(Box<WriteDifference>),
    /// The journal shows that the events are not what was recorded.
    Tampered(VerifyFinding),
    /// The store counts other numbers than were read: a fault of this code.
    Incomplete {
        /// What was counted.
        what: &'static str,
        /// How many were read.
        read: u64,
        /// How many there are.
        stored: u64,
    },
}

/// Replays one case; `None` when it has no events and none were entered. That every event was read is shown by its
/// sequence, without a gap, and by the entries of the journal.
pub async fn one(pool: &PgPool, noms: &NomsNumber) -> Result<Option<Result<Replayed, Unlike>>, ReadError> {
    let mut transaction = database::begin(pool).await?;
    reader::begin_picture(&mut transaction).await?;
    let rows = reader::events_of(&mut transaction, noms).await?;
    let stored = audit::of_case(&mut transaction, noms).await?;
    let checked = journal::reader::check_case(&mut transaction, noms, &rows).await?.map_err(Unlike::Tampered);
    transaction.rollback().await?;
    if rows.is_empty() {
        return Ok(checked.err().map(Err));
    }
    // A write that differs comes first: it says more of what was changed.
    let mut by_event = group(stored);
    let (mut events, mut writes) = (0, 0);
    for row in &rows {
        match replay_event((&row.aggregate_id, row.sequence), &row.event()?, &mut by_event)? {
            Ok(count) => writes += count,
            Err(difference) => return Ok(Some(Err(Unlike::Write(difference)))),
        }
        events += 1;
    }
    if let Some(orphan) = by_event.into_values().flatten().next() {
        return Ok(Some(Err(Unlike::Write(Box::new(WriteDifference::orphan(orphan))))));
    }
    Ok(Some(checked.map(|entered| Replayed { events, writes, journal: None, not_entered: events - entered })))
}

/// Replays every stream of one person; `None` when none has events.
pub async fn person(
    pool: &PgPool,
    numbers: &BTreeSet<NomsNumber>,
) -> Result<Option<Result<Replayed, Unlike>>, ReadError> {
    let mut sum: Option<Replayed> = None;
    for noms in numbers {
        match one(pool, noms).await? {
            None => {}
            Some(Err(unlike)) => return Ok(Some(Err(unlike))),
            Some(Ok(replayed)) => {
                sum = Some(match sum {
                    None => replayed,
                    Some(sum) => Replayed {
                        events: sum.events + replayed.events,
                        writes: sum.writes + replayed.writes,
                        journal: None,
                        not_entered: sum.not_entered + replayed.not_entered,
                    },
                });
            }
        }
    }
    Ok(sum.map(Ok))
}

/// Decides every event of every stream of one person again; how many events were decided.
pub async fn decisions_of_person(
    pool: &PgPool,
    numbers: &BTreeSet<NomsNumber>,
) -> Result<Result<u64, Box<decisions::OtherDecision>>, ReadError> {
    let mut decided = 0;
    for noms in numbers {
        match decisions_of(pool, noms).await? {
            None => {}
            Some(Ok(events)) => decided += events,
            Some(Err(other)) => return Ok(Err(other)),
        }
    }
    Ok(Ok(decided))
}

/// Decides every event of one case again; `None` when it has none, else how many events were decided.
pub async fn decisions_of(
    pool: &PgPool,
    noms: &NomsNumber,
) -> Result<Option<Result<u64, Box<decisions::OtherDecision>>>, ReadError> {
    let mut transaction = database::begin(pool).await?;
    reader::begin_picture(&mut transaction).await?;
    let rows = reader::events_of(&mut transaction, noms).await?;
    transaction.rollback().await?;
    if rows.is_empty() {
        return Ok(None);
    }
    if let Some((_, missing)) = rows.iter().zip(1_i64..).find(|(row, expected)| row.sequence != *expected) {
        return Ok(Some(Err(Box::new(decisions::OtherDecision::missing(noms, missing.cast_unsigned())))));
    }
    let events = rows.iter().map(EventRow::event).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(decisions::decide_again(noms, &events).await.map(|()| events.len() as u64)))
}

/// Decides every event of every case again, case by case; how many events were decided.
pub async fn decisions_of_all(
    pool: &PgPool,
    mut progress: impl FnMut(u64),
) -> Result<Result<u64, Box<decisions::OtherDecision>>, ReadError> {
    let (mut decided, mut after) = (0, String::new());
    loop {
        let page = reader::cases_after(pool, &after, 500).await?;
        let Some(last) = page.last().cloned() else { return Ok(Ok(decided)) };
        for case in page {
            let noms: NomsNumber = case.parse().map_err(|error: InvalidIdentifier| ReadError::Event {
                case,
                sequence: 1,
                what: error.to_string(),
            })?;
            match decisions_of(pool, &noms).await? {
                Some(Err(other)) => return Ok(Err(other)),
                Some(Ok(events)) => decided += events,
                None => {}
            }
            progress(decided);
        }
        after = last;
    }
}

/// Replays all cases in the order of the journal. `progress` is told events done and events in all.
pub async fn all(
    pool: &PgPool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Result<Replayed, Unlike>, ReadError> {
    let mut transaction = database::begin(pool).await?;
    reader::begin_picture(&mut transaction).await?;
    let total = reader::count(&mut transaction).await?;
    let mut events = AuditReader::new(pool, &mut transaction).await?;
    let mut replayed = Replayed { events: 0, writes: 0, journal: None, not_entered: 0 };
    let picture = events.picture().clone();
    let parallel = picture.parallel();
    let mut pages = events.pages().map_ok(|page| replayed_page(picture.clone(), page)).try_buffered(parallel);
    while let Some(page) = pages.try_next().await? {
        let (page, outcome) = match page {
            Ok(page) => page,
            Err(finding) => return Ok(Err(Unlike::Tampered(finding))),
        };
        if let Err(finding) = events.take(&page) {
            return Ok(Err(Unlike::Tampered(finding)));
        }
        match outcome {
            Ok(writes) => replayed.writes += writes,
            Err(difference) => return Ok(Err(Unlike::Write(difference))),
        }
        replayed.events += page.events().len() as u64;
        progress(replayed.events, total);
    }
    drop(pages);
    loop {
        let page = events.next_not_entered(&mut transaction).await?;
        if page.is_empty() {
            break;
        }
        match replay_page(&mut transaction, &page).await? {
            Ok(writes) => replayed.writes += writes,
            Err(difference) => return Ok(Err(Unlike::Write(difference))),
        }
        replayed.events += page.len() as u64;
        progress(replayed.events, total);
    }
    let end = events.last().map_or(0, |(position, _)| position);
    if let Some(stray) = journal::reader::first_stray(&mut transaction, end).await? {
        return Ok(Err(Unlike::Tampered(stray)));
    }
    replayed.journal = events.last();
    replayed.not_entered = events.not_entered();
    if replayed.events != total {
        return Ok(Err(Unlike::Incomplete { what: "events", read: replayed.events, stored: total }));
    }
    let stored = audit::count(&mut transaction).await?;
    if stored != replayed.writes {
        // More are stored than the events mean: some belong to no event.
        return Ok(Err(match orphan(&mut transaction).await? {
            Some(orphan) => Unlike::Write(Box::new(WriteDifference::orphan(orphan))),
            None => Unlike::Incomplete { what: "writes", read: replayed.writes, stored },
        }));
    }
    transaction.rollback().await?;
    Ok(Ok(replayed))
}

/// The first stored write whose event does not exist.
async fn orphan(connection: &mut PgConnection) -> Result<Option<StoredWrite>, ReadError> {
    let mut after: Option<StoredWrite> = None;
    loop {
        let page = audit::page(connection, after.as_ref()).await?;
        let Some(last) = page.last().cloned() else { return Ok(None) };
        let cases: Vec<&str> = page.iter().map(|write| write.case_id.as_str()).collect();
        let sequences: Vec<i64> = page.iter().map(|write| write.sequence).collect();
        let exist = reader::existing(connection, &cases, &sequences).await?;
        let orphan = page.iter().find(|write| !exist.contains(&(write.case_id.clone(), write.sequence)));
        if let Some(orphan) = orphan {
            return Ok(Some(orphan.clone()));
        }
        after = Some(last);
    }
}

type ByEvent = BTreeMap<(String, i64), Vec<StoredWrite>>;

fn group(stored: Vec<StoredWrite>) -> ByEvent {
    let mut by_event = ByEvent::new();
    for write in stored {
        by_event.entry((write.case_id.clone(), write.sequence)).or_default().push(write);
    }
    by_event
}

/// Writes that were compared, or the first difference.
type PageOutcome = Result<u64, Box<WriteDifference>>;

/// Replays a page on a connection of its own, in a task of its own: pages are derived on several cores.
async fn replayed_page(
    picture: SharedPicture,
    page: Result<EnteredPage, VerifyFinding>,
) -> Result<Result<(EnteredPage, PageOutcome), VerifyFinding>, ReadError> {
    let page = match page {
        Ok(page) => page,
        Err(finding) => return Ok(Err(finding)),
    };
    let replayed = tokio::spawn(async move {
        let mut transaction = picture.begin().await?;
        let outcome = replay_page(&mut transaction, page.events()).await?;
        transaction.rollback().await?;
        Ok(Ok((page, outcome)))
    });
    replayed.await.unwrap_or(Err(ReadError::Store(sqlx::Error::WorkerCrashed)))
}

async fn replay_page(connection: &mut PgConnection, page: &[Record]) -> Result<PageOutcome, ReadError> {
    let column = |row, name| EVENTS.column(row, name).unwrap_or_default();
    let cases: Vec<&str> = page.iter().map(|row| column(row, "aggregate_id")).collect();
    let sequences: Vec<i64> = page.iter().map(|row| row.sequence.unwrap_or_default()).collect();
    let mut by_event = group(audit::of_events(connection, &cases, &sequences).await?);
    let mut writes = 0;
    for ((row, case), sequence) in page.iter().zip(cases).zip(sequences) {
        let (name, version, payload) =
            (column(row, "event_type"), column(row, "event_version"), column(row, "payload"));
        let event = reader::event_of((case, sequence), name, version, payload)?;
        match replay_event((case, sequence), &event, &mut by_event)? {
            Ok(count) => writes += count,
            Err(difference) => return Ok(Err(difference)),
        }
    }
    Ok(Ok(writes))
}

fn replay_event(
    (case, sequence): (&str, i64),
    event: &CaseEvent,
    by_event: &mut ByEvent,
) -> Result<PageOutcome, ReadError> {
    let noms: NomsNumber = case.parse().map_err(|error: InvalidIdentifier| ReadError::Event {
        case: case.to_owned(),
        sequence,
        what: error.to_string(),
    })?;
    let stored = by_event.remove(&(case.to_owned(), sequence)).unwrap_or_default();
    Ok(compare::event(&noms, sequence.cast_unsigned(), event, &stored).map_err(Box::new))
}
