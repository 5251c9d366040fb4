//! A route: methods and path, who may use it, and its handler. No constructor leaves out who may use it.

use std::{future::Future, sync::Arc};

use http::{HeaderMap, Method};
use warp::{
    Filter, Rejection,
    filters::BoxedFilter,
    reply::{Reply, Response},
};

use crate::http::{
    Authenticator, Caller, Role,
    hot_path::{self, RouteMetrics},
};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteAccess {
    /// Anybody, without a token.
    Open,
    /// Callers with this role.
    Role(Role),
}

/// A request whose caller has the role of the route.
pub struct Call<P> {
    pub caller: Arc<Caller>,
    pub headers: HeaderMap,
    /// What the filter of the route extracted.
    pub params: P,
}

/// One route of the API.
#[derive(Clone)]
pub struct Route {
    template: &'static str,
    methods: &'static [Method],
    access: RouteAccess,
    filter: BoxedFilter<(Response,)>,
}

/// Methods of routes that only read.
pub const READ: &[Method] = &[Method::GET, Method::HEAD];
pub const POST: &[Method] = &[Method::POST];
pub const PUT: &[Method] = &[Method::PUT];

impl Route {
    /// A route that needs no token. `template` is its path as the OpenAPI document writes it; `path` matches that
    /// path, ends with `warp::path::end()`, and extracts one value.
    pub fn open<P, R, Fut>(
        methods: &'static [Method],
        template: &'static str,
        path: BoxedFilter<(P,)>,
        handler: impl Fn(P) -> Fut + Clone + Send + Sync + 'static,
    ) -> Self
    where
        P: Send + 'static,
        R: Reply,
        Fut: Future<Output = R> + Send + 'static,
    {
        let metrics = RouteMetrics::new(template);
        let filter = path.and(only(methods)).then(move |params| {
            hot_path::taken_by(&metrics);
            let answer = handler(params);
            async move { answer.await.into_response() }
        });
        Self { template, methods, access: RouteAccess::Open, filter: filter.boxed() }
    }

    /// A route for callers with a role. The handler runs only after the caller was let in.
    pub fn protected<P, R, E, Fut>(
        methods: &'static [Method],
        template: &'static str,
        (role, authenticator): (Role, &Arc<Authenticator>),
        path: BoxedFilter<(P,)>,
        handler: impl Fn(Call<P>) -> Fut + Clone + Send + Sync + 'static,
    ) -> Self
    where
        P: Send + 'static,
        R: Reply,
        E: Reply,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
    {
        let (authenticator, metrics) = (Arc::clone(authenticator), RouteMetrics::new(template));
        let filter = path.and(only(methods)).and(warp::header::headers_cloned()).then(
            move |params, headers: HeaderMap| {
                hot_path::taken_by(&metrics);
                let (authenticator, handler) = (Arc::clone(&authenticator), handler.clone());
                async move {
                    match authenticator.admit(&headers, role).await {
                        Ok(caller) => match handler(Call { caller, headers, params }).await {
                            Ok(answer) => answer.into_response(),
                            Err(problem) => problem.into_response(),
                        },
                        Err(problem) => problem.into_response(),
                    }
                }
            },
        );
        Self { template, methods, access: RouteAccess::Role(role), filter: filter.boxed() }
    }

    /// Its path, with parameters in braces.
    pub fn template(&self) -> &'static str {
        self.template
    }

    /// The methods it answers to.
    pub fn methods(&self) -> &'static [Method] {
        self.methods
    }

    /// Who may use it.
    pub fn access(&self) -> RouteAccess {
        self.access
    }

    pub(super) fn filter(&self) -> BoxedFilter<(Response,)> {
        self.filter.clone()
    }

    /// Whether a path belongs to this route, with any method.
    pub(super) fn matches(&self, path: &str) -> bool {
        let (mut asked, mut own) =
            (path.trim_matches('/').split('/'), self.template.trim_matches('/').split('/'));
        loop {
            match (asked.next(), own.next()) {
                (None, None) => return true,
                (Some(asked), Some(own)) if asked == own || (own.starts_with('{') && !asked.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

/// Takes requests with one of these methods and leaves others to the next route.
fn only(methods: &'static [Method]) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::method()
        .and_then(move |method: Method| async move {
            if methods.contains(&method) { Ok(()) } else { Err(warp::reject::not_found()) }
        })
        .untuple_one()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_template_with_as_many_parts() {
        let path = warp::path("x").map(|| ()).boxed();
        let route = Route::open(READ, "/case-records/{id}/risks/mappa", path, |()| async { "x" });
        assert!(route.matches("/case-records/X123456/risks/mappa"));
        for path in [
            "/case-records/X123456/risks",
            "/case-records//risks/mappa",
            "/case-records/x/risks/mappa/y",
            "/",
        ] {
            assert!(!route.matches(path), "{path}");
        }
    }
}
