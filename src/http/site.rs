//! What one listener serves: routes, and the health that its readiness depends on.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::http::{ApiConfig, Health, Route, openapi, routes};

/// Everything that a server needs. Every role of the service has one with probes and metrics; the API has more routes.
#[derive(Clone)]
pub struct Site {
    pub(super) name: &'static str,
    pub(super) config: ApiConfig,
    pub(super) routes: Vec<Route>,
    pub(super) health: Health,
    documentation: utoipa::openapi::OpenApi,
}

impl Site {
    /// Probes, `/info` and `/metrics`, without a token. `name` is for log lines.
    pub fn operational(
        name: &'static str,
        config: ApiConfig,
        health: &Health,
        metrics: &PrometheusHandle,
    ) -> Self {
        Self {
            name,
            routes: routes::operational(&config, health, metrics),
            config,
            health: health.clone(),
            documentation: openapi::operational(),
        }
    }

    /// Adds routes with their part of the OpenAPI document. They are tried before those that were added earlier.
    #[must_use]
    pub fn with_routes(
        mut self,
        routes: impl IntoIterator<Item = Route>,
        documentation: utoipa::openapi::OpenApi,
    ) -> Self {
        let mut first: Vec<Route> = routes.into_iter().collect();
        first.append(&mut self.routes);
        self.documentation.merge(documentation);
        Self { routes: first, ..self }
    }

    /// The OpenAPI document of every route.
    pub(super) fn documentation(&self) -> Arc<utoipa::openapi::OpenApi> {
        Arc::new(openapi::completed(self.documentation.clone()))
    }

    /// Every route, with those that give the document.
    pub(super) fn all_routes(&self) -> Vec<Route> {
        let mut all = self.routes.clone();
        all.extend(routes::openapi::routes(&self.documentation()));
        all
    }
}
