//! Where a fact comes from: the message that told of it and the answers fetched for it, with the bytes and their
//! hashes, so that an auditor can follow it to its source.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::NomsNumber;

/// Version of the code, recorded with every decision: the package's, with build number and commit where the build was
/// given them.
pub const CODE_VERSION: &str = env!("CODE_VERSION");

/// Text as received, with the SHA-256 of its bytes (64 lower-case hexadecimal digits).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The bytes as text, exactly as received.
    pub body: String,
    /// SHA-256 of the bytes.
    pub sha256: String,
}

impl Evidence {
    /// Takes the text as evidence.
    pub fn of(body: impl Into<String>) -> Self {
        let body = body.into();
        let sha256 = sha256_hex(body.as_bytes());
        Self { body, sha256 }
    }
}

/// SHA-256 of the bytes as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    Sha256::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// An answer of Manage POM Cases, as it was fetched for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched {
    /// The address that was asked.
    pub url: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// When the answer was complete.
    pub at: DateTime<Utc>,
    /// The answer's body.
    pub answer: Evidence,
    /// The member of staff that the answer names, for the directory of staff codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffMember>,
}

/// A member of prison staff as Manage POM Cases names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaffMember {
    /// NOMIS staff code.
    pub code: i64,
    /// Forename.
    pub forename: String,
    /// Surname.
    pub surname: String,
    /// E-mail address, when there is one.
    pub email: Option<String>,
}

/// The source of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// SNS `MessageId`; of a message without one `sqs:…` (its id in the queue) or `sha256:…` of the body.
    pub message_id: String,
    /// Event type of the message.
    pub event_type: String,
    /// When it happened, as the message says.
    pub occurred_at: DateTime<Utc>,
    /// When we received the message.
    pub received_at: DateTime<Utc>,
    /// The message as received.
    pub message: Evidence,
    /// What was fetched for it.
    pub fetched: Vec<Fetched>,
    /// Version of the code that decided.
    pub code_version: String,
    /// The number that the message named, where that is another number of the same person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<NomsNumber>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_carries_the_sha256_of_its_bytes() {
        assert_eq!(
            Evidence::of("abc").sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
