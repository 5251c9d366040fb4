//! Reads a key set (RFC 7517) and keeps the keys that RS256 signatures can be verified with (RFC 7518, 3.3 and 6.3).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

/// RFC 7518, 3.3: a shorter key must not be used with RS256.
const MIN_MODULUS_BITS: usize = 2048;
/// What the cryptographic library can verify with; a longer key would never verify anything.
const MAX_MODULUS_BITS: usize = 8192;
const MAX_EXPONENT_BITS: usize = 33;

/// A public key that RS256 signatures can be verified with.
pub(crate) struct Key {
    id: Option<String>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    verifying: DecodingKey,
}

impl Key {
    /// Whether this key may have signed a token that names `id` as its key. The id is a hint (RFC 7515, 4.1.4): where
    /// one side has none, it rules nothing out.
    pub(crate) fn may_have_signed(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(own), Some(named)) => own == named,
            _ => true,
        }
    }

    /// Whether `signature` (in base64url) is this key's RS256 signature of `message`.
    pub(crate) fn verifies(&self, message: &str, signature: &str) -> bool {
        crypto::verify(signature, message.as_bytes(), &self.verifying, Algorithm::RS256).unwrap_or(false)
    }
}

/// The same id and the same numbers.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, &self.modulus, &self.exponent) == (&other.id, &other.modulus, &other.exponent)
    }
}

/// Why a text is no key set that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    /// Not a JSON object with a list `keys`.
    #[error("the answer is not a JSON Web Key Set")]
    NotAKeySet,
    /// No key fits. This is a fault of the publisher and not the withdrawal of all keys: callers would get 401 for it,
    /// after which Manage POM Cases does not ask again before the next night.
    #[error("the key set has no key for RS256 ({} ignored: {})", .ignored.len(), .ignored.join("; "))]
    NoUsableKey {
        /// Why each key was ignored.
        ignored: Vec<&'static str>,
    },
}

/// The usable keys of a key set. Keys that are incomplete or for another purpose do not disturb the others (RFC 7517,
/// section 5).
///
/// # Errors
/// When the text is not a key set, or none of its keys is usable.
pub(crate) fn parse_key_set(body: &[u8]) -> Result<Vec<Key>, KeySetError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let set: Value = serde_json::from_slice(body).map_err(|_| KeySetError::NotAKeySet)?;
    let members = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::NotAKeySet)?;
    let (mut keys, mut ignored) = (vec![], vec![]);
    for member in members {
        match member.as_object().ok_or("it is not an object").and_then(usable) {
            Ok(key) => keys.push(key),
            Err(reason) => ignored.push(reason),
        }
    }
    if keys.is_empty() { Err(KeySetError::NoUsableKey { ignored }) } else { Ok(keys) }
}

fn usable(jwk: &Map<String, Value>) -> Result<Key, &'static str> {
    if jwk.get("kty").and_then(Value::as_str) != Some("RSA") {
        return Err("kty is not RSA");
    }
    if optional_text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err("use is not sig");
    }
    if optional_text(jwk, "alg")?.is_some_and(|algorithm| algorithm != "RS256") {
        return Err("alg is not RS256");
    }
    match jwk.get("key_ops") {
        None | Some(Value::Null) => {}
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => {}
        Some(_) => return Err("key_ops does not contain verify"),
    }
    let id = optional_text(jwk, "kid")?.map(str::to_owned);
    let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
    if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits(&modulus)) {
        return Err("the modulus has not 2048 to 8192 bits");
    }
    // A product of odd primes, and an exponent that has an inverse: otherwise no signature would ever verify.
    if !is_odd(&modulus) || !is_odd(&exponent) || !(2..=MAX_EXPONENT_BITS).contains(&bits(&exponent)) {
        return Err("the modulus or the exponent is not that of an RSA key");
    }
    let verifying = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    Ok(Key { id, modulus, exponent, verifying })
}

/// An optional member that has to be a text. Some publishers write an absent one as null.
fn optional_text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, &'static str> {
    match jwk.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err("use, alg or kid is not a text"),
    }
}

/// A number in base64url, without leading zeros. Two habits of publishers that do not change the number are accepted:
/// padding, which RFC 7518, 2 forbids, and one more zero octet, of which 6.3.1.1 warns.
fn number(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let text = jwk.get(name).and_then(Value::as_str).ok_or("n or e is missing")?;
    let bytes =
        BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| "n or e is not base64url")?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}

#[cfg(test)]
#[path = "key_set_tests.rs"]
mod tests;
