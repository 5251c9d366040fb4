//! The answers of Manage POM Cases: a table that tests and the demonstration fill.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

/// The role without which Manage POM Cases refuses a token.
pub const MPC_ROLE: &str = "ROLE_VIEW_POM_ALLOCATIONS";

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body, byte for byte.
    pub body: String,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Location`, for a redirect.
    pub location: Option<String>,
}

impl Answer {
    /// 200 with a JSON body.
    pub fn json(body: &Value) -> Self {
        Self::with(200, body.to_string())
    }

    /// Any status with a JSON body.
    pub fn with(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), content_type: "application/json", location: None }
    }

    /// 404 with the body that explains it: `Not allocated`, `Not ready for allocation` or `Not found`.
    pub fn not_found(message: &str) -> Self {
        Self::with(404, format!(r#"{{"status":"error","message":"{message}"}}"#))
    }

    /// The present holder of the case.
    pub fn allocated(code: i64, forename: &str, surname: &str, email: Option<&str>, prison: &str) -> Self {
        Self::json(&json!({
            "manager": { "code": code, "forename": forename, "surname": surname, "email": email },
            "prison": { "code": prison },
        }))
    }

    /// The present handover dates, as `yyyy-mm-dd`.
    pub fn handover(noms: &str, handover: Option<&str>, start: Option<&str>) -> Self {
        Self::json(&json!({
            "nomsNumber": noms, "handoverDate": handover, "handoverStartDate": start, "responsibility": "POM",
            "responsibleComName": null, "responsibleComEmail": null,
            "responsiblePomName": null, "responsiblePomNomisId": null,
        }))
    }

    /// The HTML page of a web server that does not know the address or fails.
    pub fn page(status: u16) -> Self {
        let body = format!("<!DOCTYPE html><html><body><h1>{status}</h1></body></html>");
        Self { status, body, content_type: "text/html", location: None }
    }

    /// 302 to another place.
    pub fn redirect(location: &str) -> Self {
        Self { location: Some(location.to_owned()), ..Self::with(302, "") }
    }
}

/// How a whole server is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakdown {
    /// Every call gets 500 and an HTML page.
    ServerError,
    /// Every call gets 503 without a body.
    Unavailable,
    /// Every call gets 429.
    TooManyRequests,
    /// Every call gets 401, whatever its token.
    Unauthorized,
    /// No call is ever answered.
    Hang,
    /// Every call is redirected to a maintenance page on the same origin.
    Maintenance,
    /// Every call gets 403 and an HTML page, as from an ingress with an allow list.
    Forbidden,
}

/// The table of answers, the calls received, and the present breakdown.
#[derive(Debug, Default)]
pub struct Answers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    answers: HashMap<String, Answer>,
    calls: Vec<String>,
    traces: Vec<String>,
    breakdown: Option<Breakdown>,
}

impl Answers {
    /// From now on, this path (with its leading slash) gets this answer.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.lock().answers.insert(path.to_owned(), answer);
    }

    /// Sets the answer for the primary POM of a case.
    pub fn allocation(&self, noms: &str, answer: Answer) {
        self.answer(&format!("/api/allocation/{noms}/primary_pom"), answer);
    }

    /// Sets the answer for the handover dates of a case.
    pub fn handover(&self, noms: &str, answer: Answer) {
        self.answer(&format!("/api/handovers/{noms}"), answer);
    }

    /// Reads answers from a JSON object of path → `{ "status"?: number, "body": … }`.
    ///
    /// # Errors
    /// When the text is not such an object.
    pub fn load(&self, json: &str) -> Result<(), serde_json::Error> {
        #[derive(serde::Deserialize)]
        struct Entry {
            #[serde(default = "ok")]
            status: u16,
            body: Box<serde_json::value::RawValue>, // byte for byte
        }
        fn ok() -> u16 {
            200
        }
        for (path, Entry { status, body }) in serde_json::from_str::<HashMap<String, Entry>>(json)? {
            self.answer(&path, Answer::with(status, body.get()));
        }
        Ok(())
    }

    /// Breaks the whole server, or repairs it.
    pub fn break_down(&self, breakdown: Option<Breakdown>) {
        self.lock().breakdown = breakdown;
    }

    /// How often the path was called, whatever the answer.
    pub fn calls(&self, path: &str) -> usize {
        self.lock().calls.iter().filter(|called| *called == path).count()
    }

    /// All calls, in order.
    pub fn all_calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// The header `traceparent` of each call that had one, in order.
    pub fn traces(&self) -> Vec<String> {
        self.lock().traces.clone()
    }

    /// Records the header `traceparent` of a call.
    pub fn note_trace(&self, traceparent: String) {
        self.lock().traces.push(traceparent);
    }

    /// Records the call and returns the present breakdown.
    pub fn note(&self, path: &str) -> Option<Breakdown> {
        let mut inner = self.lock();
        inner.calls.push(path.to_owned());
        inner.breakdown
    }

    /// The answer for a path: from the table, or what Manage POM Cases answers for an unknown case.
    pub fn find(&self, path: &str) -> Answer {
        if let Some(answer) = self.lock().answers.get(path) {
            return answer.clone();
        }
        match path.split('/').collect::<Vec<_>>()[..] {
            ["", "api", "allocation", _, "primary_pom"] => Answer::not_found("Not ready for allocation"),
            ["", "api", "handovers", _] => Answer::not_found("Not found"),
            _ => Answer::page(404),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
