//! The evidence file: everything that is recorded about one person, with the proof that each entry is in the journal. It
//! stands alone: whoever checks it needs neither the database nor the other cases.
//!
//! The file is JSON. Its first member is the SHA-256 of the bytes of the second, so that a damaged file is noticed
//! wherever the damage is; that it was not made up is shown by the signed checkpoint and the inclusion proofs.
//!
//! ```text
//! {"sha256":"<64 hexadecimal digits>","evidence":
//! {"format":"manage-pom-cases-and-delius evidence 1", …}
//! }
//! ```

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::EvidenceError;
use crate::{
    audit::history::{FailedAttempt, WriteOfCase},
    case::{DeliusWrite, NomsNumber, WriteRef, identity::Part, sha256_hex},
};

/// The format that this version writes and reads.
pub const FORMAT: &str = "manage-pom-cases-and-delius evidence 1";

const BEFORE_HASH: &str = "{\"sha256\":\"";
const BEFORE_BODY: &str = "\",\"evidence\":\n";
const AFTER_BODY: &str = "\n}\n";

/// What an evidence file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceFile {
    pub format: String,
    /// The number that the person has now.
    pub noms_id: NomsNumber,
    /// Every number that the person had, with the time for which its stream is the person's.
    pub parts: Vec<Part>,
    /// The question that was asked: what was true in the world at this time.
    pub as_of: Option<DateTime<Utc>>,
    /// What was known at this time. Entries that were recorded later are not in the file.
    pub known_at: Option<DateTime<Utc>>,
    /// In which times are shown.
    pub time_zone: String,
    /// The time of the store's clock when the case was read.
    pub read_at: DateTime<Utc>,
    pub exported_by: String,
    pub code_version: String,
    /// The signed checkpoint that the proofs lead to.
    pub checkpoint: String,
    /// The key that signed it, where the exporter knew it. Compare it with the published one.
    pub verifier: Option<String>,
    /// Entries by source.
    pub counts: BTreeMap<String, u64>,
    /// Rows about the case that are newer than the checkpoint and not in the file.
    pub not_covered: u64,
    pub entries: Vec<EvidenceEntry>,
    /// The bytes of parked messages, by their number. Of the other messages the events hold the bytes.
    pub parked_bodies: BTreeMap<i64, String>,
    /// The writes that the events led to.
    pub writes: Vec<EvidenceWrite>,
}

/// One entry of the journal with its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceEntry {
    /// From 1.
    pub position: u64,
    /// Base64 of the salt.
    pub salt: String,
    /// Base64 of the canonical bytes of the row.
    pub bytes: String,
    /// The inclusion proof: hashes in base64, bottom up.
    pub proof: Vec<String>,
}

/// A derived write as it stood when the file was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceWrite {
    pub id: uuid::Uuid,
    pub noms_id: NomsNumber,
    /// In the stream of the number.
    pub sequence: u64,
    pub ordinal: u32,
    pub intent: DeliusWrite,
    pub state: String,
    pub attempt: u32,
}

impl EvidenceWrite {
    pub(super) fn of(row: &WriteOfCase, sequence: u64) -> Self {
        Self {
            id: row.id,
            noms_id: row.noms.clone(),
            sequence,
            ordinal: row.write.ordinal,
            intent: row.intent.clone(),
            state: row.state.clone(),
            attempt: row.attempt,
        }
    }

    pub(super) fn row(&self, failures: Vec<FailedAttempt>) -> WriteOfCase {
        WriteOfCase {
            id: self.id,
            noms: self.noms_id.clone(),
            write: WriteRef { sequence: self.sequence, ordinal: self.ordinal },
            intent: self.intent.clone(),
            state: self.state.clone(),
            attempt: self.attempt,
            failures,
        }
    }
}

impl EvidenceFile {
    /// The bytes of the file.
    ///
    /// # Errors
    /// Never in practice: it writes to memory.
    pub fn to_text(&self) -> anyhow::Result<String> {
        let body = serde_json::to_string_pretty(self)?;
        let hash = sha256_hex(body.as_bytes());
        Ok(format!("{BEFORE_HASH}{hash}{BEFORE_BODY}{body}{AFTER_BODY}"))
    }

    /// Reads the bytes of a file, and checks that none of them was changed by accident. Nothing is proved by it.
    ///
    /// # Errors
    /// When it is not such a file, or its bytes do not have their hash.
    pub fn from_text(text: &str) -> Result<Self, EvidenceError> {
        let not_evidence = || EvidenceError::NotEvidence;
        let rest = text.strip_prefix(BEFORE_HASH).ok_or_else(not_evidence)?;
        let (hash, rest) = rest.split_at_checked(64).ok_or_else(not_evidence)?;
        let body = rest.strip_prefix(BEFORE_BODY).and_then(|rest| rest.strip_suffix(AFTER_BODY));
        let body = body.ok_or_else(not_evidence)?;
        if sha256_hex(body.as_bytes()) != hash {
            return Err(EvidenceError::Damaged);
        }
        let file: Self = serde_json::from_str(body).map_err(|_| not_evidence())?;
        if file.format != FORMAT {
            return Err(EvidenceError::OtherFormat(file.format));
        }
        Ok(file)
    }
}
