//! The history of a case as the answer to a question.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    audit::history::{CaseFile, DatesPeriod, Entry, ParkedOfCase, Period, Question, entries, timeline},
    case::{Holder, WriteState},
    ingest::waiting::WaitingSummary,
    operations::erasure::Erasure,
};

/// So many changes of what we thought are kept for the picture: more could not be told apart.
const BELIEFS: usize = 20;

/// The history of a case.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The number that the person has now.
    pub noms_id: String,
    /// Every number that the person had, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<String>,
    /// What was true in the world at this time; `None` = now.
    pub as_of: Option<DateTime<Utc>>,
    /// What was known at this time; `None` = now.
    pub known_at: Option<DateTime<Utc>>,
    /// When the question was put.
    pub asked_at: DateTime<Utc>,
    /// Something may still be recorded with a time up to `known_at`: it lies ahead, or an append that began before it
    /// is under way. Ask again for the final answer.
    pub provisional: bool,
    /// Who held the case and which dates were in force at the time asked about.
    pub answer: Answer,
    /// Who held the case when.
    pub timeline: Vec<Period>,
    /// Which handover dates were in force when.
    pub handover: Vec<DatesPeriod>,
    /// What we thought of who held the case, each time that changed; the last of them only.
    #[serde(skip)]
    pub knowledge: Vec<Belief>,
    /// Every fact and decision in the order of recording.
    pub entries: Vec<Entry>,
    /// Messages about the case that could not become facts.
    pub parked: Vec<ParkedItem>,
    /// Messages about the case that could not be accepted yet; not in an answer about what was known at a time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingSummary>,
    /// How many of what, over all pages.
    pub counts: Counts,
    /// Which part of the entries this is.
    pub page: Page,
    /// What was erased under this number: nothing of that time is held any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub erasures: Vec<Erasure>,
}

/// What we thought of who held the case, from some recording on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belief {
    /// From when we thought so.
    pub known_from: DateTime<Utc>,
    /// The entry that taught us.
    pub position: u64,
    /// Who held the case when, as we thought.
    pub periods: Vec<Period>,
}

/// The state of the case at the time asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HistoryAnswer)]
pub struct Answer {
    /// The time in the world that the answer is about.
    pub at: DateTime<Utc>,
    /// Whether somebody held the case.
    pub held: Held,
    /// Who held it.
    pub holder: Option<Holder>,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// What has to be known to read this rightly, in plain language.
    pub caveat: Option<&'static str>,
    /// The handover dates in force.
    pub handover: Option<DatesPeriod>,
}

/// Whether somebody held the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HistoryHeld)]
pub enum Held {
    /// A POM did.
    Somebody,
    /// Nobody did: the POM had been removed.
    Nobody,
    /// Nothing that happened by then is known to us.
    Unknown,
}

/// A message about the case that could not become a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParkedItem {
    /// Its number in the list of parked messages.
    pub id: i64,
    /// SNS `MessageId`.
    pub message_id: String,
    /// Event type of the message.
    pub message_type: Option<String>,
    /// Why it was parked.
    pub reason: String,
    /// What exactly is wrong.
    pub detail: String,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// When it was parked last.
    pub recorded_at: DateTime<Utc>,
    /// What operators decided since.
    pub decisions: Vec<ParkedDecision>,
}

/// What an operator decided on a parked message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParkedDecision {
    /// What was decided.
    pub decision: String,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// How many of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HistoryCounts)]
pub struct Counts {
    /// Facts and decisions.
    pub entries: usize,
    /// Received late.
    pub late: usize,
    /// Recorded after something that happened later.
    pub out_of_order: usize,
    /// Deliveries that changed nothing.
    pub duplicates: usize,
    /// Superseded before they could be written, or by another fact of the same second.
    pub superseded: usize,
    /// Allocations that wait for a name.
    pub unreflected: usize,
    /// Writes that Delius refused.
    pub refused_writes: usize,
    /// Writes that wait, parked ones included.
    pub unfinished_writes: usize,
    /// Messages that could not become facts.
    pub parked_messages: usize,
}

/// Which part of the entries an answer lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HistoryPage)]
pub struct Page {
    /// Only entries after this position are listed.
    pub after: u64,
    /// Put the question again with `after` = this for the next page; `None` on the last one.
    pub next: Option<u64>,
}

/// Answers the question from the file of a case.
///
/// What was recorded later than `known_at` takes no part at all, so the answer is the same whenever it is asked
/// for; what happened later than `as_of` is left out of the timeline and the entries.
pub fn build(file: &CaseFile, question: &Question) -> History {
    let known = |recorded: DateTime<Utc>| question.known_at.is_none_or(|at| recorded <= at);
    let happened = |at: Option<DateTime<Utc>>| match (question.as_of, at) {
        (Some(as_of), Some(at)) => at <= as_of,
        _ => true,
    };
    let mut file = file.clone();
    file.events.retain(|stored| known(stored.recorded_at));
    file.receipts.retain(|receipt| known(receipt.recorded_at));
    file.parked.iter_mut().for_each(|parked| parked.parkings.retain(|parking| known(parking.at)));

    let timeline = timeline::periods(&file.events, question.as_of);
    let knowledge = knowledge(&file, question.as_of);
    let mut handover = timeline::dates(&file.events);
    handover.retain(|period| happened(Some(period.from)));
    if let Some(as_of) = question.as_of {
        // What ended later had not ended by then.
        handover.iter_mut().for_each(|period| period.until = period.until.filter(|until| *until <= as_of));
    }

    if question.known_at.is_some() {
        file.journal.clear();
    }
    let mut entries = entries::entries(&file.events, &file.receipts, &file.journal);
    // An operator's decision happened when it was recorded.
    entries.retain(|entry| happened(entry.occurred_at.or(Some(entry.recorded_at))));
    let parked: Vec<ParkedItem> =
        file.parked.into_iter().filter_map(|parked| parked_item(parked, question.known_at)).collect();
    let counts = count(&entries, parked.len());
    let (entries, page) = page(entries, question);

    let at = question.as_of.or(question.known_at).unwrap_or(file.read_at);
    let unsettled = |at: DateTime<Utc>| file.unsettled_since.is_some_and(|since| since <= at);
    History {
        noms_id: file.noms.to_string(),
        numbers: if file.streams.len() > 1 {
            file.streams.iter().map(|(noms, _)| noms.to_string()).collect()
        } else {
            vec![]
        },
        as_of: question.as_of,
        known_at: question.known_at,
        asked_at: file.read_at,
        provisional: question.known_at.is_some_and(|at| at > file.read_at || unsettled(at)),
        answer: answer(at, &timeline, &handover),
        timeline,
        handover,
        knowledge,
        entries,
        parked,
        waiting: if question.known_at.is_none() { file.waiting } else { vec![] },
        counts,
        page,
        erasures: file.erasures,
    }
}

/// The last changes of what we thought, at most [`BELIEFS`].
fn knowledge(file: &CaseFile, as_of: Option<DateTime<Utc>>) -> Vec<Belief> {
    let changes: Vec<usize> = file
        .events
        .iter()
        .enumerate()
        .filter(|(_, stored)| stored.event.states_holder())
        .map(|(index, _)| index)
        .collect();
    changes[changes.len().saturating_sub(BELIEFS)..]
        .iter()
        .map(|index| Belief {
            known_from: file.events[*index].recorded_at,
            position: file.events[*index].sequence,
            periods: timeline::periods(&file.events[..=*index], as_of),
        })
        .collect()
}

fn answer(at: DateTime<Utc>, timeline: &[Period], handover: &[DatesPeriod]) -> Answer {
    let period = timeline.iter().rev().find(|period| period.from <= at);
    let held = match period {
        None => Held::Unknown,
        Some(Period { holder: None, .. }) => Held::Nobody,
        Some(_) => Held::Somebody,
    };
    Answer {
        at,
        held,
        holder: period.and_then(|period| period.holder.clone()),
        since: period.map(|period| period.from),
        caveat: period.and_then(|period| period.caveat),
        handover: handover.iter().rev().find(|period| period.from <= at).cloned(),
    }
}

/// The message as it was parked last; `None` when it was not parked yet.
fn parked_item(mut parked: ParkedOfCase, known_at: Option<DateTime<Utc>>) -> Option<ParkedItem> {
    let parking = parked.parkings.pop()?;
    Some(ParkedItem {
        id: parked.id,
        message_id: parked.message_id,
        message_type: parking.event_type,
        reason: parking.reason,
        detail: parking.detail,
        received_at: parked.received_at,
        recorded_at: parking.at,
        decisions: parked
            .decisions
            .into_iter()
            .filter(|(.., at)| known_at.is_none_or(|known_at| *at <= known_at))
            .map(|(decision, by, why, at)| ParkedDecision { decision, by, why, at })
            .collect(),
    })
}

fn count(entries: &[Entry], parked_messages: usize) -> Counts {
    let of = |test: fn(&Entry) -> bool| entries.iter().filter(|entry| test(entry)).count();
    let writes = |states: &[WriteState]| {
        entries.iter().flat_map(|entry| &entry.writes).filter(|write| states.contains(&write.state)).count()
    };
    // One message may have led to several entries.
    let duplicates: BTreeMap<_, _> =
        entries.iter().map(|entry| (&entry.message_id, entry.marks.duplicates)).collect();
    Counts {
        entries: entries.len(),
        late: of(|entry| entry.marks.late),
        out_of_order: of(|entry| entry.marks.out_of_order),
        duplicates: duplicates.values().sum(),
        superseded: of(|entry| entry.marks.is_superseded()),
        unreflected: of(|entry| entry.marks.unreflected),
        refused_writes: writes(&[WriteState::Refused]),
        unfinished_writes: writes(&[WriteState::Pending, WriteState::Parked]),
        parked_messages,
    }
}

fn page(entries: Vec<Entry>, question: &Question) -> (Vec<Entry>, Page) {
    let mut listed: Vec<Entry> =
        entries.into_iter().filter(|entry| entry.position > question.after).collect();
    let limit = question.limit.unwrap_or(usize::MAX);
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = if more { listed.last().map(|entry| entry.position) } else { None };
    (listed, Page { after: question.after, next })
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
