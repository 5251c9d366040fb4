//! The HTTP API: Manage POM Cases reads case records, auditors read histories, operators read health and metrics.
//!
//! Architecture invariant: no SQL and no queue calls here. Every route says who may use it
//! ([`Route::protected`], [`Route::open`]); every error of a route has one shape ([`Problem`]); a fault is never a 404.

pub(crate) mod auth;
mod body;
mod conditional;
mod config;
mod connection;
pub mod health;
pub mod history;
mod hot_path;
mod openapi;
mod path;
mod person;
mod problem;
pub mod queue_admin;
mod route;
mod routes;
mod server;
mod service;
mod site;

use std::sync::Arc;

pub use auth::{Authenticator, Caller, Role};
pub use body::read as read_body;
pub use config::{ApiConfig, AuthConfig};
pub use health::{Component, Health};
use metrics_exporter_prometheus::PrometheusHandle;
pub use person::from_path as person_from_path;
pub use problem::{Problem, ProblemBody, json};
pub use route::{Call, POST, PUT, READ, Route, RouteAccess};
pub use server::{BindError, Server};
pub use site::Site;

use crate::case_records::CaseRecords;

/// The routes with what they need, before a server listens.
#[derive(Clone)]
pub struct Api {
    config: ApiConfig,
    records: Arc<CaseRecords>,
    authenticator: Arc<Authenticator>,
    health: Health,
    metrics: PrometheusHandle,
    more: Vec<Route>,
    documentation: utoipa::openapi::OpenApi,
}

impl Api {
    /// An API over these case records. It adds a probe to `health` that says whether cached records may be served. That
    /// they may not is no fault, because reads then go through to Delius.
    pub fn new(
        config: ApiConfig,
        records: Arc<CaseRecords>,
        authenticator: Arc<Authenticator>,
        health: Health,
        metrics: PrometheusHandle,
    ) -> Self {
        let watched = Arc::clone(&records);
        let health = health.with("caseRecords", move || {
            let heard = if watched.receives_invalidations() { "yes" } else { "no" };
            let component = Component::up().detail("changeFeed", watched.feed_health().as_str());
            std::future::ready(component.detail("hearsInvalidations", heard))
        });
        Self {
            config,
            records,
            authenticator,
            health,
            metrics,
            more: Vec::new(),
            documentation: openapi::reads(),
        }
    }

    /// Adds routes of another room, with their part of the OpenAPI document.
    pub fn with_routes(
        mut self,
        routes: impl IntoIterator<Item = Route>,
        documentation: utoipa::openapi::OpenApi,
    ) -> Self {
        self.more.extend(routes);
        self.documentation.merge(documentation);
        self
    }

    /// Every route: the API's own and those that were added.
    pub fn routes(&self) -> Vec<Route> {
        self.site().all_routes()
    }

    /// What a server of this API serves.
    fn site(&self) -> Site {
        Site::operational("API", self.config.clone(), &self.health, &self.metrics).with_routes(
            routes::reads(self).into_iter().chain(self.more.iter().cloned()),
            self.documentation.clone(),
        )
    }

    pub fn authenticator(&self) -> &Arc<Authenticator> {
        &self.authenticator
    }

    pub fn config(&self) -> &ApiConfig {
        &self.config
    }

    pub fn documentation(&self) -> Arc<utoipa::openapi::OpenApi> {
        self.site().documentation()
    }

    fn records(&self) -> Arc<CaseRecords> {
        Arc::clone(&self.records)
    }
}
