//! The public keys of HMPPS Auth: fetched when they are needed, kept when it is away, and never fetched more often
//! than the interval allows, whatever key ids callers come up with.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

use crate::http::AuthConfig;

/// A key set is a few kilobytes; more than this is not one.
const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// The key cannot be looked up: HMPPS Auth did not answer the last time it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeysUnavailable;

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<DecodingKey>>,
    attempted: Option<(Instant, bool)>,
    fetched: Option<Instant>,
}

pub(super) struct Keys {
    config: AuthConfig,
    http: reqwest::Client,
    known: RwLock<Known>,
    fetching: tokio::sync::Mutex<()>,
}

impl Keys {
    pub(super) fn new(config: AuthConfig) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(config.fetch_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { config, http, known: RwLock::default(), fetching: tokio::sync::Mutex::default() })
    }

    /// The key with this id; `None` when HMPPS Auth has no such key.
    pub(super) async fn key(self: &Arc<Self>, id: &str) -> Result<Option<Arc<DecodingKey>>, KeysUnavailable> {
        if let Some(key) = self.known_key(id) {
            self.refresh_in_the_background();
            return Ok(Some(key));
        }
        // One fetch at a time; whoever waited for it looks at what it brought.
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(key) = self.known_key(id) {
            return Ok(Some(key));
        }
        let answered = match self.attempted_of_late() {
            Some(answered) => answered,
            None => self.fetch().await,
        };
        if answered { Ok(self.known_key(id)) } else { Err(KeysUnavailable) }
    }

    fn known_key(&self, id: &str) -> Option<Arc<DecodingKey>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).keys.get(id).cloned()
    }

    /// Whether the last attempt was answered, when it was made within the interval.
    fn attempted_of_late(&self) -> Option<bool> {
        let attempted = self.known.read().unwrap_or_else(PoisonError::into_inner).attempted;
        attempted.filter(|(at, _)| at.elapsed() < self.config.fetch_interval).map(|(_, answered)| answered)
    }

    /// A withdrawn key must stop working, but nobody waits for that: known keys serve meanwhile, and go on serving
    /// while HMPPS Auth is away.
    fn refresh_in_the_background(self: &Arc<Self>) {
        let due = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.fetched.is_none_or(|at| at.elapsed() > self.config.keys_max_age)
        };
        if due && self.attempted_of_late().is_none() && self.fetching.try_lock().is_ok() {
            let keys = Arc::clone(self);
            tokio::spawn(async move {
                let _one_at_a_time = keys.fetching.lock().await;
                if keys.attempted_of_late().is_none() {
                    keys.fetch().await;
                }
            });
        }
    }

    /// Fetches the key set and replaces what is known. Returns whether there was an answer.
    async fn fetch(&self) -> bool {
        let fetched = self.key_set().await.and_then(|set| usable_keys(&set));
        metrics::counter!("auth_key_fetches_total", "answered" => fetched.is_ok().to_string()).increment(1);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.attempted = Some((Instant::now(), fetched.is_ok()));
        match fetched {
            Ok(keys) => {
                known.keys = keys;
                known.fetched = Some(Instant::now());
                true
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    known_keys = known.keys.len(),
                    "HMPPS Auth gives no keys; known ones go on"
                );
                false
            }
        }
    }

    async fn key_set(&self) -> Result<JwkSet, String> {
        let url = format!("{}/.well-known/jwks.json", self.config.auth_url);
        let mut response =
            self.http.get(url).send().await.map_err(|error| error.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("answered {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_KEY_SET_BYTES {
                return Err("the answer is too long for a key set".to_owned());
            }
        }
        read(&body)
    }
}

/// Reads a key set. A key of a kind that we do not know must not hide the others.
fn read(body: &[u8]) -> Result<JwkSet, String> {
    let mut set: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let keys = set.get_mut("keys").and_then(|keys| keys.as_array_mut()).ok_or("the answer is no key set")?;
    let keys = std::mem::take(keys).into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
    Ok(JwkSet { keys })
}

/// The keys of a set by their ids. A set without any is a fault of whoever published it, and not the withdrawal of all
/// keys: every caller would get a 401 for it, which Manage POM Cases does not try again.
fn usable_keys(set: &JwkSet) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
    let keys: HashMap<_, _> = set.keys.iter().filter_map(usable).collect();
    if keys.is_empty() { Err("the key set has no RS256 key".to_owned()) } else { Ok(keys) }
}

/// A key that RS256 signatures can be verified with, under its id.
fn usable(jwk: &Jwk) -> Option<(String, Arc<DecodingKey>)> {
    let is_rsa = matches!(jwk.algorithm, AlgorithmParameters::RSA(_));
    let for_rs256 = jwk.common.key_algorithm.as_ref().is_none_or(|it| *it == KeyAlgorithm::RS256);
    let for_signatures = jwk.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
    if !(is_rsa && for_rs256 && for_signatures) {
        return None;
    }
    Some((jwk.common.key_id.clone()?, Arc::new(DecodingKey::from_jwk(jwk).ok()?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_rsa_signature_keys_with_an_id_are_used_and_others_do_no_harm() {
        let set = read(
            br#"{"keys":[
                {"kty":"RSA","kid":"good","use":"sig","alg":"RS256","n":"AQAB","e":"AQAB"},
                {"kty":"RSA","kid":"plain","n":"AQAB","e":"AQAB"},
                {"kty":"RSA","kid":"encrypts","use":"enc","n":"AQAB","e":"AQAB"},
                {"kty":"RSA","kid":"other","alg":"RS512","n":"AQAB","e":"AQAB"},
                {"kty":"RSA","n":"AQAB","e":"AQAB"},
                {"kty":"oct","kid":"secret","k":"AQAB"},
                {"kty":"NEW","kid":"future"}]}"#,
        )
        .unwrap();
        let mut ids: Vec<_> = set.keys.iter().filter_map(usable).map(|(id, _)| id).collect();
        ids.sort();
        assert_eq!(ids, ["good", "plain"]);
        assert!(read(b"[]").is_err());
        assert!(read(b"<html>").is_err());
    }
}
