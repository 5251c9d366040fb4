//! Settings of the API, with the limits that keep one caller from disturbing the others.

use std::{net::SocketAddr, time::Duration};

/// Settings of the server. Port 0 in `bind` picks a free port; [`crate::http::Server::local_addr`] says which.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Address to listen on. Default `0.0.0.0:8080`.
    pub bind: SocketAddr,
    /// Open connections; one more is answered with 503 and closed. Default 4096.
    pub max_connections: usize,
    /// Requests under way; one more is answered with 503. Default 512.
    pub max_in_flight: usize,
    /// From the first byte of a request to the end of its header. Default 10 seconds.
    pub header_timeout: Duration,
    /// A connection on which nothing is asked is closed after this time. Default 75 seconds, longer than the
    /// keep-alive of usual ingresses, so that they close first.
    pub idle_timeout: Duration,
    /// A caller who takes nothing of an answer for so long is cut off. Default 30 seconds.
    pub write_timeout: Duration,
    /// A request is answered with 503 after this time. Default 10 seconds.
    pub request_timeout: Duration,
    /// Requests under way at shutdown get this long to end. Default 20 seconds.
    pub drain_timeout: Duration,
    /// Longest request body. Default 64 KiB: five hundred identifiers need less than 10.
    pub max_body_bytes: usize,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([0, 0, 0, 0], 8080)),
            max_connections: 4096,
            max_in_flight: 512,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(20),
            max_body_bytes: 64 * 1024,
        }
    }
}

/// Whose tokens are accepted, and how keys are fetched.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// HMPPS Auth, for example `https://sign-in.hmpps.service.justice.gov.uk/auth`: keys come from
    /// `{auth_url}/.well-known/jwks.json`, the issuer is `{auth_url}/issuer`.
    pub auth_url: String,
    /// Clocks may differ by this much. Default 10 seconds.
    pub leeway: Duration,
    /// Keys are fetched at most this often, whatever key ids callers come up with. Default 5 seconds.
    pub fetch_interval: Duration,
    /// Known keys are looked at again after this time, so that a withdrawn one stops working. Default 10 minutes.
    pub keys_max_age: Duration,
    /// Limit of one fetch. Default 3 seconds.
    pub fetch_timeout: Duration,
    /// A verified token is not verified again for this long (nor beyond its expiry). Default 5 minutes.
    pub token_max_age: Duration,
}

impl AuthConfig {
    /// The defaults for an HMPPS Auth.
    pub fn new(auth_url: impl Into<String>) -> Self {
        let auth_url: String = auth_url.into();
        Self {
            auth_url: auth_url.trim_end_matches('/').to_owned(),
            leeway: Duration::from_secs(10),
            fetch_interval: Duration::from_secs(5),
            keys_max_age: Duration::from_secs(600),
            fetch_timeout: Duration::from_secs(3),
            token_max_age: Duration::from_secs(300),
        }
    }
}
