//! One person, several numbers: the files of all streams as one, in the order of recording.
//!
//! The events get new positions, 1 to n, because the streams count each for themselves. For a person with one number
//! these are the sequences of the stream.

use std::collections::BTreeMap;

use crate::{
    audit::history::{CaseFile, StoredEvent},
    case::identity::Part,
};

/// Leaves out what belongs to whoever had the number before or has it now.
pub(crate) fn restrict(file: &mut CaseFile, part: &Part) {
    if part.is_whole() {
        return;
    }
    let mut kept: BTreeMap<u64, bool> = BTreeMap::new();
    for stored in &file.events {
        // An outcome belongs to whom its write was for.
        let source = stored.event.write_change().and_then(|(write, _)| kept.get(&write.sequence).copied());
        let at = stored.event.valid_at().unwrap_or(stored.recorded_at);
        kept.insert(stored.sequence, source.unwrap_or_else(|| part.contains(at)));
    }
    let is_kept = |sequence: u64| kept.get(&sequence).copied().unwrap_or(false);
    file.events.retain(|stored| is_kept(stored.sequence));
    file.outbox.retain(|row| is_kept(row.write.sequence));
    file.journal.retain(|sequence, _| is_kept(*sequence));
    let messages: Vec<&str> = file
        .events
        .iter()
        .filter_map(|stored| Some(stored.event.provenance()?.message_id.as_str()))
        .collect();
    file.receipts.retain(|receipt| messages.contains(&receipt.message_id.as_str()));
    file.parked.retain(|parked| part.contains(parked.received_at));
    file.waiting.retain(|waiting| part.contains(waiting.received_at));
}

/// The files of one person as one; `None` for no file.
pub(crate) fn merge(files: Vec<CaseFile>) -> Option<CaseFile> {
    let mut files = files.into_iter();
    let mut merged = files.next()?;
    let Some(second) = files.next() else { return Some(merged) };
    for file in std::iter::once(second).chain(files) {
        merged.events.extend(file.events);
        merged.outbox.extend(file.outbox);
        for receipt in file.receipts {
            // A message that is recorded in several streams was received once.
            if !merged.receipts.contains(&receipt) {
                merged.receipts.push(receipt);
            }
        }
        merged.parked.extend(file.parked);
        merged.waiting.extend(file.waiting);
        for erasure in file.erasures {
            // One erasure of the person is recorded under every number.
            if !merged.erasures.contains(&erasure) {
                merged.erasures.push(erasure);
            }
        }
        merged.streams.extend(file.streams);
    }
    merged.receipts.sort_by_key(|receipt| receipt.recorded_at);
    merged.parked.sort_by_key(|parked| parked.id);
    renumber(&mut merged);
    Some(merged)
}

fn renumber(file: &mut CaseFile) {
    file.events.sort_by(|one, other| {
        let order = |stored: &StoredEvent| (stored.recorded_at, stored.noms.clone(), stored.sequence);
        order(one).cmp(&order(other))
    });
    let mut places: BTreeMap<_, u64> = BTreeMap::new();
    for (stored, place) in file.events.iter().zip(1..) {
        places.insert((stored.noms.clone(), stored.sequence), place);
    }
    for stored in &mut file.events {
        let noms = stored.noms.clone();
        let place = |sequence: u64| places.get(&(noms.clone(), sequence)).copied().unwrap_or(0);
        stored.event.renumber(&place);
        stored.sequence = place(stored.sequence);
    }
    for row in &mut file.outbox {
        row.write.sequence = places.get(&(row.noms.clone(), row.write.sequence)).copied().unwrap_or(0);
    }
    file.outbox.sort_by_key(|row| row.write);
    let journal = |stored: &StoredEvent| {
        let places = file.streams.iter().find(|(noms, _)| *noms == stored.noms)?;
        Some((stored.sequence, places.1.get(&stored.stream_sequence)?.clone()))
    };
    file.journal = file.events.iter().filter_map(journal).collect();
}
