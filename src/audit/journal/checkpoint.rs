//! Checkpoints: signed statements "the log `origin` of this size has this root", in the text form of C2SP
//! `tlog-checkpoint`, which is a C2SP `signed-note` with an Ed25519 signature:
//!
//! ```text
//! pom-cases.example.org/journal
//! 14
//! kn3JLbE9ImDLdD2vY8Ic8jT3DVZrmwfzQWNyDXDF3Xs=
//! time 2026-11-24T03:00:00Z
//!
//! — pom-cases.example.org/journal Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
//! ```
//!
//! The `time` line is an extension of ours: when the checkpoint was signed. Keys are written as in signed notes,
//! `name+id+base64`. See [`super::tree`] for why no crate is used.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest as _, Sha256};

use super::hash::Hash;

/// The algorithm number of Ed25519 in signed notes.
const ED25519_KEY: u8 = 1;

/// What a checkpoint states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    pub root: Hash,
    pub at: Option<DateTime<Utc>>,
}

/// Why a text is not accepted as a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(
        "not a checkpoint: expected the name of a log, its size, its root in base64, a blank line and signatures"
    )]
    NotACheckpoint,
    #[error("the checkpoint is not signed by any of the given keys")]
    UnknownKey,
    #[error("the signature of the checkpoint is wrong: its text was changed, or it is a forgery")]
    WrongSignature,
}

impl Checkpoint {
    /// Reads a checkpoint without checking who signed it.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        let (text, _) = split(note).ok_or(CheckpointError::NotACheckpoint)?;
        Self::of_text(text).ok_or(CheckpointError::NotACheckpoint)
    }

    /// Reads a checkpoint that is signed by one of the keys.
    ///
    /// # Errors
    /// When the text has another form or no signature by a given key, or such a signature is wrong.
    pub fn verify(note: &str, verifiers: &[Verifier]) -> Result<Self, CheckpointError> {
        let (text, signatures) = split(note).ok_or(CheckpointError::NotACheckpoint)?;
        let checkpoint = Self::of_text(text).ok_or(CheckpointError::NotACheckpoint)?;
        let mut known = false;
        for line in signatures.lines() {
            let signature = Signature::parse(line).ok_or(CheckpointError::NotACheckpoint)?;
            for verifier in verifiers.iter().filter(|verifier| verifier.made(&signature)) {
                // A log signs under its own name.
                if verifier.name != checkpoint.origin || !verifier.accepts(text, &signature.bytes) {
                    return Err(CheckpointError::WrongSignature);
                }
                known = true;
            }
        }
        if known { Ok(checkpoint) } else { Err(CheckpointError::UnknownKey) }
    }

    fn of_text(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
        let size = lines.next()?;
        let root = Hash::from_base64(lines.next()?)?;
        // As tlog-checkpoint demands: decimal without leading zeros.
        let parsed: u64 = size.parse().ok()?;
        if parsed.to_string() != size {
            return None;
        }
        let mut at = None;
        for extension in lines {
            if extension.is_empty() {
                return None;
            }
            at = at.or_else(|| extension.strip_prefix("time ")?.parse().ok());
        }
        Some(Self { origin, size: parsed, root, at })
    }
}

/// The text that is signed: without the signatures.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root.to_base64())?;
        match self.at {
            Some(at) => writeln!(f, "time {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => Ok(()),
        }
    }
}

/// The text with its final line end, and the signature lines.
fn split(note: &str) -> Option<(&str, &str)> {
    let blank = note.rfind("\n\n")?;
    let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
    (signatures.ends_with('\n') && signatures.len() > 1).then_some((text, signatures))
}

/// The checkpoints of a file that holds one after the other.
///
/// # Errors
/// When the file holds anything else.
pub fn split_notes(file: &str) -> Result<Vec<String>, CheckpointError> {
    let mut notes = vec![];
    let mut note = String::new();
    let mut signed = false;
    for line in file.lines() {
        let is_signature = line.starts_with("— ");
        if signed && !is_signature {
            notes.push(std::mem::take(&mut note));
            signed = false;
        }
        // Blank lines between two checkpoints.
        if note.is_empty() && line.is_empty() {
            continue;
        }
        note += line;
        note.push('\n');
        signed |= is_signature;
    }
    if !note.is_empty() {
        notes.push(note);
    }
    match notes.iter().all(|note| Checkpoint::parse(note).is_ok()) && !notes.is_empty() {
        true => Ok(notes),
        false => Err(CheckpointError::NotACheckpoint),
    }
}

/// One signature line.
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
        let signature = STANDARD.decode(signature).ok()?;
        let (id, bytes) = signature.split_first_chunk()?;
        Some(Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

/// A public key that checkpoints are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    public: [u8; 32],
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key for checkpoints: expected name+id+base64, as the service logs it at its start")]
pub struct InvalidVerifier;

impl Verifier {
    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519_KEY])
            .chain_update(self.public)
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    fn made(&self, signature: &Signature) -> bool {
        signature.name == self.name && signature.id == self.id()
    }

    fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(text.as_bytes(), signature).is_ok()
    }

    /// Name of the log whose checkpoints it verifies.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of the Ed25519 key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = STANDARD.encode([&[ED25519_KEY], self.public.as_slice()].concat());
        write!(f, "{}+{id:08x}+{key}", self.name)
    }
}

impl std::str::FromStr for Verifier {
    type Err = InvalidVerifier;

    fn from_str(text: &str) -> Result<Self, InvalidVerifier> {
        let parse = || {
            let mut parts = text.trim().splitn(3, '+');
            let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
            let key = STANDARD.decode(key).ok()?;
            let public = key.strip_prefix(&[ED25519_KEY])?.try_into().ok()?;
            let verifier = Self { name: name.to_owned(), public };
            let is_valid = is_name(name) && format!("{:08x}", u32::from_be_bytes(verifier.id())) == id;
            is_valid.then_some(verifier)
        };
        parse().ok_or(InvalidVerifier)
    }
}

/// What a signed note allows as a name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|it: char| it.is_whitespace() || it == '+')
}

/// The private key that checkpoints are signed with.
pub struct Signer {
    key: Ed25519KeyPair,
    verifier: Verifier,
}

/// Why a signer cannot be made. Never repeats the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigner {
    #[error(
        "not an Ed25519 private key; expected PEM (openssl genpkey -algorithm ed25519) or its 32 bytes in base64"
    )]
    Key,
    #[error("not a name for a log: it must not be empty or contain blanks or '+'")]
    Origin,
}

impl Signer {
    /// The key, in PEM or base64, of the log with this name.
    ///
    /// # Errors
    /// When the key or the name has another form.
    pub fn new(origin: &str, key: &str) -> Result<Self, InvalidSigner> {
        if !is_name(origin) {
            return Err(InvalidSigner::Origin);
        }
        let body: String = key.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let bytes = STANDARD.decode(body).map_err(|_| InvalidSigner::Key)?;
        let key = match bytes.len() {
            32 => Ed25519KeyPair::from_seed_unchecked(&bytes),
            _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes),
        };
        let key = key.map_err(|_| InvalidSigner::Key)?;
        let public = key.public_key().as_ref().try_into().map_err(|_| InvalidSigner::Key)?;
        Ok(Self { key, verifier: Verifier { name: origin.to_owned(), public } })
    }

    /// The key to verify its checkpoints with.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A signed checkpoint of the log.
    pub fn sign(&self, size: u64, root: Hash, at: DateTime<Utc>) -> String {
        let origin = self.verifier.name.clone();
        self.sign_text(&Checkpoint { origin, size, root, at: Some(at) }.to_string())
    }

    fn sign_text(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes());
        let signature = [self.verifier.id().as_slice(), signature.as_ref()].concat();
        format!("{text}\n— {} {}\n", self.verifier.name, STANDARD.encode(signature))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.verifier.name).finish()
    }
}

#[cfg(test)]
mod tests;
