//! A SHA-256, and the two ways in which the tree makes one: of a leaf and of an interior node.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of the bytes alone. Of no bytes: the root of an empty tree.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of a leaf: SHA-256(0x00 ‖ salt ‖ bytes). Without the salt it does not reveal anything about the bytes,
    /// not even to somebody who can guess them.
    pub fn leaf(salt: &[u8], bytes: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(salt).chain_update(bytes).finalize().into())
    }

    /// The hash of an interior node: SHA-256(0x01 ‖ left ‖ right).
    pub fn parent(left: &Self, right: &Self) -> Self {
        Self(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// A hash as stored. A value that is not 32 bytes long becomes 32 bytes of 255, which is the hash of nothing known,
    /// so that a damaged row is reported as a mismatch and does not stop the check.
    pub(crate) fn from_stored(bytes: &[u8]) -> Self {
        Self(bytes.try_into().unwrap_or([u8::MAX; 32]))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Standard base64, as checkpoints and proofs write it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads standard base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        Some(Self(STANDARD.decode(text).ok()?.try_into().ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_back_from_its_digits_and_from_base64() {
        let hash = Hash::of(b"abc");
        assert_eq!(Hash::from_hex(&hash.to_string()), Some(hash));
        assert_eq!(Hash::from_base64(&hash.to_base64()), Some(hash));
        assert_eq!((Hash::from_hex("xyz"), Hash::from_base64("YWJj")), (None, None));
    }
}
