//! HMPPS Auth: tokens by client credentials, and the keys to check them.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use serde::{Deserialize, Serialize};

use super::Breakdown;

/// The claims of a token of HMPPS Auth. Change one before signing to get an invalid token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Whose token.
    pub sub: String,
    /// Client.
    pub client_id: String,
    /// Roles, with their prefix `ROLE_`.
    pub authorities: Vec<String>,
    /// End, seconds since 1970.
    pub exp: i64,
    /// Made at.
    pub iat: i64,
    /// Identity of the token.
    pub jti: String,
}

/// Answer of the token endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The token.
    pub access_token: String,
    /// Always `bearer`.
    pub token_type: String,
    /// Seconds that it is valid for.
    pub expires_in: i64,
}

/// A client of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Name.
    pub id: String,
    /// Secret.
    pub secret: String,
    /// Roles of its tokens.
    pub roles: Vec<String>,
}

impl Client {
    /// A client with these roles.
    pub fn new(id: &str, secret: &str, roles: &[&str]) -> Self {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Self { id: id.to_owned(), secret: secret.to_owned(), roles }
    }
}

struct Signer {
    kid: String,
    key: EncodingKey,
    jwk: Jwk,
}

/// The authorisation server.
pub struct Auth {
    url: String,
    clients: Vec<Client>,
    inner: Mutex<Inner>,
}

struct Inner {
    signers: Vec<Signer>,
    breakdown: Option<Breakdown>,
    lifetime: i64,
    not_before: i64,
    tokens: usize,
    key_sets: usize,
}

impl Auth {
    pub fn new(url: &str, clients: Vec<Client>) -> io::Result<Self> {
        let inner = Inner {
            signers: vec![Signer::new()?],
            breakdown: None,
            lifetime: 3600,
            not_before: 0,
            tokens: 0,
            key_sets: 0,
        };
        Ok(Self { url: url.to_owned(), clients, inner: Mutex::new(inner) })
    }

    /// Claims of a good token with these roles, valid for an hour.
    pub fn claims(&self, roles: &[&str]) -> Claims {
        let now = Utc::now().timestamp();
        Claims {
            iss: format!("{}/issuer", self.url),
            sub: "stand-in".into(),
            client_id: "stand-in".into(),
            authorities: roles.iter().map(|role| (*role).to_owned()).collect(),
            exp: now + 3600,
            iat: now,
            jti: uuid::Uuid::now_v7().to_string(),
        }
    }

    /// Signs claims with the newest key.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, claims: &impl Serialize) -> io::Result<String> {
        let inner = self.lock();
        let signer = inner.signers.last().ok_or_else(|| io::Error::other("no key"))?;
        let header = Header { kid: Some(signer.kid.clone()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &signer.key).map_err(io::Error::other)
    }

    /// Starts signing with a new key. The older ones stay in the key set unless `forget` is true.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate_key(&self, forget: bool) -> io::Result<()> {
        let signer = Signer::new()?;
        let mut inner = self.lock();
        if forget {
            inner.signers.clear();
        }
        inner.signers.push(signer);
        Ok(())
    }

    /// Signs with a new key under the id of the newest one, which is withdrawn. HMPPS Auth has a constant key id.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn replace_key(&self) -> io::Result<()> {
        let mut signer = Signer::new()?;
        let mut inner = self.lock();
        if let Some(old) = inner.signers.pop() {
            signer.jwk.common.key_id = Some(old.kid.clone());
            signer.kid = old.kid;
        }
        inner.signers.push(signer);
        Ok(())
    }

    /// Breaks the whole server, or repairs it.
    pub fn break_down(&self, breakdown: Option<Breakdown>) {
        self.lock().breakdown = breakdown;
    }

    /// From now on, new tokens are valid for this many seconds.
    pub fn grant_for_seconds(&self, lifetime: i64) {
        self.lock().lifetime = lifetime;
    }

    /// Makes Manage POM Cases refuse every token issued so far.
    pub fn revoke_tokens(&self) {
        let mut inner = self.lock();
        inner.not_before = inner.tokens as i64;
    }

    /// How many times a token was asked for.
    pub fn token_calls(&self) -> usize {
        self.lock().tokens
    }

    /// How many times the key set was asked for.
    pub fn key_set_calls(&self) -> usize {
        self.lock().key_sets
    }

    pub fn note_key_set(&self) -> (Option<Breakdown>, JwkSet) {
        let mut inner = self.lock();
        inner.key_sets += 1;
        let keys = inner.signers.iter().map(|signer| signer.jwk.clone()).collect();
        (inner.breakdown, JwkSet { keys })
    }

    pub fn note_token(&self) -> Option<Breakdown> {
        let mut inner = self.lock();
        inner.tokens += 1;
        inner.breakdown
    }

    /// The client that the `Authorization` header names. Name and secret are form-encoded, as RFC 6749 demands.
    pub fn client(&self, authorization: Option<&str>) -> Option<&Client> {
        let given = STANDARD.decode(authorization?.strip_prefix("Basic ")?).ok()?;
        let (name, password) = std::str::from_utf8(&given).ok()?.split_once(':')?;
        let decoded = |text: &str| {
            url::form_urlencoded::parse(format!("x={text}").as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
        };
        let (name, password) = (decoded(name)?, decoded(password)?);
        self.clients.iter().find(|client| client.id == name && client.secret == password)
    }

    pub fn grant(&self, client: &Client) -> io::Result<Grant> {
        let (lifetime, number) = {
            let inner = self.lock();
            (inner.lifetime, inner.tokens)
        };
        let now = Utc::now().timestamp();
        let claims = Claims {
            iss: format!("{}/issuer", self.url),
            sub: client.id.clone(),
            client_id: client.id.clone(),
            authorities: client.roles.clone(),
            exp: now + lifetime,
            iat: now,
            jti: number.to_string(),
        };
        Ok(Grant { access_token: self.sign(&claims)?, token_type: "bearer".into(), expires_in: lifetime })
    }

    /// Whether a bearer token was issued here, is still valid and has the role.
    pub fn accepts(&self, authorization: Option<&str>, role: &str) -> bool {
        let Some(token) = authorization.and_then(|header| header.strip_prefix("Bearer ")) else {
            return false;
        };
        let inner = self.lock();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[format!("{}/issuer", self.url)]);
        validation.leeway = 0;
        inner.signers.iter().any(|signer| {
            DecodingKey::from_jwk(&signer.jwk)
                .and_then(|key| jsonwebtoken::decode::<Claims>(token, &key, &validation))
                .is_ok_and(|token| {
                    let revoked = token.claims.jti.parse::<i64>().is_ok_and(|jti| jti <= inner.not_before);
                    !revoked && token.claims.authorities.iter().any(|given| given == role)
                })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signer {
    fn new() -> io::Result<Self> {
        let pair =
            KeyPair::generate(KeySize::Rsa2048).map_err(|_| io::Error::other("cannot make an RSA key"))?;
        let pkcs8 =
            AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| io::Error::other("cannot encode the key"))?;
        let label = "PRIVATE KEY";
        let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", wrapped(pkcs8.as_ref()));
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(io::Error::other)?;
        let kid = uuid::Uuid::now_v7().to_string();
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(io::Error::other)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { kid, key, jwk })
    }
}

fn wrapped(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    text.as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
