//! The entries of a history: one per fact or decision, with its times, its marks and its writes.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::{
        evidence::{EntryEvidence, Places},
        history::{ReceiptOfCase, StoredEvent, timeline},
        render::{duration::duration, words},
    },
    case::{CaseEvent, NameWait, NomsNumber, OutcomeName, RowChange, WriteRef, WriteState, WriteStates},
    outbox::projector,
};

/// A message that took longer than this from happening to receipt is late.
pub(crate) const LATE_AFTER: TimeDelta = TimeDelta::minutes(15);

/// What an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EntryKind)]
pub enum Kind {
    /// Who holds the case, or that nobody can be written yet.
    Allocation,
    /// Handover dates.
    Handover,
    /// The NOMS number in Delius.
    Identifier,
    /// A message that does not concern us.
    NotApplicable,
    /// A write that was parked.
    Parked,
    /// What an operator decided.
    Decision,
}

/// A fact or a decision, as it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Place in the stream of the case: the stable address of the entry.
    pub position: u64,
    /// The number that it came under, for a person who had several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub noms_id: Option<NomsNumber>,
    /// Name of the stored event.
    pub event: &'static str,
    /// What it tells of.
    pub kind: Kind,
    /// In plain language.
    pub description: String,
    /// When it happened in the world.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When the message was received.
    pub received_at: Option<DateTime<Utc>>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When the last of its writes was applied in Delius, once all of them are settled.
    pub applied_at: Option<DateTime<Utc>>,
    /// SNS `MessageId`.
    pub message_id: Option<String>,
    /// Event type of the message.
    pub message_type: Option<String>,
    /// Version of the code that decided.
    pub code_version: Option<String>,
    /// Who decided, for an operator's decision.
    pub by: Option<String>,
    /// Why, for an operator's decision; the error, for a parked write.
    pub why: Option<String>,
    /// What is remarkable about it.
    pub marks: Marks,
    /// Name of the outcome, where it means no write and has an outcome all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// What it rests on.
    pub evidence: EntryEvidence,
    /// What it means for Delius.
    pub writes: Vec<Write>,
}

/// What is remarkable about an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EntryMarks)]
pub struct Marks {
    /// It was received more than 15 minutes after it happened.
    pub late: bool,
    /// How long after it happened it was received, in seconds.
    pub delay_seconds: Option<i64>,
    /// When it was recorded, something that happened later was recorded already.
    pub out_of_order: bool,
    /// How often its message was delivered again, which changed nothing.
    pub duplicates: usize,
    /// Somebody else had been allocated before we could ask for the name.
    pub superseded: bool,
    /// The entry of the same second that took its place.
    pub superseded_by: Option<u64>,
    /// It waits for the name behind its staff code: nothing in Delius reflects it.
    pub unreflected: bool,
    /// The entry that made it good, once the name was known.
    pub reflected_by: Option<u64>,
    /// It only compared.
    pub dry_run: bool,
}

impl Entry {
    /// What its last time stands for: Delius took the writes, or refused them all.
    pub(crate) fn settled_word(&self) -> &'static str {
        let refused = self.writes.iter().all(|write| write.state == WriteState::Refused);
        if refused { "refused" } else { "applied" }
    }
}

impl Marks {
    /// Whether another fact took its place, one way or the other.
    pub fn is_superseded(&self) -> bool {
        self.superseded || self.superseded_by.is_some()
    }

    /// The marks in plain language.
    pub fn in_words(&self) -> Vec<String> {
        let mut words = vec![];
        if self.late {
            words.push(format!("late by {}", duration(self.delay_seconds.unwrap_or(0))));
        }
        if self.out_of_order {
            words.push("out of order".to_owned());
        }
        match self.duplicates {
            0 => {}
            1 => words.push("delivered again once".to_owned()),
            count => words.push(format!("delivered again {count} times")),
        }
        if let Some(position) = self.superseded_by {
            words.push(format!("superseded by #{position}"));
        }
        match self.reflected_by {
            Some(position) => words.push(format!("superseded, made good by #{position}")),
            None if self.unreflected => words.push("superseded, not reflected in Delius".to_owned()),
            None => {}
        }
        if self.dry_run {
            words.push("dry run".to_owned());
        }
        words
    }
}

/// A write to Delius and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EntryWrite)]
pub struct Write {
    /// Its identity in the outbox and in the ledger of Delius.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// Place among the writes of its entry, from 0.
    pub ordinal: u32,
    /// In plain language.
    pub description: String,
    /// Where it stands.
    pub state: WriteState,
    /// Name of the outcome, once there is one.
    #[schema(value_type = Option<String>)]
    pub outcome: Option<OutcomeName>,
    /// When it was applied (Delius time).
    pub applied_at: Option<DateTime<Utc>>,
    /// When the outcome was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
    /// Position of the event that records the outcome.
    pub recorded_position: Option<u64>,
    /// The attempt that settled it.
    pub attempt: Option<u32>,
    /// The rows touched in Delius.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<RowChange>,
}

/// The entries that the events and receipts add up to, in the order of recording.
pub(crate) fn entries(events: &[StoredEvent], receipts: &[ReceiptOfCase], places: &Places) -> Vec<Entry> {
    let states = WriteStates::of(events.iter().map(|stored| (stored.sequence, &stored.event)));
    let mut duplicates: BTreeMap<&str, usize> = BTreeMap::new();
    for receipt in receipts.iter().filter(|receipt| receipt.disposition == "duplicate") {
        *duplicates.entry(&receipt.message_id).or_default() += 1;
    }
    let several_numbers = events.iter().any(|stored| {
        let named = stored.event.provenance().and_then(|provenance| provenance.under.as_ref());
        stored.noms != events[0].noms || named.is_some()
    });
    let mut latest: Option<DateTime<Utc>> = None;
    let mut entries = vec![];
    for stored in events.iter().filter(|stored| stored.event.write_result().is_none()) {
        let mut entry = entry(stored, events, &states);
        entry.evidence = EntryEvidence::of(stored, places);
        if several_numbers {
            let named = stored.event.provenance().and_then(|provenance| provenance.under.as_ref());
            entry.noms_id = Some(named.unwrap_or(&stored.noms).clone());
        }
        if let Some(message_id) = &entry.message_id {
            entry.marks.duplicates = duplicates.get(message_id.as_str()).copied().unwrap_or(0);
        }
        if let Some(occurred) = entry.occurred_at {
            entry.marks.out_of_order = latest.is_some_and(|latest| occurred < latest);
            latest = latest.max(Some(occurred));
        }
        entries.push(entry);
    }
    mark_replaced(events, &mut entries);
    entries
}

fn entry(stored: &StoredEvent, events: &[StoredEvent], states: &WriteStates) -> Entry {
    let event = &stored.event;
    let provenance = event.provenance();
    let occurred_at = event.valid_at();
    let delay = provenance.map(|provenance| provenance.received_at - provenance.occurred_at);
    let decision = event.decision();
    let by = decision.map(|(by, _)| by.to_owned());
    let why = decision.map(|(_, why)| why).or(parking_error(event)).map(str::to_owned);
    let writes: Vec<Write> = projector::derive(event)
        .iter()
        .zip(0..)
        .map(|(intent, ordinal)| {
            let write = WriteRef { sequence: stored.sequence, ordinal };
            let in_stream = WriteRef { sequence: stored.stream_sequence, ordinal };
            // A parked write has an event that changed it last, and no result.
            let settled_by = states.get(write).and_then(|progress| event_at(events, progress.recorded_by));
            let result = settled_by.and_then(|stored| stored.event.write_result());
            let settled_by = settled_by.filter(|_| result.is_some());
            Write {
                id: projector::write_id(&stored.noms, in_stream, intent),
                ordinal,
                description: words::write(intent),
                state: states.state(write),
                outcome: result.map(|result| result.outcome.name),
                applied_at: result.map(|result| result.outcome.applied_at),
                recorded_at: settled_by.map(|stored| stored.recorded_at),
                recorded_position: settled_by.map(|stored| stored.sequence),
                attempt: result.map(|result| result.attempt),
                changes: result.map(|result| result.outcome.changes.clone()).unwrap_or_default(),
            }
        })
        .collect();
    let settled = writes.iter().all(|write| write.applied_at.is_some());
    Entry {
        position: stored.sequence,
        noms_id: None,
        event: event.name(),
        kind: kind(event),
        description: words::event(event),
        occurred_at,
        received_at: provenance.map(|provenance| provenance.received_at),
        recorded_at: stored.recorded_at,
        applied_at: writes.iter().filter_map(|write| write.applied_at).max().filter(|_| settled),
        message_id: provenance.map(|provenance| provenance.message_id.clone()),
        message_type: provenance.map(|provenance| provenance.event_type.clone()),
        code_version: provenance.map(|provenance| provenance.code_version.clone()),
        by,
        why,
        marks: Marks {
            late: delay.is_some_and(|delay| delay > LATE_AFTER),
            delay_seconds: delay.map(|delay| delay.num_seconds()),
            superseded: matches!(event, CaseEvent::AllocationSuperseded { .. }),
            dry_run: matches!(event, CaseEvent::HandoverDatesChanged { dry_run: true, .. }),
            ..Marks::default()
        },
        outcome: event.outcome(),
        evidence: EntryEvidence::default(),
        writes,
    }
}

fn event_at(events: &[StoredEvent], sequence: u64) -> Option<&StoredEvent> {
    let place = events.binary_search_by_key(&sequence, |stored| stored.sequence).ok()?;
    events.get(place)
}

fn parking_error(event: &CaseEvent) -> Option<&str> {
    if let CaseEvent::DeliusWriteParked { error, .. } = event { Some(error) } else { None }
}

fn kind(event: &CaseEvent) -> Kind {
    match event {
        CaseEvent::PomAllocated { .. }
        | CaseEvent::PomDeallocated { .. }
        | CaseEvent::AllocationNotReady { .. }
        | CaseEvent::AllocationSuperseded { .. } => Kind::Allocation,
        CaseEvent::HandoverDatesChanged { .. } | CaseEvent::HandoverNotFound { .. } => Kind::Handover,
        CaseEvent::IdentifierLinked { .. } | CaseEvent::IdentityChanged { .. } => Kind::Identifier,
        CaseEvent::MessageNotApplicable { .. } => Kind::NotApplicable,
        CaseEvent::DeliusWriteRetried { .. }
        | CaseEvent::WritesReasserted { .. }
        | CaseEvent::DeliusWriteSkipped { .. } => Kind::Decision,
        CaseEvent::DeliusWriteParked { .. }
        | CaseEvent::DeliusUpdated(_)
        | CaseEvent::DeliusUnchanged(_)
        | CaseEvent::DeliusWriteRefused(_) => Kind::Parked,
    }
}

/// Marks what another entry took the place of: of several holdings of one second one counts, and an allocation without
/// a name is reflected by a later entry.
fn mark_replaced(events: &[StoredEvent], entries: &mut [Entry]) {
    let timeline = timeline::timeline(events);
    let counted: BTreeMap<DateTime<Utc>, u64> =
        timeline.counted().map(|fact| (fact.at, fact.sequence)).collect();
    let facts: BTreeMap<u64, DateTime<Utc>> =
        timeline.facts().iter().map(|fact| (fact.sequence, fact.at)).collect();
    let reflected: BTreeMap<u64, u64> = events
        .iter()
        .filter_map(|stored| match stored.event.waits_for_name()? {
            NameWait::Begins { .. } => None,
            NameWait::Ends { reflects } => Some((reflects, stored.sequence)),
        })
        .collect();
    for entry in entries {
        // One without a name has marks of its own.
        let at = facts.get(&entry.position).filter(|_| !entry.marks.superseded);
        if let Some(counts) = at.and_then(|at| counted.get(at)) {
            entry.marks.superseded_by = (*counts != entry.position).then_some(*counts);
        }
        if entry.marks.superseded {
            entry.marks.reflected_by = reflected.get(&entry.position).copied();
            entry.marks.unreflected = entry.marks.reflected_by.is_none();
        }
    }
}
