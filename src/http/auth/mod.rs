//! Who is calling: bearer tokens of HMPPS Auth (RS256), verified with the keys that it publishes.

pub(crate) mod key_set;
mod keys;
mod refusal;
mod role;
pub(crate) mod token;

use std::{sync::Arc, time::Instant};

use foldhash::quality::RandomState;
use http::{HeaderMap, header};
use moka::future::Cache;

pub use role::Role;

use self::{
    key_set::Key,
    keys::{KeySource, Keys, OverHttp},
    refusal::Refusal,
    role::Roles,
    token::{NumericDate, Token},
};
use crate::http::{AuthConfig, Problem};

/// Memory for verified tokens. A token has about one kilobyte.
const REMEMBERED_BYTES: u64 = 16 * 1024 * 1024;

/// A caller whose token was verified.
pub struct Caller {
    name: String,
    user: Option<String>,
    roles: Roles,
    expires_at: NumericDate,
    key: Arc<Key>,
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

/// Verifies tokens. A verified one is remembered, as a whole, for as long as it is valid and its key is trusted. Only
/// verified ones are, so that nobody else can fill the memory or make hashes collide.
pub struct Authenticator {
    keys: Arc<Keys>,
    config: AuthConfig,
    verified: Cache<Box<str>, Arc<Caller>, RandomState>,
}

impl Authenticator {
    /// Keys are fetched when the first token comes.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(config: AuthConfig) -> Result<Self, reqwest::Error> {
        let source = Box::new(OverHttp::new(&config)?);
        Ok(Self::with(config, source, Arc::new(Instant::now)))
    }

    fn with(config: AuthConfig, source: Box<dyn KeySource>, clock: keys::KeyClock) -> Self {
        let verified = Cache::<Box<str>, Arc<Caller>>::builder()
            .max_capacity(REMEMBERED_BYTES)
            .weigher(|token, _| u32::try_from(token.len() + 256).unwrap_or(u32::MAX))
            .build_with_hasher(RandomState::default());
        Self { keys: Keys::new(config.clone(), source, clock), config, verified }
    }

    /// Lets a caller with this role in.
    ///
    /// # Errors
    /// 401 without a valid token, 403 without the role, 503 when the token cannot be verified at the moment.
    pub async fn admit(&self, headers: &HeaderMap, role: Role) -> Result<Arc<Caller>, Problem> {
        let caller = match self.caller(headers).await {
            Ok(caller) => caller,
            Err(refusal) => {
                metrics::counter!("auth_refusals_total", "reason" => refusal.reason()).increment(1);
                return Err(refusal.into());
            }
        };
        if caller.has(role) {
            return Ok(caller);
        }
        metrics::counter!("auth_refusals_total", "reason" => "no-role").increment(1);
        Err(Problem::forbidden(role.authority()).because("no-role"))
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Refusal> {
        let token = bearer(headers)?;
        if let Some(caller) = self.verified.get(token).await
            && !caller.expires_at.is_over(NumericDate::now(), self.config.leeway)
            && self.keys.trusts(&caller.key)
        {
            return Ok(caller);
        }
        let caller = Arc::new(self.verify(token).await?);
        self.verified.insert(token.into(), Arc::clone(&caller)).await;
        Ok(caller)
    }

    async fn verify(&self, token: &str) -> Result<Caller, Refusal> {
        let token = Token::parse(token)?;
        let key = self.keys.signer(&token).await?;
        let claims = token.claims()?;
        claims.check(&self.config.issuer, NumericDate::now(), self.config.leeway)?;
        let (client, subject) = (claims.client_id(), claims.sub.as_deref());
        Ok(Caller {
            roles: Roles::of(&claims.authorities()),
            // A token for a client alone has the client as its subject.
            user: subject.filter(|subject| client != Some(subject)).map(str::to_owned),
            name: client.or(subject).unwrap_or("unnamed").to_owned(),
            expires_at: claims.expires_at()?,
            key,
        })
    }
}

/// The bearer token of a request (RFC 6750, 2.1). The name of the scheme is not case-sensitive.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoToken)?;
    // Two may mean that a proxy and the caller disagree on who is calling.
    if values.next().is_some() {
        return Err(Refusal::SeveralCredentials);
    }
    let value = value.to_str().map_err(|_| Refusal::Malformed)?.trim();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start_matches(' ')),
        _ => Err(Refusal::NoToken),
    }
}

#[cfg(test)]
mod any_bytes;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
