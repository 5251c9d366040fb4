//! What an entry rests on, in short: hashes of the bytes that led to it, and its place in the journal. The bytes
//! themselves are given one entry at a time, see [`super::explain`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::audit::history::StoredEvent;

/// What an entry rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
