//! Real keys, key sets and tokens for the tests of this folder.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};

use super::{
    Role,
    keys::{KeyClock, KeySource},
};

pub(super) const ISSUER: &str = "https://auth.example/auth/issuer";

/// A pair of keys. Making one takes a while, so the tests share them by number.
pub(super) struct Pair {
    private: EncodingKey,
    pub(super) n: String,
    pub(super) e: String,
}

pub(super) fn pair(number: usize) -> &'static Pair {
    static PAIRS: [OnceLock<Pair>; 3] = [const { OnceLock::new() }; 3];
    PAIRS[number].get_or_init(Pair::new)
}

impl Pair {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let label = "PRIVATE KEY";
        let text = BASE64_STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
        let private = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let jwk = Jwk::from_encoding_key(&private, Algorithm::RS256).unwrap();
        let jwk = serde_json::to_value(jwk).unwrap();
        let member = |name: &str| jwk[name].as_str().unwrap().to_owned();
        Self { n: member("n"), e: member("e"), private }
    }

    /// The public key as a JWK with this id.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": self.n, "e": self.e })
    }

    /// Signs header and claims, given as texts so that they may be anything.
    pub(super) fn sign_texts(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = crypto::sign(message.as_bytes(), &self.private, Algorithm::RS256).unwrap();
        format!("{message}.{signature}")
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_texts(&header.to_string(), &claims.to_string())
    }
}

pub(super) fn part(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

pub(super) fn header(kid: &str) -> Value {
    json!({ "alg": "RS256", "typ": "JWT", "kid": kid })
}

/// Claims of a good token that reads case records.
pub(super) fn claims() -> Value {
    let now = chrono::Utc::now().timestamp();
    json!({
        "iss": ISSUER, "sub": "client", "client_id": "client", "iat": now, "exp": now + 3600,
        "authorities": [Role::CaseDetail.authority()],
    })
}

pub(super) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// An HMPPS Auth whose key set the test defines, and a clock that the test moves.
#[derive(Clone, Default)]
pub(super) struct TestIssuer(Arc<Published>);

#[derive(Default)]
struct Published {
    /// `None` while it does not answer.
    body: Mutex<Option<String>>,
    fetches: AtomicUsize,
    elapsed: Mutex<Duration>,
}

impl TestIssuer {
    pub(super) fn publish(&self, keys: &[Value]) {
        self.answer(Some(key_set(keys)));
    }

    pub(super) fn answer(&self, body: Option<String>) {
        *self.0.body.lock().unwrap() = body;
    }

    pub(super) fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    pub(super) fn pass(&self, time: Duration) {
        *self.0.elapsed.lock().unwrap() += time;
    }

    pub(super) fn clock(&self) -> KeyClock {
        let (published, start) = (Arc::clone(&self.0), Instant::now());
        Arc::new(move || start + *published.elapsed.lock().unwrap())
    }
}

#[async_trait]
impl KeySource for TestIssuer {
    async fn key_set(&self) -> Result<Vec<u8>, String> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        // Others get their turn, so that concurrent callers really meet a fetch under way.
        tokio::task::yield_now().await;
        self.0.body.lock().unwrap().clone().map(String::into_bytes).ok_or_else(|| "no answer".to_owned())
    }
}
