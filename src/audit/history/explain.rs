//! Where an entry comes from and what became of it: the chain from the SNS message to the rows in Delius, and from a
//! row in Delius back to the message.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    audit::{
        evidence::{self, JournalPlace},
        history::{CaseFile, Entry, FailedAttempt, Question, Write, build},
        render::{Format, words},
    },
    case::{Evidence, Provenance, RowAction, WriteRef, sha256_hex},
    ingest::message::sqs_id,
    london::date_time_zone,
};

/// A row in Delius: `table:id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliusRow {
    /// Its table.
    pub table: String,
    /// Its primary key, as text.
    pub id: String,
}

/// A text that names no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a table and an id, for example prison_offender_manager:123")]
pub struct InvalidRow;

impl FromStr for DeliusRow {
    type Err = InvalidRow;

    fn from_str(text: &str) -> Result<Self, InvalidRow> {
        match text.trim().split_once(':') {
            Some((table, id)) if !table.is_empty() && !id.is_empty() => {
                Ok(Self { table: table.to_ascii_lowercase(), id: id.to_owned() })
            }
            _ => Err(InvalidRow),
        }
    }
}

impl fmt::Display for DeliusRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.table, self.id)
    }
}

/// The chain of one entry.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whose case.
    pub noms_id: String,
    /// The message with its bytes, for an entry that came from one.
    pub message: Option<MessageSource>,
    /// The trace of it: the log lines of the message and of its writes have the same `trace_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The answers that were fetched for it.
    pub fetched: Vec<FetchedAnswer>,
    /// The case event with its writes, their outcomes and the rows touched.
    pub entry: Entry,
    /// Its place in the journal, once it is there.
    pub journal: Option<JournalPlace>,
    /// The attempts that failed.
    pub failures: Vec<FailedWriteAttempt>,
}

/// An attempt at one of the writes that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailedWriteAttempt {
    /// Which of the writes.
    pub ordinal: u32,
    /// The attempt.
    #[serde(flatten)]
    pub failed: FailedAttempt,
}

/// One receipt of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// When.
    pub at: DateTime<Utc>,
    /// What became of it.
    pub disposition: String,
    /// How often SQS had delivered it by then.
    pub delivery: u32,
    /// Whether the bytes received then are those that are kept.
    pub same_bytes: bool,
}

/// Where a message came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageSource {
    /// SNS `MessageId`.
    pub message_id: String,
    /// Event type.
    pub event_type: String,
    /// When it happened, as the message says.
    pub occurred_at: DateTime<Utc>,
    /// Each receipt.
    pub receipts: Vec<Received>,
    /// Its bytes.
    pub evidence: CheckedEvidence,
}

/// An answer of Manage POM Cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FetchedAnswer {
    /// The address asked.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// When.
    pub at: DateTime<Utc>,
    /// Its bytes.
    pub evidence: CheckedEvidence,
}

/// Stored bytes with their hash, and whether the two still belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedEvidence {
    /// The bytes as text.
    pub body: String,
    /// SHA-256 as stored.
    pub sha256: String,
    /// Whether the bytes have this hash.
    pub intact: bool,
}

impl From<&Evidence> for CheckedEvidence {
    fn from(evidence: &Evidence) -> Self {
        let intact = sha256_hex(evidence.body.as_bytes()) == evidence.sha256;
        Self { body: evidence.body.clone(), sha256: evidence.sha256.clone(), intact }
    }
}

/// Explains the entry at a position of the case; the position of an outcome leads to the entry that it settles.
/// `None` when the case has no such position.
pub fn explain(file: &CaseFile, position: u64) -> Option<Explanation> {
    let stored = file.events.iter().find(|stored| stored.sequence == position)?;
    let position = stored.event.write_result().map_or(position, |result| result.write.sequence);
    let stored = file.events.iter().find(|stored| stored.sequence == position)?;
    let history = build(file, &Question::default());
    let entry = history.entries.into_iter().find(|entry| entry.position == position)?;
    let provenance = stored.event.provenance();
    Some(Explanation {
        noms_id: file.noms.to_string(),
        message: provenance.map(|provenance| message(file, provenance)),
        trace_id: stored.trace_id.clone(),
        fetched: provenance
            .iter()
            .flat_map(|provenance| &provenance.fetched)
            .map(|fetched| FetchedAnswer {
                url: fetched.url.clone(),
                status: fetched.status,
                at: fetched.at,
                evidence: CheckedEvidence::from(&fetched.answer),
            })
            .collect(),
        journal: evidence::place(&file.journal, position),
        failures: file
            .outbox
            .iter()
            .filter(|row| row.write.sequence == position)
            .flat_map(|row| {
                let ordinal = row.write.ordinal;
                row.failures.iter().map(move |failed| FailedWriteAttempt { ordinal, failed: failed.clone() })
            })
            .collect(),
        entry,
    })
}

fn message(file: &CaseFile, provenance: &Provenance) -> MessageSource {
    MessageSource {
        message_id: provenance.message_id.clone(),
        event_type: provenance.event_type.clone(),
        occurred_at: provenance.occurred_at,
        receipts: file
            .receipts
            .iter()
            .filter(|receipt| receipt.message_id == provenance.message_id)
            .map(|receipt| Received {
                at: receipt.received_at,
                disposition: receipt.disposition.clone(),
                delivery: receipt.receive_count,
                same_bytes: receipt.body_sha256 == provenance.message.sha256,
            })
            .collect(),
        evidence: CheckedEvidence::from(&provenance.message),
    }
}

impl Explanation {
    /// The explanation as JSON or as text for a terminal; `None` for the other forms, which it does not have.
    ///
    /// # Errors
    /// Never in practice: it writes to memory.
    pub fn render(&self, format: Format) -> anyhow::Result<Option<String>> {
        Ok(match format {
            Format::Json => Some(format!("{}\n", serde_json::to_string_pretty(self)?)),
            Format::Table => Some(self.to_string()),
            Format::Csv | Format::Html => None,
        })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = &self.entry;
        writeln!(f, "Case {}, entry {}: {}", self.noms_id, entry.position, entry.description)?;
        if let Some(message) = &self.message {
            match sqs_id(&message.message_id) {
                Some(id) => writeln!(f, "\nSQS message   {id}")?,
                None => writeln!(f, "\nSNS message   {}", message.message_id)?,
            }
            line(f, "event type", &message.event_type)?;
            line(f, "happened", date_time_zone(message.occurred_at))?;
            for Received { at, disposition, delivery, same_bytes } in &message.receipts {
                let other = if *same_bytes { "" } else { ", OTHER BYTES THAN THOSE KEPT" };
                let text = format!("{}  {disposition}, delivery {delivery}{other}", date_time_zone(*at));
                line(f, "received", text)?;
            }
            evidence(f, &message.evidence)?;
        }
        for fetched in &self.fetched {
            writeln!(f, "\nFetched       {}", fetched.url)?;
            line(f, "answered", format!("{}  status {}", date_time_zone(fetched.at), fetched.status))?;
            evidence(f, &fetched.evidence)?;
        }
        writeln!(f, "\nCase event    {} at position {}", entry.event, entry.position)?;
        line(f, "recorded", date_time_zone(entry.recorded_at))?;
        if let Some(trace) = &self.trace_id {
            line(f, "trace", trace)?;
        }
        match &self.journal {
            Some(place) => line(f, "journal", format!("position {}, {}", place.position, place.hash))?,
            None => line(f, "journal", "not entered yet")?,
        }
        if let Some(version) = &entry.code_version {
            line(f, "decided by", format!("version {version}"))?;
        }
        if let Some(by) = &entry.by {
            line(f, "decided by", format!("{by}: {}", entry.why.as_deref().unwrap_or_default()))?;
        }
        for mark in entry.marks.in_words() {
            line(f, "remarkable", mark)?;
        }
        if entry.writes.is_empty() {
            writeln!(f, "\nNothing was to be written to Delius.")?;
            if let Some(outcome) = entry.outcome {
                line(f, "outcome", outcome)?;
            }
        }
        for write in &entry.writes {
            let reference = WriteRef { sequence: entry.position, ordinal: write.ordinal };
            write_chain(f, reference, write, &self.failures)?;
        }
        f.write_char('\n')
    }
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, text: impl fmt::Display) -> fmt::Result {
    writeln!(f, "  {label:<11} {text}")
}

fn evidence(f: &mut fmt::Formatter<'_>, evidence: &CheckedEvidence) -> fmt::Result {
    let checked = if evidence.intact { "matches the bytes" } else { "DOES NOT MATCH THE BYTES" };
    line(f, "SHA-256", format!("{} ({checked})", evidence.sha256))?;
    line(f, "bytes", &evidence.body)
}

fn write_chain(
    f: &mut fmt::Formatter<'_>,
    reference: WriteRef,
    write: &Write,
    failures: &[FailedWriteAttempt],
) -> fmt::Result {
    writeln!(f, "\nWrite         {}.{}  {}", reference.sequence, reference.ordinal, write.id)?;
    line(f, "is to", &write.description)?;
    for FailedWriteAttempt { failed, .. } in
        failures.iter().filter(|failure| failure.ordinal == write.ordinal)
    {
        let at = date_time_zone(failed.at);
        line(f, "attempt", format!("{} failed at {at}: {}", failed.attempt, failed.error))?;
    }
    if let (Some(attempt), Some(applied_at)) = (write.attempt, write.applied_at) {
        line(f, "attempt", format!("{attempt} settled it at {}", date_time_zone(applied_at)))?;
    }
    let outcome = match write.outcome {
        None => words::state(write.state).to_owned(),
        Some(name) => format!("{}: {}", name.as_str(), words::outcome(name)),
    };
    line(f, "outcome", outcome)?;
    if let (Some(position), Some(at)) = (write.recorded_position, write.recorded_at) {
        line(f, "recorded", format!("{} at position {position}", date_time_zone(at)))?;
    }
    for row in &write.changes {
        let action = match row.action {
            RowAction::Insert => "inserted",
            RowAction::Update => "updated",
            RowAction::SoftDelete => "soft-deleted",
            RowAction::Delete => "deleted",
        };
        line(f, "Delius row", format!("{}:{} {action}, version {}", row.table, row.row_id, row.row_version))?;
        for (column, change) in &row.columns {
            let text = |value: &Option<String>| match value {
                Some(value) => value.replace('\n', "\\n"),
                None => "null".to_owned(),
            };
            match row.action {
                RowAction::Insert => writeln!(f, "                {column}: {}", text(&change.to))?,
                _ => writeln!(f, "                {column}: {} -> {}", text(&change.from), text(&change.to))?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::audit::history::samples::eventful;

    #[test]
    fn the_chain_leads_from_the_message_to_the_row_in_delius() {
        let text = explain(&eventful().0, 1).unwrap().to_string();
        let places: Vec<usize> = [
            "SNS message   m1",
            "(matches the bytes)",
            "Fetched       https://mpc.example/",
            "Case event    PomAllocated at position 1",
            "Write         1.0",
            "outcome     PomAllocated",
            "Delius row  prison_offender_manager:101 inserted, version 1",
        ]
        .iter()
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part:?} is missing in\n{text}")))
        .collect();
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn the_position_of_an_outcome_leads_to_the_entry_that_it_settles() {
        assert_eq!(explain(&eventful().0, 2).unwrap().entry.position, 1);
        assert_eq!(explain(&eventful().0, 99), None);
    }

    #[test]
    fn bytes_that_do_not_have_their_hash_are_called_out() {
        let mut story = eventful();
        let crate::case::CaseEvent::PomAllocated { provenance, .. } = &mut story.0.events[0].event else {
            panic!("an allocation")
        };
        provenance.message.body.push(' ');
        assert!(explain(&story.0, 1).unwrap().to_string().contains("DOES NOT MATCH THE BYTES"));
    }

    #[test]
    fn a_row_is_named_by_table_and_id() {
        let row: DeliusRow = "Prison_Offender_Manager:12".parse().unwrap();
        assert_eq!(row.to_string(), "prison_offender_manager:12");
        assert_eq!("12".parse::<DeliusRow>(), Err(InvalidRow));
    }
}
