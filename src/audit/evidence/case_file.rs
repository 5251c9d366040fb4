//! An evidence file as what a history is made from.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};

use super::{EvidenceError, file::EvidenceFile};
use crate::{
    audit::{
        history::{CaseFile, FailedAttempt, ParkedOfCase, ParkingOfCase, ReceiptOfCase, StoredEvent, merge},
        journal::{
            canonical,
            hash::Hash,
            sources::{Record, Source},
        },
    },
    case::NomsNumber,
    event_store::reader::EventRow,
};

/// An entry, decoded.
pub(super) struct DecodedEntry {
    pub(super) position: u64,
    pub(super) source: &'static Source,
    pub(super) record: Record,
    pub(super) leaf: Hash,
}

/// The entries of the file. Nothing is proved yet.
pub(super) fn decode(file: &EvidenceFile) -> Result<Vec<DecodedEntry>, EvidenceError> {
    file.entries
        .iter()
        .map(|entry| {
            let decoded = || {
                let (salt, bytes) = (STANDARD.decode(&entry.salt).ok()?, STANDARD.decode(&entry.bytes).ok()?);
                let fields = canonical::fields(&bytes)?;
                let (name, fields) = fields.split_first()?;
                let source = Source::named((*name)?)?;
                let record = source.record(fields)?;
                let leaf = Hash::leaf(&salt, &bytes);
                Some(DecodedEntry { position: entry.position, source, record, leaf })
            };
            decoded().ok_or(EvidenceError::Entry { position: entry.position, what: "cannot be read" })
        })
        .collect()
}

/// Reads columns of an entry.
struct EntryColumns<'a>(&'a DecodedEntry);

impl EntryColumns<'_> {
    fn text(&self, column: &str) -> Result<String, EvidenceError> {
        self.optional(column).ok_or(self.error())
    }

    fn optional(&self, column: &str) -> Option<String> {
        self.0.source.column(&self.0.record, column).map(str::to_owned)
    }

    fn number<T: std::str::FromStr>(&self, column: &str) -> Result<T, EvidenceError> {
        self.text(column)?.parse().map_err(|_| self.error())
    }

    fn time(&self, column: &str) -> Result<DateTime<Utc>, EvidenceError> {
        DateTime::from_timestamp_micros(self.number(column)?).ok_or(self.error())
    }

    fn error(&self) -> EvidenceError {
        EvidenceError::Entry { position: self.0.position, what: "lacks a column" }
    }
}

/// The rows of the events of a number, in order.
pub(super) fn event_rows(
    entries: &[DecodedEntry],
    noms: &NomsNumber,
) -> Result<Vec<EventRow>, EvidenceError> {
    let mut rows = of("event", entries)
        .filter(|row| row.0.record.case_id.as_deref() == Some(noms.as_str()))
        .map(|row| {
            Ok(EventRow {
                aggregate_type: row.text("aggregate_type")?,
                aggregate_id: row.text("aggregate_id")?,
                sequence: row.number("sequence")?,
                event_type: row.text("event_type")?,
                event_version: row.text("event_version")?,
                payload: row.text("payload")?,
                metadata: row.text("metadata")?,
                id: row.number("id")?,
                xid: row.text("xid")?,
                recorded_at: row.time("recorded_at")?,
            })
        })
        .collect::<Result<Vec<_>, EvidenceError>>()?;
    rows.sort_by_key(|row| row.sequence);
    Ok(rows)
}

fn of<'a>(source: &str, entries: &'a [DecodedEntry]) -> impl Iterator<Item = EntryColumns<'a>> {
    entries.iter().filter(move |entry| entry.source.name == source).map(EntryColumns)
}

/// What a history is made from.
pub(super) fn case_file(file: &EvidenceFile) -> Result<CaseFile, EvidenceError> {
    let entries = decode(file)?;
    let mut attempts = failed_attempts(&entries)?;
    let mut streams = vec![];
    for part in &file.parts {
        streams.push(stream(file, &entries, &part.noms, &mut attempts)?);
    }
    let merged = merge(streams).ok_or(EvidenceError::NotEvidence)?;
    let (receipts, parked) = (receipts(&entries)?, parked(&entries)?);
    Ok(CaseFile { noms: file.noms_id.clone(), receipts, parked, ..merged })
}

type AttemptsByWrite = HashMap<String, Vec<FailedAttempt>>;

fn failed_attempts(entries: &[DecodedEntry]) -> Result<AttemptsByWrite, EvidenceError> {
    let mut attempts = AttemptsByWrite::new();
    for row in of("writeAttempt", entries) {
        let failed =
            FailedAttempt { attempt: row.number("attempt")?, at: row.time("at")?, error: row.text("error")? };
        attempts.entry(row.text("outbox_id")?).or_default().push(failed);
    }
    Ok(attempts)
}

/// What is recorded under one number.
fn stream(
    file: &EvidenceFile,
    entries: &[DecodedEntry],
    noms: &NomsNumber,
    attempts: &mut AttemptsByWrite,
) -> Result<CaseFile, EvidenceError> {
    let stored = |row: &EventRow| {
        Ok(StoredEvent {
            sequence: row.sequence.cast_unsigned(),
            noms: noms.clone(),
            stream_sequence: row.sequence.cast_unsigned(),
            recorded_at: row.recorded_at,
            trace_id: row.trace_id(),
            event: row.event().map_err(|error| EvidenceError::Event(error.to_string()))?,
        })
    };
    let events = event_rows(entries, noms)?.iter().map(stored).collect::<Result<_, EvidenceError>>()?;
    let places: BTreeMap<_, _> = entries
        .iter()
        .filter(|entry| entry.record.case_id.as_deref() == Some(noms.as_str()))
        .filter_map(|entry| {
            let sequence = entry.record.sequence?.cast_unsigned();
            Some((sequence, (entry.position.cast_signed(), entry.leaf.to_string())))
        })
        .collect();
    let writes = file.writes.iter().filter(|write| write.noms_id == *noms);
    Ok(CaseFile {
        noms: noms.clone(),
        streams: vec![(noms.clone(), places.clone())],
        read_at: file.read_at,
        unsettled_since: None,
        events,
        receipts: vec![],
        outbox: writes
            .map(|write| write.row(attempts.remove(&write.id.to_string()).unwrap_or_default()))
            .collect(),
        parked: vec![],
        waiting: vec![],
        erasures: vec![],
        journal: places,
    })
}

fn receipts(entries: &[DecodedEntry]) -> Result<Vec<ReceiptOfCase>, EvidenceError> {
    of("receipt", entries)
        .map(|row| {
            Ok(ReceiptOfCase {
                message_id: row.text("message_id")?,
                disposition: row.text("disposition")?,
                body_sha256: row.text("body_sha256")?,
                receive_count: row.number("receive_count")?,
                received_at: row.time("received_at")?,
                recorded_at: row.time("recorded_at")?,
            })
        })
        .collect()
}

fn parked(entries: &[DecodedEntry]) -> Result<Vec<ParkedOfCase>, EvidenceError> {
    let mut parkings: BTreeMap<i64, Vec<ParkingOfCase>> = BTreeMap::new();
    for row in of("parking", entries) {
        parkings.entry(row.number("parked_id")?).or_default().push(ParkingOfCase {
            event_type: row.optional("event_type"),
            reason: row.text("reason")?,
            detail: row.text("detail")?,
            at: row.time("at")?,
        });
    }
    let mut decisions: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for row in of("parkedDecision", entries) {
        let decision = (row.text("decision")?, row.text("by_whom")?, row.text("why")?, row.time("at")?);
        decisions.entry(row.number("parked_id")?).or_default().push(decision);
    }
    of("parkedMessage", entries)
        .map(|row| {
            let id = row.number("id")?;
            Ok(ParkedOfCase {
                id,
                message_id: row.text("message_id")?,
                received_at: row.time("received_at")?,
                parkings: parkings.remove(&id).unwrap_or_default(),
                decisions: decisions.remove(&id).unwrap_or_default(),
            })
        })
        .collect()
}
