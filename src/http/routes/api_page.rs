//! `GET /swagger-ui/index.html`: the description of the API as a page, where other HMPPS services have Swagger UI. One
//! small file of our own: the bundle of Swagger UI has two megabytes.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};
use warp::{
    Filter,
    reply::{Reply, Response},
};

use crate::http::{READ, Route};

const PAGE: &str = include_str!("api_page.html");

/// Only the page's own script and style run, and only this service is called.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |tag: &str| {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let text = PAGE.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |it| it.0);
        format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    )
});

pub(super) fn route() -> Route {
    let path = warp::path!("swagger-ui" / "index.html").map(|| ()).boxed();
    Route::open(READ, "/swagger-ui/index.html", path, |()| api_page())
}

/// This document as a page
#[utoipa::path(
    get, path = "/swagger-ui/index.html", operation_id = "apiPage", tag = "Operations",
    responses((status = 200, description = "One HTML page that loads nothing from elsewhere", body = String,
               content_type = "text/html")),
)]
pub(crate) async fn api_page() -> Response {
    let mut response = warp::reply::html(PAGE).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(POLICY.as_str()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_runs_only_its_own_script() {
        for outside in ["http://", "https://", "src=", "@import", "url(", "innerHTML", " onclick", "style=\""]
        {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        assert_eq!((PAGE.matches("<script").count(), PAGE.matches("<style").count()), (1, 1));
        // The hash of nothing would mean that the page and the policy parted.
        let nothing = STANDARD.encode(Sha256::digest(b""));
        assert!(POLICY.matches("'sha256-").count() == 2 && !POLICY.contains(&nothing), "{}", *POLICY);
    }
}
