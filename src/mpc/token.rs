//! The access token for our calls: client credentials (RFC 6749, 4.4), cached until shortly before it expires, renewed
//! by one caller while the others wait.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Response, StatusCode, header};
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::{CONNECT_TIMEOUT, REQUEST_TIMEOUT, describe, token_answer};
use crate::{
    breakers::{AUTH, answer_of},
    case::FetchError,
};

/// A token is not used in the last part of its life: clocks differ and requests take time.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

/// Token answers have a few kilobytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// How this service identifies itself to HMPPS Auth.
#[derive(Clone)]
pub struct ClientCredentials {
    /// `CLIENT_ID`.
    pub id: String,
    /// `CLIENT_SECRET`; never printed.
    pub secret: String,
}

impl ClientCredentials {
    /// The `Authorization` header. Both parts are form-encoded before they are joined (RFC 6749, 2.3.1), which matters
    /// for a secret with `+`, `/`, `=`, `%` or `:`.
    fn basic(&self) -> String {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(&self.id), encoded(&self.secret));
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCredentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Fetches and caches access tokens of HMPPS Auth.
pub struct TokenSource {
    http: reqwest::Client,
    url: String,
    credentials: ClientCredentials,
    held: Mutex<Option<HeldToken>>,
}

struct HeldToken {
    token: String,
    usable_until: Instant,
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
        answer_of(AUTH, self.held_or_fetched()).await
    }

    async fn held_or_fetched(&self) -> Result<String, FetchError> {
        // Held during the fetch, so that other callers wait for this token instead of asking for another one.
        let mut held = self.held.lock().await;
        match &*held {
            Some(good) if good.usable_until > Instant::now() => Ok(good.token.clone()),
            _ => self.fetch_into(&mut held).await,
        }
    }

    /// A token other than `refused`, which was answered with 401.
    pub(super) async fn renew(&self, refused: &str) -> Result<String, FetchError> {
        answer_of(AUTH, self.newer_or_fetched(refused)).await
    }

    async fn newer_or_fetched(&self, refused: &str) -> Result<String, FetchError> {
        let mut held = self.held.lock().await;
        match &*held {
            Some(newer) if newer.token != refused && newer.usable_until > Instant::now() => {
                Ok(newer.token.clone())
            }
            _ => self.fetch_into(&mut held).await,
        }
    }

    async fn fetch_into(&self, held: &mut Option<HeldToken>) -> Result<String, FetchError> {
        *held = None;
        let asked = Instant::now();
        let request = self
            .http
            .post(&self.url)
            .header(header::AUTHORIZATION, self.credentials.basic())
            .header(header::ACCEPT, "application/json")
            .form(&[("grant_type", "client_credentials")]);
        let response = request.send().await.map_err(|error| unavailable(describe(&error)))?;
        let status = response.status();
        let body = body(response).await?;
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::BAD_REQUEST {
            let code = token_answer::error_code(&body).unwrap_or("no error code");
            return Err(unavailable(format!("{status} ({code}); check CLIENT_ID and CLIENT_SECRET")));
        }
        if !status.is_success() {
            return Err(unavailable(status.to_string()));
        }
        let granted = token_answer::parse(&body).map_err(|error| unavailable(error.to_string()))?;
        let margin = EXPIRY_MARGIN.min(granted.life / 10);
        *held = Some(HeldToken { token: granted.token.clone(), usable_until: asked + granted.life - margin });
        Ok(granted.token)
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unavailable(describe(&error)))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            return Err(unavailable("its answer is longer than 256 KiB".into()));
        }
    }
    Ok(body)
}

fn unavailable(reason: String) -> FetchError {
    FetchError::Unavailable { dependency: AUTH, reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use warp::Filter;

    use super::*;

    #[test]
    fn id_and_secret_are_form_encoded_before_they_are_joined() {
        let of = |id: &str, secret: &str| {
            let basic = ClientCredentials { id: id.into(), secret: secret.into() }.basic();
            let pair = BASE64_STANDARD.decode(basic.trim_start_matches("Basic ")).unwrap_or_default();
            String::from_utf8(pair).unwrap_or_default()
        };
        assert_eq!(of("client-1", "plain_SECRET.9*"), "client-1:plain_SECRET.9*");
        assert_eq!(of("client", "s3cret-for-acceptance+/="), "client:s3cret-for-acceptance%2B%2F%3D");
        assert_eq!(of("a:b", "c:d%e &f"), "a%3Ab:c%3Ad%25e+%26f");
        assert_eq!(of("client", "p\u{e4}ss"), "client:p%C3%A4ss");
    }

    /// A token endpoint that gives this answer to whoever knows the secret, and counts.
    async fn endpoint(status: u16, answer: &'static str) -> (String, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let token =
            warp::path!("oauth" / "token").and(warp::header("authorization")).map(move |given: String| {
                counted.fetch_add(1, Ordering::SeqCst);
                // As a server does that follows RFC 6749, 2.3.1.
                let pair = BASE64_STANDARD.decode(given.trim_start_matches("Basic ")).unwrap();
                let query = String::from_utf8(pair).unwrap().replacen(':', "=", 1);
                let knows = form_urlencoded::parse(query.as_bytes()).eq([("client".into(), SECRET.into())]);
                let status =
                    if knows { StatusCode::from_u16(status).unwrap() } else { StatusCode::UNAUTHORIZED };
                warp::reply::with_status(answer, status)
            });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(warp::serve(token).incoming(listener).run());
        (url, calls)
    }

    const SECRET: &str = "s3cret-for-acceptance+/=%:&";

    fn source(url: &str) -> TokenSource {
        let credentials = ClientCredentials { id: "client".into(), secret: SECRET.into() };
        TokenSource::new(url, credentials).unwrap()
    }

    #[tokio::test]
    async fn a_token_without_a_stated_life_is_used_until_it_is_refused() {
        for answer in [
            r#"{"access_token":"one","token_type":"bearer"}"#,
            r#"{"access_token":"one","token_type":"Bearer","expires_in":"3599"}"#,
            r#"{"access_token":"one","token_type":"bearer","expires_in":3599.0,"scope":"read"}"#,
        ] {
            let (url, calls) = endpoint(200, answer).await;
            let source = source(&url);
            for _ in 0..3 {
                assert_eq!(source.get().await.as_deref(), Ok("one"), "{answer}");
            }
            assert_eq!(calls.load(Ordering::SeqCst), 1, "{answer}");
            assert_eq!(source.renew("one").await.as_deref(), Ok("one"), "{answer}");
            assert_eq!(calls.load(Ordering::SeqCst), 2, "refused, so fetched again: {answer}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_grants_nothing_is_an_outage_of_hmpps_auth_and_never_repeats_what_it_says() {
        for (status, answer, expected) in [
            (
                401,
                r#"{"error":"invalid_client","error_description":"Ada Byron"}"#,
                "(invalid_client); check CLIENT_ID",
            ),
            (400, r#"{"error":"Ada Byron"}"#, "(no error code); check CLIENT_ID"),
            (500, "Ada Byron", "500"),
            (302, "Ada Byron", "302"),
            (200, "<html>Ada Byron</html>", "access_token"),
            (200, r#"{"access_token":"Byron","token_type":"mac"}"#, "token_type"),
        ] {
            let (url, _) = endpoint(status, answer).await;
            let error = source(&url).get().await.unwrap_err();
            assert!(matches!(error, FetchError::Unavailable { dependency: AUTH, .. }), "{error}");
            let error = error.to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("Byron") && !error.contains("s3cret"), "{error}");
        }
    }
}
