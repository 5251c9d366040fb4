//! The HTTP side of the stand-ins.

use std::{convert::Infallible, future::pending, sync::Arc};

use http::{Response, header};
use warp::{Filter, Reply, filters::BoxedFilter, path::FullPath};

use super::{Answer, Answers, Auth, Breakdown, answers::MPC_ROLE};

type Body = Response<String>;

/// `/auth/…` is HMPPS Auth, everything else Manage POM Cases.
pub fn all(mpc: Arc<Answers>, auth: Arc<Auth>) -> BoxedFilter<(impl Reply + use<>,)> {
    let token = {
        let auth = Arc::clone(&auth);
        warp::path!("auth" / "oauth" / "token")
            .and(warp::post())
            .and(warp::header::optional("authorization"))
            .and(warp::query::raw().or_else(|_| async { Ok::<_, Infallible>((String::new(),)) }))
            .and(warp::body::bytes())
            .then(move |authorization: Option<String>, query: String, body: warp::hyper::body::Bytes| {
                let auth = Arc::clone(&auth);
                async move { grant(&auth, authorization.as_deref(), &query, &body).await }
            })
    };
    let keys = {
        let auth = Arc::clone(&auth);
        warp::path!("auth" / ".well-known" / "jwks.json").and(warp::get()).then(move || {
            let auth = Arc::clone(&auth);
            async move {
                let (breakdown, keys) = auth.note_key_set();
                match breakdown {
                    Some(breakdown) => broken(breakdown).await,
                    None => json(200, &keys),
                }
            }
        })
    };
    let headers = warp::header::optional("authorization").and(warp::header::optional("traceparent"));
    let detail = warp::get().and(warp::path::full()).and(headers).then(
        move |path: FullPath, authorization: Option<String>, trace: Option<String>| {
            let (mpc, auth) = (Arc::clone(&mpc), Arc::clone(&auth));
            async move {
                trace.into_iter().for_each(|trace| mpc.note_trace(trace));
                detail(&mpc, &auth, path.as_str(), authorization.as_deref()).await
            }
        },
    );
    token.or(keys).unify().or(detail).unify().boxed()
}

async fn grant(auth: &Auth, authorization: Option<&str>, query: &str, body: &[u8]) -> Body {
    if let Some(breakdown) = auth.note_token() {
        return broken(breakdown).await;
    }
    let Some(client) = auth.client(authorization) else {
        return json(401, &serde_json::json!({ "error": "invalid_client" }));
    };
    let asked = |given: &[u8]| {
        url::form_urlencoded::parse(given)
            .any(|(name, value)| name == "grant_type" && value == "client_credentials")
    };
    if !asked(query.as_bytes()) && !asked(body) {
        return json(400, &serde_json::json!({ "error": "unsupported_grant_type" }));
    }
    match auth.grant(client) {
        Ok(grant) => json(200, &grant),
        Err(error) => json(500, &serde_json::json!({ "error": error.to_string() })),
    }
}

async fn detail(mpc: &Answers, auth: &Auth, path: &str, authorization: Option<&str>) -> Body {
    if let Some(breakdown) = mpc.note(path) {
        return broken(breakdown).await;
    }
    if !auth.accepts(authorization, MPC_ROLE) {
        return broken(Breakdown::Unauthorized).await;
    }
    let Answer { status, body, content_type, location } = mpc.find(path);
    let mut response = respond(status, content_type, body);
    if let Some(location) = location.and_then(|to| to.parse().ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn broken(breakdown: Breakdown) -> Body {
    match breakdown {
        Breakdown::ServerError => respond(500, "text/html", Answer::page(500).body),
        Breakdown::Unavailable => respond(503, "text/html", String::new()),
        Breakdown::TooManyRequests => respond(429, "text/html", String::new()),
        Breakdown::Unauthorized => {
            json(401, &serde_json::json!({ "status": "error", "message": "Unauthorized" }))
        }
        Breakdown::Hang => pending().await,
        Breakdown::Maintenance => {
            let mut response = respond(302, "text/html", String::new());
            response.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/maintenance"));
            response
        }
        Breakdown::Forbidden => respond(403, "text/html", Answer::page(403).body),
    }
}

fn json(status: u16, body: &impl serde::Serialize) -> Body {
    respond(status, "application/json", serde_json::to_string(body).unwrap_or_default())
}

fn respond(status: u16, content_type: &'static str, body: String) -> Body {
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
