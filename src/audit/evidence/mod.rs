//! What an entry rests on: in short, in every history (hashes of the bytes that led to it, and its place in the journal),
//! and as an [evidence file](file) that proves everything about one person, to somebody who has nothing else.

mod case_file;
mod export;
pub mod file;
mod verify;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

pub use export::{ExportError, export};
pub use file::EvidenceFile;
pub use verify::{ProvedEvidence, verify};

use crate::audit::{
    history::{CaseFile, StoredEvent},
    journal::checkpoint::CheckpointError,
};

/// Why an evidence file proves nothing. Never repeats what is in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    #[error("not an evidence file, or one that was damaged")]
    NotEvidence,
    #[error("the file was changed: its bytes do not have their hash")]
    Damaged,
    #[error("an evidence file of another format ({0}): use the version that wrote it")]
    OtherFormat(String),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the entry at position {position} {what}")]
    Entry { position: u64, what: &'static str },
    #[error("the counts are not those of what is in the file")]
    Counts,
    #[error("event {sequence} of {noms} is missing")]
    Gap { noms: String, sequence: i64 },
    #[error("{0}")]
    Event(String),
    #[error("the replay differs: {0}")]
    Replay(String),
}

/// The case in an evidence file, as what a history is made from. Nothing is proved by reading it: see [`verify`].
///
/// # Errors
/// When an entry cannot be read.
pub fn case_of(file: &EvidenceFile) -> Result<CaseFile, EvidenceError> {
    case_file::case_file(file)
}

/// What an entry rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryEvidence {
    /// SHA-256 of the message's bytes.
    pub message_sha256: Option<String>,
    /// The answers that were fetched for it.
    pub fetched: Vec<FetchedHash>,
    /// Its place in the journal, once it is entered; not given for a time of knowing, for when it was entered is no
    /// part of what was recorded.
    pub journal: Option<JournalPlace>,
}

/// An answer of Manage POM Cases, by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FetchedHash {
    /// The address asked.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// When.
    pub at: DateTime<Utc>,
    /// SHA-256 of the answer's bytes.
    pub sha256: String,
}

/// A place in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JournalPlace {
    /// The position over all cases.
    pub position: i64,
    /// The hash of the chain there.
    pub hash: String,
}

/// Places in the journal, by sequence of the event.
pub(crate) type Places = BTreeMap<u64, (i64, String)>;

pub(crate) fn place(places: &Places, sequence: u64) -> Option<JournalPlace> {
    places.get(&sequence).map(|(position, hash)| JournalPlace { position: *position, hash: hash.clone() })
}

impl EntryEvidence {
    pub(crate) fn of(stored: &StoredEvent, places: &Places) -> Self {
        let provenance = stored.event.provenance();
        Self {
            message_sha256: provenance.map(|provenance| provenance.message.sha256.clone()),
            fetched: provenance
                .iter()
                .flat_map(|provenance| &provenance.fetched)
                .map(|fetched| FetchedHash {
                    url: fetched.url.clone(),
                    status: fetched.status,
                    at: fetched.at,
                    sha256: fetched.answer.sha256.clone(),
                })
                .collect(),
            journal: place(places, stored.sequence),
        }
    }
}
