//! Client of Manage POM Cases: fetches the details that a message points to.
//!
//! Architecture invariant: the bearer token goes to the configured origin and nowhere else. An address on any
//! other origin is never fetched, and a redirect is followed only on the origin and to the same person.
//!
//! Every failure is one of five, and the caller decides what becomes of the message by the variant alone
//! ([`FetchError`]): an outage, an undocumented answer, a foreign address, another person's answer, an unusable value.

pub(crate) mod answers;
mod origin;
mod recorded;
mod token;
pub(crate) mod token_answer;

use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use chrono::Utc;
pub use recorded::RecordedAnswers;
use reqwest::{Response, StatusCode, header, redirect};
pub use token::{ClientCredentials, TokenSource};
use url::Url;

use crate::{
    breakers::{MPC, answer_of},
    case::{
        AllocationAnswer, DetailAddress, Evidence, FetchError, Fetched, HandoverAnswer, ManagePomCases,
        NomsNumber, UndocumentedAnswer,
    },
    trace::{self, TRACEPARENT},
};

/// Documented answers have a few hundred bytes. The limit keeps a misrouted download out of memory.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: usize = 3;

/// A client of Manage POM Cases.
pub struct MpcClient {
    http: reqwest::Client,
    base: Url,
    token: TokenSource,
}

impl MpcClient {
    /// A client of the origin `base`, for example `https://moic.service.justice.gov.uk`.
    ///
    /// # Errors
    /// When `base` is not an http(s) origin, or the HTTP client cannot be set up.
    pub fn new(base: &str, token: TokenSource) -> anyhow::Result<Self> {
        let base = origin::parse_base(base)?;
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("while setting up the HTTP client")?;
        Ok(Self { http, base, token })
    }

    fn resolve(&self, noms: &NomsNumber, address: &DetailAddress, own_path: &str) -> Result<Url, FetchError> {
        match address {
            DetailAddress::Given(given) => origin::check(&self.base, given, noms),
            DetailAddress::OfCase => {
                let mut url = self.base.clone();
                url.set_path(own_path);
                Ok(url)
            }
        }
    }

    /// Fetches once, and once more with a new token after a 401.
    async fn get(&self, url: &Url, noms: &NomsNumber) -> Result<Fetched, FetchError> {
        let token = self.token.get().await?;
        let fetched = self.get_with(url, noms, &token).await?;
        if fetched.status != StatusCode::UNAUTHORIZED.as_u16() {
            return Ok(fetched);
        }
        let token = self.token.renew(&token).await?;
        let fetched = self.get_with(url, noms, &token).await?;
        if fetched.status == StatusCode::UNAUTHORIZED.as_u16() {
            return Err(unavailable(
                "401 with a new token; check the client's role ROLE_VIEW_POM_ALLOCATIONS",
            ));
        }
        Ok(fetched)
    }

    async fn get_with(&self, url: &Url, noms: &NomsNumber, token: &str) -> Result<Fetched, FetchError> {
        let (began, endpoint) = (Instant::now(), endpoint(url));
        let fetched = answer_of(MPC, self.ask(url, noms, token)).await;
        metrics::histogram!("mpc_request_duration_seconds", "endpoint" => endpoint).record(began.elapsed());
        fetched
    }

    async fn ask(&self, url: &Url, noms: &NomsNumber, token: &str) -> Result<Fetched, FetchError> {
        let (url, mut response) = self.follow(url.clone(), noms, token).await?;
        let status = response.status();
        if status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
        {
            return Err(unavailable(status.as_str()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unavailable(&describe(&error)))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(answers::undocumented_body("the body is longer than 1 MiB"));
            }
        }
        // The bytes of an undocumented status are only evidence: its body may be in any encoding.
        let body = match String::from_utf8(body) {
            Ok(body) => body,
            Err(_) if status == StatusCode::OK => {
                return Err(answers::undocumented_body("the body is not UTF-8"));
            }
            Err(other) => String::from_utf8_lossy(other.as_bytes()).into_owned(),
        };
        Ok(Fetched {
            url: url.to_string(),
            status: status.as_u16(),
            at: Utc::now(),
            answer: Evidence::of(body),
            staff: None,
        })
    }
}

impl MpcClient {
    /// Sends the request and follows redirects. Not by the HTTP client, which cannot check that the target is still
    /// about the same person.
    async fn follow(
        &self,
        mut url: Url,
        noms: &NomsNumber,
        token: &str,
    ) -> Result<(Url, Response), FetchError> {
        let mut last_status = 0;
        for _ in 0..=MAX_REDIRECTS {
            let mut request =
                self.http.get(url.clone()).bearer_auth(token).header(header::ACCEPT, "application/json");
            if let Some(trace) = trace::current() {
                request = request.header(TRACEPARENT, trace.to_string());
            }
            let response = request.send().await.map_err(|error| unavailable(&describe(&error)))?;
            let status = response.status();
            if !status.is_redirection() {
                return Ok((url, response));
            }
            url = origin::redirected(&self.base, &url, &response, noms)?;
            last_status = status.as_u16();
        }
        let reason = "it redirects more than three times";
        Err(FetchError::Undocumented(UndocumentedAnswer::Redirect { status: last_status, reason }))
    }
}

#[async_trait]
impl ManagePomCases for MpcClient {
    async fn allocation(
        &self,
        noms: &NomsNumber,
        address: &DetailAddress,
    ) -> Result<(AllocationAnswer, Fetched), FetchError> {
        let url = self.resolve(noms, address, &format!("/api/allocation/{noms}/primary_pom"))?;
        let mut fetched = self.get(&url, noms).await?;
        failpoint!("fetched");
        let answer = answers::allocation(&fetched)?;
        fetched.staff = answer.staff().cloned();
        Ok((answer, fetched))
    }

    async fn handover(
        &self,
        noms: &NomsNumber,
        address: &DetailAddress,
    ) -> Result<(HandoverAnswer, Fetched), FetchError> {
        let url = self.resolve(noms, address, &format!("/api/handovers/{noms}"))?;
        let fetched = self.get(&url, noms).await?;
        let answer = answers::handover(&fetched, noms)?;
        Ok((answer, fetched))
    }
}

/// For commands that never fetch: answers every call with an error that names the missing setting.
pub struct NotConfigured;

#[async_trait]
impl ManagePomCases for NotConfigured {
    async fn allocation(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(AllocationAnswer, Fetched), FetchError> {
        Err(unavailable("MPC_URL is not set"))
    }

    async fn handover(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(HandoverAnswer, Fetched), FetchError> {
        Err(unavailable("MPC_URL is not set"))
    }
}

/// Which of the two interfaces it is, for metrics.
fn endpoint(url: &Url) -> &'static str {
    let path = url.path();
    if path.contains("/allocation/") {
        "allocation"
    } else if path.contains("/handovers/") {
        "handover"
    } else {
        "other"
    }
}

fn unavailable(reason: &str) -> FetchError {
    FetchError::Unavailable { dependency: MPC, reason: reason.to_owned() }
}

/// Describes a failed request without its address, whose query may hold personal data.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".into()
    } else if error.is_connect() {
        "no connection".into()
    } else {
        "the connection broke".into()
    }
}
