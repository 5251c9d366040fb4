//! The public keys of HMPPS Auth: fetched when they are needed, trusted for a limited time, and never fetched more
//! often than the interval allows, whatever tokens callers make up.
//!
//! Architecture invariant: a key that HMPPS Auth has withdrawn verifies nothing later than `keys_max_age` afterwards.
//! The age counts from the *request* for the key set, and a key set past it is not used at all, also when HMPPS Auth
//! does not answer: then callers get 503.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use async_trait::async_trait;

use super::{
    Refusal,
    key_set::{Key, parse_key_set},
    token::Token,
};
use crate::http::AuthConfig;

/// Key sets have a few kilobytes. The limit keeps a misrouted download out of memory.
const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// The source of key sets.
#[async_trait]
pub(super) trait KeySource: Send + Sync {
    /// The body of the key set, or what went wrong, without addresses.
    async fn key_set(&self) -> Result<Vec<u8>, String>;
}

/// The clock by which keys age.
pub(super) type KeyClock = Arc<dyn Fn() -> Instant + Send + Sync>;

#[derive(Default)]
struct KnownKeys {
    keys: Vec<Arc<Key>>,
    /// When the key set was asked for that these keys are from.
    asked: Option<Instant>,
    last_attempt: Option<FetchAttempt>,
}

#[derive(Clone, Copy)]
struct FetchAttempt {
    ended: Instant,
    succeeded: bool,
}

pub(super) struct Keys {
    config: AuthConfig,
    source: Box<dyn KeySource>,
    clock: KeyClock,
    known: RwLock<KnownKeys>,
    fetching: tokio::sync::Mutex<()>,
}

impl Keys {
    pub(super) fn new(config: AuthConfig, source: Box<dyn KeySource>, clock: KeyClock) -> Arc<Self> {
        let (known, fetching) = (RwLock::default(), tokio::sync::Mutex::default());
        Arc::new(Self { config, source, clock, known, fetching })
    }

    /// The key that signed a token.
    ///
    /// The key set is fetched again when no known key verifies the signature, and not only when the id is unknown:
    /// HMPPS Auth may change its key and keep the id.
    pub(super) async fn signer(self: &Arc<Self>, token: &Token<'_>) -> Result<Arc<Key>, Refusal> {
        match self.verify(token) {
            Ok(key) => {
                self.refresh_when_due();
                Ok(key)
            }
            Err(_) if self.refresh().await => self.verify(token),
            Err(_) => Err(Refusal::KeysUnavailable),
        }
    }

    /// Whether a key that verified a token before is still trusted.
    pub(super) fn trusts(self: &Arc<Self>, key: &Arc<Key>) -> bool {
        let is_trusted = self.trusted(|keys| keys.iter().any(|known| Arc::ptr_eq(known, key)));
        if is_trusted {
            self.refresh_when_due();
        }
        is_trusted
    }

    fn verify(&self, token: &Token<'_>) -> Result<Arc<Key>, Refusal> {
        let keys = self.trusted(<[_]>::to_vec);
        let (message, signature) = token.signed_parts();
        let mut refusal = Refusal::UnknownKey;
        for key in keys.into_iter().filter(|key| key.may_have_signed(token.key_id())) {
            if key.verifies(message, signature) {
                return Ok(key);
            }
            refusal = Refusal::Signature;
        }
        Err(refusal)
    }

    /// Looks at the keys, which are none once they are too old to be trusted.
    fn trusted<T>(&self, look: impl FnOnce(&[Arc<Key>]) -> T) -> T {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = known.asked.is_some_and(|asked| self.age(asked) < self.config.keys_max_age);
        look(if is_fresh { &known.keys } else { &[] })
    }

    fn age(&self, since: Instant) -> std::time::Duration {
        (self.clock)().saturating_duration_since(since)
    }

    /// How the last fetch ended, if it ended so recently that there must not be another one.
    fn recent_attempt(&self) -> Option<bool> {
        let last = self.known.read().unwrap_or_else(PoisonError::into_inner).last_attempt;
        last.filter(|last| self.age(last.ended) < self.config.fetch_interval).map(|last| last.succeeded)
    }

    /// Fetches the key set, or waits for the fetch under way. Returns whether the last fetch succeeded.
    async fn refresh(self: &Arc<Self>) -> bool {
        if let Some(succeeded) = self.recent_attempt() {
            return succeeded;
        }
        let keys = Arc::clone(self);
        // A task of its own: a caller that hangs up must not cancel the fetch that others wait for. Otherwise callers
        // that come and go could also make us fetch without pause.
        let fetch = tokio::spawn(async move {
            let _single_flight = keys.fetching.lock().await;
            match keys.recent_attempt() {
                Some(succeeded) => succeeded,
                None => keys.fetch().await,
            }
        });
        fetch.await.unwrap_or(false)
    }

    /// Fetches in the background some time before the keys are too old, so that no caller has to wait.
    fn refresh_when_due(self: &Arc<Self>) {
        let is_due = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.asked.is_none_or(|asked| self.age(asked) >= self.config.keys_refresh_after)
        };
        if is_due && self.recent_attempt().is_none() && self.fetching.try_lock().is_ok() {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.refresh().await });
        }
    }

    async fn fetch(&self) -> bool {
        let asked = (self.clock)();
        let fetched = self.source.key_set().await;
        let parsed = fetched.and_then(|body| parse_key_set(&body).map_err(|error| error.to_string()));
        metrics::counter!("auth_key_fetches_total", "answered" => parsed.is_ok().to_string()).increment(1);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let ended = (self.clock)();
        known.last_attempt = Some(FetchAttempt { ended, succeeded: parsed.is_ok() });
        match parsed {
            Ok(keys) => {
                known.keys = keys.into_iter().map(|key| known.same_or_new(key)).collect();
                known.asked = Some(asked);
                true
            }
            Err(error) => {
                let age_s = known.asked.map(|asked| ended.saturating_duration_since(asked).as_secs());
                tracing::warn!(
                    error,
                    known_keys = known.keys.len(),
                    age_s,
                    "the key set of HMPPS Auth could not be fetched; known keys are used until they are too old"
                );
                false
            }
        }
    }
}

impl KnownKeys {
    /// A key that stays in the set stays the same object: tokens that it verified are remembered by it.
    fn same_or_new(&self, key: Key) -> Arc<Key> {
        self.keys.iter().find(|known| ***known == key).cloned().unwrap_or_else(|| Arc::new(key))
    }
}

/// Fetches key sets from HMPPS Auth.
pub(super) struct OverHttp {
    http: reqwest::Client,
    url: String,
}

impl OverHttp {
    pub(super) fn new(config: &AuthConfig) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(config.fetch_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, url: config.key_set_url.clone() })
    }
}

#[async_trait]
impl KeySource for OverHttp {
    async fn key_set(&self) -> Result<Vec<u8>, String> {
        let failed = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.http.get(&self.url).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_KEY_SET_BYTES {
                return Err("the answer is longer than 256 KiB".to_owned());
            }
        }
        Ok(body)
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
