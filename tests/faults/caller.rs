//! A client of the read API, like Manage POM Cases.

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde_json::Value;

use crate::ground::Ground;

/// The person whose record is asked for; one of the invented cases.
pub(crate) const CRN: &str = "X000001";

const ROLE: &str = "ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL";

pub(crate) struct Caller {
    http: reqwest::Client,
    token: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) tier: Option<String>,
    /// The answer says that it was cached.
    pub(crate) kept: bool,
    /// The answer says that it may be stale.
    pub(crate) stale: bool,
    pub(crate) retry_after: bool,
    pub(crate) body: String,
}

impl Answered {
    /// Whether it states this tier without a warning.
    pub(crate) fn claims(&self, tier: &str) -> bool {
        self.status == StatusCode::OK && !self.stale && self.tier.as_deref() == Some(tier)
    }
}

impl Caller {
    pub(crate) fn of(ground: &Ground) -> Self {
        // The service reaches the authorisation server through its proxy.
        let mut claims = ground.mpc.auth().claims(&[ROLE]);
        claims.iss = format!("{}/auth/issuer", ground.mpc_url());
        Self { http: reqwest::Client::new(), token: ground.mpc.auth().sign(&claims).unwrap() }
    }

    /// Asks for a record. An error means that there was no answer.
    pub(crate) async fn ask(&self, api: &str, crn: &str) -> reqwest::Result<Answered> {
        self.send(self.http.get(format!("{api}/case-records/{crn}"))).await
    }

    /// The same, read through to Delius.
    pub(crate) async fn ask_delius(&self, api: &str, crn: &str) -> reqwest::Result<Answered> {
        let request = self.http.get(format!("{api}/case-records/{crn}"));
        self.send(request.header(header::CACHE_CONTROL, "no-cache")).await
    }

    /// One metric of the process.
    pub(crate) async fn figure(&self, api: &str, name: &str) -> Option<f64> {
        let figures = self.http.get(format!("{api}/metrics")).send().await.ok()?.text().await.ok()?;
        // Every figure is labelled with the application.
        let line = figures.lines().find(|line| line.starts_with(&format!("{name}{{")));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answered> {
        // Longer than the service's own time limit.
        let answer = request.bearer_auth(&self.token).timeout(Duration::from_secs(30)).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await?;
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        Ok(Answered {
            status,
            tier: json["currentTier"].as_str().map(str::to_owned),
            kept: headers.contains_key(header::AGE),
            stale: headers.contains_key(header::WARNING),
            retry_after: headers.contains_key(header::RETRY_AFTER),
            body,
        })
    }
}

/// Sets another tier for everybody in Delius.
pub(crate) async fn set_tier(ground: &Ground, tier: &str) {
    let sql = "update offender set current_tier = (select standard_reference_list_id
               from r_standard_reference_list where code_description = $1)";
    sqlx::query(sql).bind(tier).execute(&ground.delius).await.unwrap();
}
