//! Who is calling: bearer tokens of HMPPS Auth, RS256 only.

mod keys;
mod role;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use foldhash::quality::RandomState;
use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use moka::future::Cache;
pub use role::Role;
use serde::Deserialize;

use self::{
    keys::{Keys, KeysUnavailable},
    role::Roles,
};
use crate::http::{AuthConfig, Problem};

/// A caller whose token was verified.
#[derive(Debug, Clone)]
pub struct Caller {
    name: String,
    user: Option<String>,
    roles: Roles,
    expires_at: u64,
    verified: Instant,
}

impl Caller {
    /// The client (or else the subject) that the token was issued to, for logs and audit records.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The person behind the client, when the token was issued to one: for the access log.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether the caller has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contain(role)
    }
}

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoToken,
    InvalidToken,
    KeysUnavailable,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoToken => Self::unauthorised("A bearer token is needed"),
            Refusal::InvalidToken => Self::unauthorised("The bearer token is not valid"),
            Refusal::KeysUnavailable => {
                Self::unavailable("The token cannot be verified: HMPPS Auth does not answer", 5)
            }
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    exp: u64,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    authorities: Vec<String>,
}

/// Verifies tokens. A verified one is remembered, as a whole, until it expires (or for a few minutes). Only verified
/// ones are, so that nobody else can fill the memory or make keys collide.
pub struct Authenticator {
    keys: Arc<Keys>,
    validation: Validation,
    leeway_s: u64,
    token_max_age: Duration,
    verified: Cache<Box<str>, Arc<Caller>, RandomState>,
}

impl Authenticator {
    /// Fetches keys when the first token comes.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(config: AuthConfig) -> Result<Self, reqwest::Error> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[format!("{}/issuer", config.auth_url)]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.leeway = config.leeway.as_secs();
        validation.validate_nbf = true;
        // HMPPS Auth issues tokens without an audience: roles say what a client may do.
        validation.validate_aud = false;
        Ok(Self {
            validation,
            leeway_s: config.leeway.as_secs(),
            token_max_age: config.token_max_age,
            verified: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(config.token_max_age)
                .build_with_hasher(RandomState::default()),
            keys: Arc::new(Keys::new(config)?),
        })
    }

    /// Lets a caller with this role in.
    ///
    /// # Errors
    /// 401 without a valid token, 403 without the role, 503 when the token cannot be verified at the moment.
    pub async fn admit(&self, headers: &HeaderMap, role: Role) -> Result<Arc<Caller>, Problem> {
        let caller = self.caller(headers).await?;
        if caller.has(role) { Ok(caller) } else { Err(Problem::forbidden(role.authority())) }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Refusal> {
        let token = bearer(headers)?;
        if let Some(caller) = self.verified.get(token).await
            && caller.expires_at + self.leeway_s > now_s()
            && caller.verified.elapsed() < self.token_max_age
        {
            return Ok(caller);
        }
        let caller = Arc::new(self.verify(token).await?);
        self.verified.insert(token.into(), Arc::clone(&caller)).await;
        Ok(caller)
    }

    async fn verify(&self, token: &str) -> Result<Caller, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::InvalidToken)?;
        // Before any key is looked up: no other algorithm is worth a question to HMPPS Auth.
        if header.alg != Algorithm::RS256 {
            return Err(Refusal::InvalidToken);
        }
        let id = header.kid.ok_or(Refusal::InvalidToken)?;
        let key = match self.keys.key(&id).await {
            Ok(Some(key)) => key,
            Ok(None) => return Err(Refusal::InvalidToken),
            Err(KeysUnavailable) => return Err(Refusal::KeysUnavailable),
        };
        let claims =
            decode::<Claims>(token, &key, &self.validation).map_err(|_| Refusal::InvalidToken)?.claims;
        Ok(Caller {
            roles: Roles::of(&claims.authorities),
            // A token for a client alone has the client as its subject.
            user: claims.sub.clone().filter(|sub| claims.client_id.as_ref() != Some(sub)),
            name: claims.client_id.or(claims.sub).unwrap_or_else(|| "unnamed".to_owned()),
            expires_at: claims.exp,
            verified: Instant::now(),
        })
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Refusal::NoToken)?;
    let value = value.to_str().map_err(|_| Refusal::InvalidToken)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Refusal::NoToken),
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

#[cfg(test)]
mod any_bytes;
