//! The routes of case records and of operations, one file each. Routes that need more than the case records (history,
//! queue administration) are handed to [`crate::http::Api::with_routes`].

pub(super) mod batch;
pub(super) mod case_record;
pub(super) mod health;
pub(super) mod info;
pub(super) mod metrics;
pub(super) mod openapi;
pub(super) mod risks;
pub(super) mod swagger_ui;

use http::{Method, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use warp::{
    Filter,
    filters::BoxedFilter,
    reply::{Reply, Response},
};

use crate::http::{Api, ApiConfig, Health, Problem, Route};

/// The routes that read case records, the most frequent one first.
pub(super) fn reads(api: &Api) -> Vec<Route> {
    let mut routes = vec![case_record::route(api), batch::route(api)];
    routes.extend(risks::routes(api));
    routes
}

/// The routes that every process has, whatever its roles.
pub(super) fn operational(config: &ApiConfig, health: &Health, metrics: &PrometheusHandle) -> Vec<Route> {
    let mut routes: Vec<Route> = health::routes(health).into();
    routes.extend([info::route(config.product_id.clone()), metrics::route(metrics), swagger_ui::route()]);
    routes
}

/// One filter that answers every request: by the first route that matches, or with 404 or 405.
pub(super) fn filter(routes: Vec<Route>) -> BoxedFilter<(Response,)> {
    let mut tried_last_first = routes.iter().rev().map(Route::filter).collect::<Vec<_>>().into_iter();
    let otherwise = otherwise(routes);
    tried_last_first.by_ref().fold(otherwise, |rest, route| route.or(rest).unify().boxed())
}

fn otherwise(routes: Vec<Route>) -> BoxedFilter<(Response,)> {
    warp::path::full()
        .map(move |path: warp::path::FullPath| {
            let allowed: Vec<&str> = routes
                .iter()
                .filter(|route| route.matches(path.as_str()))
                .flat_map(|route| route.methods().iter().map(Method::as_str))
                .collect();
            match http::HeaderValue::try_from(allowed.join(", ")) {
                Ok(allow) if !allowed.is_empty() => {
                    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "The route does not take this method")
                        .with(header::ALLOW, allow)
                }
                _ => Problem::not_found("There is no such route"),
            }
            .into_response()
        })
        .boxed()
}
