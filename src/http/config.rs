//! Settings of the API, with the limits that keep one caller from disturbing others.

use std::{net::SocketAddr, time::Duration};

/// Settings of the server. Port 0 in `bind` picks a free port; [`crate::http::Server::local_addr`] says which.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Address to listen on. Default `0.0.0.0:8080`.
    pub bind: SocketAddr,
    /// Open connections; one more is answered with 503 and closed. Default 4096.
    pub max_connections: usize,
    /// Requests in progress; one more is answered with 503. Default 512.
    pub max_in_flight: usize,
    /// From the first byte of a request to the end of its header. Default 10 seconds.
    pub header_timeout: Duration,
    /// A connection without a request is closed after this time. Default 75 seconds, longer than the
    /// keep-alive of usual ingresses, so that they close first.
    pub idle_timeout: Duration,
    /// A connection whose peer reads nothing of an answer for this long is closed. Default 30 seconds.
    pub write_timeout: Duration,
    /// A request is answered with 503 after this time. Default 10 seconds.
    pub request_timeout: Duration,
    /// New requests are still answered for so long at shutdown, while readiness refuses. Default none.
    pub shutdown_delay: Duration,
    /// Requests in progress at shutdown get this long to end. Default 20 seconds.
    pub drain_timeout: Duration,
    /// Longest request body. Default 64 KiB: five hundred identifiers need less than 10.
    pub max_body_bytes: usize,
    /// Longest header of a request, with its first line; a longer one is answered with 431. Default 16 KiB: a token
    /// with hundreds of roles fits. What strangers can make the service hold is at most twice this for each connection.
    pub max_header_bytes: usize,
    /// The HMPPS product that the service belongs to, shown under `/info`. Default none.
    pub product_id: Option<String>,
}

impl ApiConfig {
    /// The HTTP library needs this much for its buffer.
    pub const MIN_HEADER_BYTES: usize = 8 * 1024;
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
            shutdown_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(20),
            max_body_bytes: 64 * 1024,
            max_header_bytes: 16 * 1024,
            product_id: None,
        }
    }
}

/// Whose tokens are accepted, and how keys are fetched.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// `iss` of an accepted token, compared letter by letter. Default `{auth_url}/issuer`.
    pub issuer: String,
    /// Where the keys are published. Default `{auth_url}/.well-known/jwks.json`.
    pub key_set_url: String,
    /// Clocks may differ by this much. Default 10 seconds.
    pub leeway: Duration,
    /// The key set is fetched at most this often, whatever tokens callers make up. Default 5 seconds.
    pub fetch_interval: Duration,
    /// The key set is fetched again in the background after this time, so that no caller waits. Default 2 minutes.
    pub keys_refresh_after: Duration,
    /// Keys that were fetched longer ago verify nothing. So a withdrawn key is trusted no longer than this, also while
    /// HMPPS Auth does not answer. Default 5 minutes.
    pub keys_max_age: Duration,
    /// Limit of one fetch. Default 3 seconds.
    pub fetch_timeout: Duration,
}

impl AuthConfig {
    /// The defaults for an HMPPS Auth, for example `https://sign-in.hmpps.service.justice.gov.uk/auth`. Inside a
    /// cluster the keys may come from an internal address while the issuer is the public one: then set the two fields.
    pub fn new(auth_url: &str) -> Self {
        let auth_url = auth_url.trim_end_matches('/');
        Self {
            issuer: format!("{auth_url}/issuer"),
            key_set_url: format!("{auth_url}/.well-known/jwks.json"),
            leeway: Duration::from_secs(10),
            fetch_interval: Duration::from_secs(5),
            keys_refresh_after: Duration::from_secs(120),
            keys_max_age: Duration::from_secs(300),
            fetch_timeout: Duration::from_secs(3),
        }
    }
}
