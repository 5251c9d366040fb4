//! Error answers, all of one shape: `{"status":404,"message":"…"}`.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warp::reply::{Reply, Response};

/// Body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// The HTTP status again.
    #[schema(example = 404)]
    pub status: u16,
    /// One sentence for a person to read.
    #[schema(example = "Person with crn of X123456 not found")]
    pub message: String,
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    message: Cow<'static, str>,
    header: Option<(header::HeaderName, HeaderValue)>,
    reason: Option<Reason>,
}

/// Why a request was refused, as one constant word. It travels with the answer to the log line and not to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason(pub(super) &'static str);

impl Problem {
    /// An error answer with this status and message.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), header: None, reason: None }
    }

    /// 400: the request is malformed.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: not found. Never for a fault, because Manage POM Cases takes a 404 as the answer.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 401: no valid token.
    pub fn unauthorised(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: a valid token without the role.
    pub fn forbidden(role: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("The token does not have the role {role}"))
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer error="insufficient_scope""#))
    }

    /// 503: no answer is available; the caller should retry after this many seconds.
    pub fn unavailable(message: impl Into<Cow<'static, str>>, retry_after_s: u16) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).with(header::RETRY_AFTER, retry_after_s.into())
    }

    /// 500: a bug, without details.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error; the log of the service has the details")
    }

    /// The same with a header.
    pub fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The same with a reason for the log.
    pub(super) fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(Reason(reason));
        self
    }

    #[cfg(test)]
    pub(super) fn reason(&self) -> Option<&'static str> {
        self.reason.map(|Reason(reason)| reason)
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl Reply for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody { status: self.status.as_u16(), message: self.message.into_owned() };
        let mut response = json(self.status, &body);
        // Caches may keep a 404 unless told otherwise, and the person may be known a second later.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        if let Some(reason) = self.reason {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = Response::new(bytes.into());
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be serialised as JSON");
            let mut response = Response::new(r#"{"status":500,"message":"Internal error"}"#.into());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
