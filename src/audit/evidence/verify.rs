//! Checks an evidence file with nothing but the file and the keys.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    EvidenceError,
    case_file::{self, DecodedEntry},
    file::{EvidenceEntry, EvidenceFile},
};
use crate::{
    audit::{
        journal::{
            checkpoint::{Checkpoint, Verifier},
            hash::Hash,
            tree::verify_inclusion,
        },
        replay,
    },
    case::{CaseEvent, Evidence, NomsNumber, identity::Part, sha256_hex},
    event_store::reader::EventRow,
    outbox::audit::StoredWrite,
};

/// What was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedEvidence {
    pub entries: u64,
    pub events: u64,
    pub writes: u64,
    pub checkpoint: Checkpoint,
    /// Whether the checkpoint is signed by a key that was given; otherwise its signature was not checked.
    pub signed: bool,
    /// Rows about the case that are newer than the checkpoint.
    pub not_covered: u64,
}

/// Checks the file: signature, proofs, hashes, completeness, and that the events mean these writes and are decided the
/// same by this version of the code. Without keys the signature is not checked.
///
/// # Errors
/// With the first thing that is wrong.
pub async fn verify(file: &EvidenceFile, keys: &[Verifier]) -> Result<ProvedEvidence, EvidenceError> {
    let checkpoint = match keys {
        [] => Checkpoint::parse(&file.checkpoint)?,
        keys => Checkpoint::verify(&file.checkpoint, keys)?,
    };
    let entries = case_file::decode(file)?;
    let mut before = 0;
    for (entry, decoded) in file.entries.iter().zip(&entries) {
        if entry.position <= before {
            return Err(EvidenceError::Entry {
                position: entry.position,
                what: "is given twice or out of order",
            });
        }
        before = entry.position;
        prove(entry, decoded, &checkpoint)?;
        about_this_person(file, decoded)?;
    }
    if counts(&entries) != file.counts {
        return Err(EvidenceError::Counts);
    }
    parked_bodies(file, &entries)?;
    let (events, writes) = replay(file, &entries).await?;
    Ok(ProvedEvidence {
        entries: entries.len() as u64,
        events,
        writes,
        checkpoint,
        signed: !keys.is_empty(),
        not_covered: file.not_covered,
    })
}

fn prove(
    entry: &EvidenceEntry,
    decoded: &DecodedEntry,
    checkpoint: &Checkpoint,
) -> Result<(), EvidenceError> {
    let path = entry.proof.iter().map(|hash| Hash::from_base64(hash)).collect::<Option<Vec<Hash>>>();
    let proved = path.is_some_and(|path| {
        let index = entry.position.saturating_sub(1);
        verify_inclusion(&decoded.leaf, index, checkpoint.size, &path, &checkpoint.root)
    });
    if proved {
        return Ok(());
    }
    Err(EvidenceError::Entry {
        position: entry.position,
        what: "is not proved by the checkpoint: it was changed",
    })
}

/// An entry that is proved could still be another person's.
fn about_this_person(file: &EvidenceFile, entry: &DecodedEntry) -> Result<(), EvidenceError> {
    match entry.record.case_id.as_deref() {
        Some(case) if file.parts.iter().all(|part| part.noms.as_str() != case) => {
            Err(EvidenceError::Entry { position: entry.position, what: "is about another person" })
        }
        _ => Ok(()),
    }
}

fn counts(entries: &[DecodedEntry]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry.source.name.to_owned()).or_default() += 1;
    }
    counts
}

/// The bytes of parked messages have the hash that is in their leaf.
fn parked_bodies(file: &EvidenceFile, entries: &[DecodedEntry]) -> Result<(), EvidenceError> {
    let parked = entries.iter().filter(|entry| entry.source.name == "parkedMessage");
    let mut given = 0;
    for entry in parked {
        let body = file.parked_bodies.get(&entry.record.id).and_then(|body| STANDARD.decode(body).ok());
        let expected = entry.source.column(&entry.record, "encode(sha256(t.body), 'hex')");
        if body.map(|body| sha256_hex(&body)).as_deref() != expected {
            let what = "is a parked message whose bytes are not those that were received";
            return Err(EvidenceError::Entry { position: entry.position, what });
        }
        given += 1;
    }
    if given == file.parked_bodies.len() { Ok(()) } else { Err(EvidenceError::Counts) }
}

/// Replays every stream; how many events and writes there are.
async fn replay(file: &EvidenceFile, entries: &[DecodedEntry]) -> Result<(u64, u64), EvidenceError> {
    let (mut events, mut writes) = (0, 0);
    for part in &file.parts {
        let rows = case_file::event_rows(entries, &part.noms)?;
        events += rows.len() as u64;
        writes += replay_stream(file, part, &rows).await?;
    }
    if writes == file.writes.len() as u64 {
        Ok((events, writes))
    } else {
        Err(EvidenceError::Replay("a write belongs to no event".to_owned()))
    }
}

/// Derives the writes from the events, and decides the events again from the messages and answers in them. Of a number
/// that another person had too, the events of that person are not in the file: the rest cannot be decided again.
async fn replay_stream(file: &EvidenceFile, part: &Part, rows: &[EventRow]) -> Result<u64, EvidenceError> {
    let mut events = Vec::with_capacity(rows.len());
    let mut writes = 0;
    for (row, expected) in rows.iter().zip(1..) {
        if part.is_whole() && row.sequence != expected {
            return Err(EvidenceError::Gap { noms: part.noms.to_string(), sequence: expected });
        }
        let event = row.event().map_err(|error| EvidenceError::Event(error.to_string()))?;
        hashes(&event).map_err(|what| EvidenceError::Replay(format!("event {}: {what}", row.sequence)))?;
        let stored: Vec<StoredWrite> = stored(file, &part.noms, row.sequence.cast_unsigned()).collect();
        writes += replay::derived_writes(&part.noms, row.sequence.cast_unsigned(), &event, &stored)
            .map_err(|difference| EvidenceError::Replay(difference.to_string()))?;
        events.push(event);
    }
    if part.is_whole() {
        let decided = replay::decisions::decide_again(&part.noms, &events).await;
        decided.map_err(|other| EvidenceError::Replay(other.to_string()))?;
    }
    Ok(writes)
}

fn stored(file: &EvidenceFile, noms: &NomsNumber, sequence: u64) -> impl Iterator<Item = StoredWrite> {
    let writes = file.writes.iter().filter(move |write| write.noms_id == *noms && write.sequence == sequence);
    writes.map(|write| StoredWrite {
        case_id: write.noms_id.to_string(),
        sequence: write.sequence.cast_signed(),
        ordinal: write.ordinal.cast_signed(),
        id: write.id,
        // Serializing a plain structure does not fail.
        intent: serde_json::to_value(&write.intent).unwrap_or_default(),
    })
}

/// The messages and answers in an event have their hashes.
fn hashes(event: &CaseEvent) -> Result<(), &'static str> {
    let intact = |evidence: &Evidence| sha256_hex(evidence.body.as_bytes()) == evidence.sha256;
    let Some(provenance) = event.provenance() else { return Ok(()) };
    if !intact(&provenance.message) {
        return Err("the message does not have its hash");
    }
    match provenance.fetched.iter().all(|fetched| intact(&fetched.answer)) {
        true => Ok(()),
        false => Err("a fetched answer does not have its hash"),
    }
}
