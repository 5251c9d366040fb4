//! An outside digest: positions and hashes noted where nobody who can change the database can change them. It shows
//! what the chain alone cannot: that its end was cut off, or that all of it was written anew.
//!
//! One line each: position, hash, time, separated by blanks. Lines that begin with `#` are remarks.

use std::{fmt, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::audit::journal::canonical::Hash;

/// One noted position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// The last position at that time.
    pub position: i64,
    /// Its hash.
    pub hash: Hash,
    /// When it was noted.
    pub at: DateTime<Utc>,
}

/// A line that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no digest: expected a position, 64 hexadecimal digits and a time")]
pub struct InvalidDigest {
    line: usize,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(f, "{} {} {at}", self.position, self.hash)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(line: &str) -> Result<Self, InvalidDigest> {
        let mut words = line.split_whitespace();
        let digest = (|| {
            Some(Self {
                position: words.next()?.parse().ok()?,
                hash: Hash::from_hex(words.next()?)?,
                at: words.next()?.parse().ok()?,
            })
        })();
        digest.filter(|_| words.next().is_none()).ok_or(InvalidDigest { line: 1 })
    }
}

/// Reads a file of digests, in order of position.
pub fn parse(text: &str) -> Result<Vec<Digest>, InvalidDigest> {
    let mut digests = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(line, number)| line.parse().map_err(|_| InvalidDigest { line: number }))
        .collect::<Result<Vec<Digest>, _>>()?;
    digests.sort_by_key(|digest| digest.position);
    Ok(digests)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_digest_is_read_back_from_its_line() {
        let digest =
            Digest { position: 42, hash: Hash::of(b"abc"), at: "2026-07-01T09:00:00Z".parse().unwrap() };
        assert_eq!(parse(&format!("# noted daily\n\n{digest}\n")), Ok(vec![digest]));
    }

    #[test]
    fn a_line_that_is_no_digest_is_named() {
        assert_eq!(parse("# remark\n42 abc").unwrap_err().to_string().split(' ').nth(1), Some("2"));
    }
}
