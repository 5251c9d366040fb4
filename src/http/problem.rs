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
}

impl Problem {
    /// An error answer with this status and message.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), header: None }
    }

    /// 400: the request is not what the route takes.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: there is no such thing. Never for a fault: Manage POM Cases takes it as an answer.
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
        Self::new(StatusCode::FORBIDDEN, format!("The token does not carry the role {role}"))
    }

    /// 503: the answer cannot be had; the caller should come again after so many seconds.
    pub fn unavailable(message: impl Into<Cow<'static, str>>, retry_after_s: u16) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).with(header::RETRY_AFTER, retry_after_s.into())
    }

    /// 500: a fault of ours, without detail.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here; the log says what")
    }

    /// The same with a header.
    pub fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
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
        // A 404 may be kept by caches unless it says otherwise; ours may be outdated in a second.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
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
            tracing::error!(%error, "an answer has no JSON form");
            let mut response =
                Response::new(r#"{"status":500,"message":"Something went wrong here"}"#.into());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
