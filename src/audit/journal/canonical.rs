//! The bytes of an event that are hashed: every stored column, in a form that does not depend on how PostgreSQL or
//! a JSON library happens to print it.
//!
//! The canonical bytes are, in this order, each preceded by its length in bytes as eight big-endian bytes (so that
//! no two different events can give the same bytes):
//!
//! 1. `aggregate_type`, `aggregate_id`, `sequence` (decimal), `event_type`, `event_version` as UTF-8
//! 2. `payload`, then `metadata`, as canonical JSON: no white space; the members of an object sorted by their name
//!    in the order of UTF-8 bytes; texts with the escapes `\"`, `\\`, `\b`, `\f`, `\n`, `\r`, `\t` and `\u00xx`
//!    where JSON demands them and no others; numbers digit by digit as stored
//! 3. `id` and `xid` (decimal)
//! 4. `recorded_at` as microseconds since 1970-01-01T00:00:00Z (decimal)

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::event_store::reader::{EventRow, ReadError};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What comes before the first position: 32 zero bytes.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash of the bytes alone.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of the position after this one, which holds the event with these canonical bytes.
    pub fn followed_by(&self, bytes: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(bytes).finalize().into())
    }

    /// A hash as stored. What is not 32 bytes long is no hash and becomes one that nothing has: 32 times 255.
    pub(crate) fn from_stored(bytes: &[u8]) -> Self {
        Self(bytes.try_into().unwrap_or([u8::MAX; 32]))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The canonical bytes of an event.
pub fn bytes(event: &EventRow) -> Result<Vec<u8>, ReadError> {
    let json = |text: &str, what: &str| {
        canonical_json(text).map_err(|_| ReadError::Event {
            case: event.aggregate_id.clone(),
            sequence: event.sequence,
            what: format!("its {what} is not JSON"),
        })
    };
    let mut out = Vec::with_capacity(event.payload.len() + event.metadata.len() + 256);
    let mut field = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    field(event.aggregate_type.as_bytes());
    field(event.aggregate_id.as_bytes());
    field(event.sequence.to_string().as_bytes());
    field(event.event_type.as_bytes());
    field(event.event_version.as_bytes());
    field(&json(&event.payload, "payload")?);
    field(&json(&event.metadata, "metadata")?);
    field(event.id.to_string().as_bytes());
    field(event.xid.as_bytes());
    field(event.recorded_at.timestamp_micros().to_string().as_bytes());
    Ok(out)
}

fn canonical_json(text: &str) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    write(text, &mut out)?;
    Ok(out)
}

/// Numbers are passed on as text: through `f64` an edit far behind the decimal point would go unseen.
fn write(text: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<Text<'_>, &RawValue> = serde_json::from_str(text)?;
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, &name.0)?;
                out.push(b':');
                write(value.get(), out)?;
            }
            out.push(b'}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item.get(), out)?;
            }
            out.push(b']');
        }
        Some(b'"') => serde_json::to_writer(&mut *out, &serde_json::from_str::<Text<'_>>(text)?.0)?,
        _ => out.extend_from_slice(serde_json::from_str::<&RawValue>(text)?.get().as_bytes()),
    }
    Ok(())
}

/// A text that is borrowed where it holds no escapes.
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(canonical_json(text).unwrap()).unwrap()
    }

    #[test]
    fn neither_white_space_nor_the_order_of_members_matters() {
        let one = r#"{"b": [1, {"y": null, "x": true}], "a": "t"}"#;
        let other = "{\"a\":\"t\",\n\"b\":[1,{\"x\":true,\"y\":null}]}";
        assert_eq!(canonical(one), r#"{"a":"t","b":[1,{"x":true,"y":null}]}"#);
        assert_eq!(canonical(one), canonical(other));
    }

    #[test]
    fn an_escape_and_its_character_are_the_same_text() {
        assert_eq!(canonical(r#""\u00e9\/\u0041\n""#), "\"é/A\\n\"");
    }

    #[test]
    fn numbers_keep_every_digit() {
        let number = "1.00000000000000000000000000000000001";
        assert_eq!(canonical(number), number);
        assert_ne!(canonical("1.0"), canonical("1"));
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "[1,]", "nul", "1 2"] {
            assert!(canonical_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_column_changes_the_bytes() {
        let event = EventRow {
            aggregate_type: "case".into(),
            aggregate_id: "A1234BC".into(),
            sequence: 1,
            event_type: "PomDeallocated".into(),
            event_version: "1.0.0".into(),
            payload: "{}".into(),
            metadata: "{}".into(),
            id: 1,
            xid: "700".into(),
            recorded_at: "2026-07-01T09:00:00Z".parse().unwrap(),
        };
        let changes: [fn(&mut EventRow); 10] = [
            |event| event.aggregate_type = "Case".into(),
            |event| event.aggregate_id = "A1234BD".into(),
            |event| event.sequence = 2,
            |event| event.event_type = "PomAllocated".into(),
            |event| event.event_version = "1.0.1".into(),
            |event| event.payload = "[]".into(),
            |event| event.metadata = "[]".into(),
            |event| event.id = 2,
            |event| event.xid = "701".into(),
            |event| event.recorded_at += chrono::TimeDelta::microseconds(1),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut changed = event.clone();
            change(&mut changed);
            assert_ne!(bytes(&changed).unwrap(), bytes(&event).unwrap(), "column {index}");
        }
    }

    #[test]
    fn moving_text_from_one_column_to_the_next_changes_the_bytes() {
        let event = |kind: &str, version: &str| EventRow {
            aggregate_type: "case".into(),
            aggregate_id: "A1234BC".into(),
            sequence: 1,
            event_type: kind.into(),
            event_version: version.into(),
            payload: "{}".into(),
            metadata: "{}".into(),
            id: 1,
            xid: "700".into(),
            recorded_at: "2026-07-01T09:00:00Z".parse().unwrap(),
        };
        assert_ne!(bytes(&event("ab", "c")).unwrap(), bytes(&event("a", "bc")).unwrap());
    }

    #[test]
    fn a_hash_is_read_back_from_its_digits() {
        let hash = Hash::of(b"abc");
        assert_eq!(Hash::from_hex(&hash.to_string()), Some(hash));
        assert_eq!(Hash::from_hex("xyz"), None);
    }
}
