//! Reads a bearer token: a JWS in compact form (RFC 7515, 7.1) whose payload is a JWT claims set (RFC 7519).
//!
//! Nothing here is trusted yet: [`Token::parse`] reads what is needed to find the key, and the claims are read only
//! after the signature was verified.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::Refusal;

/// A token whose signature has still to be verified.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    signed: &'a str,
    signature: &'a str,
    claims: &'a str,
    key_id: Option<String>,
}

/// The members of a JOSE header that say how to verify. Others are ignored, and with them every place that could offer
/// a key of the sender's own (`jwk`, `jku`, `x5c`, `x5u`).
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
    /// RFC 7515, 4.1.11: we understand no extension, so any that is declared critical must be refused; the list must
    /// not be empty.
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
}

/// The claims of a token. Those that RFC 7519 registers have the types that it gives them, whether we use them or not.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    #[serde(default, deserialize_with = "present")]
    iss: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) sub: Option<String>,
    #[serde(default, rename = "aud", deserialize_with = "present")]
    _aud: Option<Audience>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<NumericDate>,
    #[serde(default, rename = "iat", deserialize_with = "present")]
    _iat: Option<NumericDate>,
    #[serde(default, rename = "jti", deserialize_with = "present")]
    _jti: Option<String>,
    /// Not registered: HMPPS Auth puts the client here.
    #[serde(default)]
    client_id: serde_json::Value,
    /// Not registered: HMPPS Auth puts the roles here.
    #[serde(default)]
    authorities: serde_json::Value,
}

/// Seconds since 1970, with or without a fraction (RFC 7519, section 2).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize)]
pub(super) struct NumericDate(f64);

/// One or several. Who is among them is not checked: HMPPS Auth issues tokens for clients and not for services, and
/// says by their roles what they may do.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(#[allow(dead_code, reason = "only its type is checked")] String),
    Several(#[allow(dead_code, reason = "only its type is checked")] Vec<String>),
}

/// A member that may be absent but not null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl<'a> Token<'a> {
    /// Reads the header of a token.
    ///
    /// # Errors
    /// When it is not a JWS that claims to be signed with RS256, or demands what we do not understand.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refusal> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        // Three parts: a fourth dot would be an encrypted token, which nobody sends us.
        if claims.contains('.') || BASE64_URL_SAFE_NO_PAD.decode(signature).is_err() {
            return Err(Refusal::Malformed);
        }
        let header: Header = object(header).ok_or(Refusal::Malformed)?;
        if header.alg != "RS256" {
            return Err(Refusal::Algorithm);
        }
        if header.crit.is_some() {
            return Err(Refusal::CriticalExtension);
        }
        Ok(Self { signed, signature, claims, key_id: header.kid })
    }

    /// The id of the key that the token claims to be signed with.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// What is signed, and the signature.
    pub(super) fn signed_parts(&self) -> (&str, &str) {
        (self.signed, self.signature)
    }

    /// Reads the claims, which are worth nothing before the signature was verified.
    ///
    /// # Errors
    /// When they are not a claims set.
    pub(crate) fn claims(&self) -> Result<Claims, Refusal> {
        object(self.claims).ok_or(Refusal::Malformed)
    }
}

/// Decodes a part of a token, which has to be base64url without padding of a JSON object without repeated members.
fn object<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    // The JSON library would also read a list as the members of a structure in their order.
    let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    is_object.then(|| serde_json::from_slice(&bytes).ok()).flatten()
}

impl Claims {
    /// Checks issuer and times.
    ///
    /// # Errors
    /// When the token was issued by somebody else, or is not valid now.
    pub(super) fn check(&self, issuer: &str, now: NumericDate, leeway: Duration) -> Result<(), Refusal> {
        if self.iss.as_deref() != Some(issuer) {
            return Err(Refusal::Issuer);
        }
        if self.expires_at()?.is_over(now, leeway) {
            return Err(Refusal::Expired);
        }
        if self.nbf.is_some_and(|NumericDate(not_before)| not_before > now.0 + leeway.as_secs_f64()) {
            return Err(Refusal::NotYetValid);
        }
        Ok(())
    }

    /// When the token ends. One that never ends is not accepted.
    pub(super) fn expires_at(&self) -> Result<NumericDate, Refusal> {
        self.exp.ok_or(Refusal::NoExpiry)
    }

    /// The client that the token was issued to.
    pub(super) fn client_id(&self) -> Option<&str> {
        self.client_id.as_str()
    }

    /// The roles: a list of texts, or one text with blanks between them, as scopes are written. Anything else in their
    /// place grants nothing.
    pub(crate) fn authorities(&self) -> Vec<&str> {
        match &self.authorities {
            serde_json::Value::Array(list) => list.iter().filter_map(serde_json::Value::as_str).collect(),
            serde_json::Value::String(text) => text.split_ascii_whitespace().collect(),
            _ => vec![],
        }
    }
}

impl NumericDate {
    /// Now, by the clock of this machine.
    pub(super) fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(0.0, |since| since.as_secs_f64()))
    }

    #[cfg(test)]
    pub(super) fn seconds(self) -> f64 {
        self.0
    }

    /// Whether `now` is at or after this time, by more than clocks may differ.
    pub(super) fn is_over(self, now: Self, leeway: Duration) -> bool {
        now.0 >= self.0 + leeway.as_secs_f64()
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
