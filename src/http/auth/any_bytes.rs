//! Property tests: no made-up Authorization header lets anybody in, and none breaks anything.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::OnceLock;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::http::auth::*;

fn refused(value: &[u8]) -> u16 {
    static PARTS: OnceLock<(Runtime, Authenticator)> = OnceLock::new();
    let (runtime, authenticator) = PARTS.get_or_init(|| {
        // Nothing listens there, so no key is ever known.
        let authenticator = Authenticator::new(AuthConfig::new("http://127.0.0.1:1/auth")).unwrap();
        (Runtime::new().unwrap(), authenticator)
    });
    let mut headers = HeaderMap::new();
    if let Ok(value) = http::HeaderValue::from_bytes(value) {
        headers.insert(header::AUTHORIZATION, value);
    }
    let admitted = runtime.block_on(authenticator.admit(&headers, Role::CaseDetail));
    admitted.err().expect("nobody").status().as_u16()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_authorization_header_is_refused(value in proptest::collection::vec(any::<u8>(), 0..120)) {
        prop_assert_eq!(refused(&value), 401);
        prop_assert_eq!(refused(&[b"Bearer ", value.as_slice()].concat()), 401);
    }

    #[test]
    fn every_token_with_an_odd_header_is_refused(
        algorithm in "none|RS256|HS256|\\PC{0,8}", id in "\\PC{0,12}", more in "\\PC{0,12}",
    ) {
        let part = |json: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let header = part(serde_json::json!({ "alg": algorithm, "kid": id, "typ": more, "jku": more }));
        let claims = part(serde_json::json!({ "exp": u64::MAX, "authorities": [more] }));
        let status = refused(format!("Bearer {header}.{claims}.{}", BASE64_URL_SAFE_NO_PAD.encode(&id)).as_bytes());
        // 503 when the signing key would have to be fetched.
        prop_assert!(status == 401 || (status == 503 && algorithm == "RS256"), "{status} for {algorithm}");
    }
}
