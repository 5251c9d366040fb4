//! `GET /swagger-ui/index.html`: Swagger UI over the description of the API, where other HMPPS services have it. Its files
//! are part of the program.

use std::sync::{Arc, LazyLock};

use http::{HeaderValue, StatusCode, header};
use utoipa_swagger_ui::Config;
use warp::{
    Filter,
    reply::{Reply, Response},
};

use crate::http::{Problem, ProblemBody, READ, Route};

/// Nothing is loaded from elsewhere, and only this service is called. Swagger UI writes styles into its page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Without the validator, a web site that would be told of every page that somebody opens. The token that somebody gives
/// stays in the page, and nothing keeps it.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(Config::from("/v3/api-docs").validator_url("none").persist_authorization(false))
});

pub(super) fn route() -> Route {
    let path = warp::path!("swagger-ui" / String).boxed();
    Route::open(READ, "/swagger-ui/{file}", path, swagger_ui)
}

/// This document in Swagger UI
#[utoipa::path(
    get, path = "/swagger-ui/{file}", operation_id = "swaggerUi", tag = "Operations",
    params(("file" = String, Path, description = "A file of Swagger UI", example = "index.html")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "text/html"),
        (status = 404, description = "Swagger UI has no such file", body = ProblemBody,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn swagger_ui(file: String) -> Response {
    let served = utoipa_swagger_ui::serve(&file, Arc::clone(&CONFIG));
    let Ok(Some(found)) = served else {
        return Problem::not_found("Swagger UI has no such file; it begins at /swagger-ui/index.html")
            .into_response();
    };
    let Ok(content_type) = HeaderValue::try_from(found.content_type) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(found.bytes.into_owned().into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn every_file_that_the_page_names_is_served_and_nothing_is_loaded_from_elsewhere() {
        let text = |file: &str| utoipa_swagger_ui::serve(file, Arc::clone(&CONFIG)).unwrap().unwrap().bytes;
        let page = String::from_utf8(text("index.html").into_owned()).unwrap();
        let named: Vec<&str> = ["src=\"", "href=\""]
            .iter()
            .flat_map(|attribute| page.split(attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(named.len() > 3, "{page}");
        for file in named {
            let response = swagger_ui(file.trim_start_matches("./").to_owned()).await;
            assert_eq!(response.status(), StatusCode::OK, "{file}");
        }
        let start = String::from_utf8(text("swagger-initializer.js").into_owned()).unwrap();
        assert!(
            start.contains("\"/v3/api-docs\"") && start.contains("\"validatorUrl\": \"none\""),
            "{start}"
        );
        assert!(!start.contains("petstore"), "{start}");
        assert_eq!(swagger_ui("nothing.html".to_owned()).await.status(), StatusCode::NOT_FOUND);
    }
}
