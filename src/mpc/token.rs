//! The access token for our calls: client credentials, kept until shortly before it expires, renewed by one
//! caller while the others wait.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{CONNECT_TIMEOUT, REQUEST_TIMEOUT, describe};
use crate::{breakers::AUTH, case::FetchError};

/// A token is not used in the last part of its life: clocks differ and requests take time.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

/// However long a token claims to live, a new one is asked for after a day.
const MAX_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How this service identifies itself to HMPPS Auth.
#[derive(Clone)]
pub struct ClientCredentials {
    /// `CLIENT_ID`.
    pub id: String,
    /// `CLIENT_SECRET`; never printed.
    pub secret: String,
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCredentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Gives access tokens of HMPPS Auth.
pub struct TokenSource {
    http: reqwest::Client,
    url: String,
    credentials: ClientCredentials,
    held: Mutex<Option<Held>>,
}

struct Held {
    token: String,
    usable_until: Instant,
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

impl TokenSource {
    /// A source that asks `{auth_url}/oauth/token`.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(auth_url: &str, credentials: ClientCredentials) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        let url = format!("{}/oauth/token", auth_url.trim_end_matches('/'));
        Ok(Self { http, url, credentials, held: Mutex::new(None) })
    }

    /// A token that is good for a while.
    pub(super) async fn get(&self) -> Result<String, FetchError> {
        let mut held = self.held.lock().await;
        match &*held {
            Some(good) if good.usable_until > Instant::now() => Ok(good.token.clone()),
            _ => self.fetch_into(&mut held).await,
        }
    }

    /// A token other than `refused`, which was answered with 401.
    pub(super) async fn renew(&self, refused: &str) -> Result<String, FetchError> {
        let mut held = self.held.lock().await;
        match &*held {
            Some(newer) if newer.token != refused && newer.usable_until > Instant::now() => {
                Ok(newer.token.clone())
            }
            _ => self.fetch_into(&mut held).await,
        }
    }

    async fn fetch_into(&self, held: &mut Option<Held>) -> Result<String, FetchError> {
        *held = None;
        let asked = Instant::now();
        let response = self
            .http
            .post(&self.url)
            .basic_auth(&self.credentials.id, Some(&self.credentials.secret))
            .form(&[("grant_type", "client_credentials")])
            .send()
            .await
            .map_err(|error| unavailable(describe(&error)))?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::BAD_REQUEST {
            return Err(unavailable(format!("{status}; check CLIENT_ID and CLIENT_SECRET")));
        }
        if !status.is_success() {
            return Err(unavailable(status.to_string()));
        }
        let body: TokenBody =
            response.json().await.map_err(|_| unavailable("its answer has no usable access_token".into()))?;
        let life = Duration::from_secs(body.expires_in).min(MAX_LIFE);
        let margin = EXPIRY_MARGIN.min(life / 10);
        *held = Some(Held { token: body.access_token.clone(), usable_until: asked + life - margin });
        Ok(body.access_token)
    }
}

fn unavailable(reason: String) -> FetchError {
    FetchError::Unavailable { dependency: AUTH, reason }
}
