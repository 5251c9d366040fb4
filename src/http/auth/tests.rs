//! Which requests the authenticator accepts.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    testing::{ISSUER, TestIssuer, claims, header as jose_header, pair},
    *,
};

fn authenticator(publisher: &TestIssuer) -> Authenticator {
    let mut config = AuthConfig::new("https://auth.example/auth");
    config.issuer = ISSUER.to_owned();
    Authenticator::with(config, Box::new(publisher.clone()), publisher.clock())
}

fn publishing(keys: &[Value]) -> (TestIssuer, Authenticator) {
    let publisher = TestIssuer::default();
    publisher.publish(keys);
    let authenticator = authenticator(&publisher);
    (publisher, authenticator)
}

fn bearing(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        header::AUTHORIZATION,
        HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
    )])
}

async fn status(authenticator: &Authenticator, token: &str) -> u16 {
    let admitted = authenticator.admit(&bearing(token), Role::CaseDetail).await;
    admitted.map_or_else(|problem| problem.status().as_u16(), |_| 200)
}

#[tokio::test]
async fn a_remembered_token_falls_with_its_key_and_with_its_time() {
    let (publisher, authenticator) = publishing(&[pair(0).jwk("one")]);
    let token = pair(0).sign(&jose_header("one"), &claims());
    assert_eq!(status(&authenticator, &token).await, 200);
    publisher.publish(&[pair(1).jwk("one")]);
    publisher.pass(Duration::from_secs(300));
    assert_eq!(status(&authenticator, &token).await, 401, "remembered, but its key is withdrawn");

    let (publisher, authenticator) = publishing(&[pair(0).jwk("one")]);
    let mut ending = claims();
    // Within the leeway for another moment.
    ending["exp"] = json!(NumericDate::now().seconds() - 10.0 + 0.2);
    let token = pair(0).sign(&jose_header("one"), &ending);
    let first = status(&authenticator, &token).await;
    while !over(&ending) {
        tokio::task::yield_now().await;
    }
    assert_eq!((first, status(&authenticator, &token).await), (200, 401), "remembered, but over");
    assert_eq!(publisher.fetches(), 1);
}

fn over(claims: &Value) -> bool {
    NumericDate::now().seconds() >= claims["exp"].as_f64().unwrap() + 10.0
}

#[tokio::test]
async fn a_remembered_token_is_not_verified_again_and_needs_no_fetch() {
    let (publisher, authenticator) = publishing(&[pair(0).jwk("one")]);
    let token = pair(0).sign(&jose_header("one"), &claims());
    let first = authenticator.caller(&bearing(&token)).await.unwrap();
    let second = authenticator.caller(&bearing(&token)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(publisher.fetches(), 1);
}

#[tokio::test]
async fn one_bearer_token_is_read_however_the_scheme_is_written_and_two_are_refused() {
    let (_, authenticator) = publishing(&[pair(0).jwk("one")]);
    let token = pair(0).sign(&jose_header("one"), &claims());
    let of = |values: &[String]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    };
    for good in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token} ")] {
        assert!(authenticator.caller(&of(std::slice::from_ref(&good))).await.is_ok(), "{good}");
    }
    let good = format!("Bearer {token}");
    for (bad, refusal) in [
        (vec![], Refusal::NoToken),
        (vec!["Bearer".to_owned()], Refusal::NoToken),
        (vec!["Basic YTpi".to_owned()], Refusal::NoToken),
        (vec![token.clone()], Refusal::NoToken),
        (vec![format!("Token {token}")], Refusal::NoToken),
        (vec![format!("Bearer {token}, Bearer {token}")], Refusal::Malformed),
        (vec![format!("Bearer \"{token}\"")], Refusal::Malformed),
        (vec![good.clone(), good], Refusal::SeveralCredentials),
    ] {
        assert_eq!(authenticator.caller(&of(&bad)).await.err(), Some(refusal), "{bad:?}");
    }
}

#[tokio::test]
async fn a_token_of_many_roles_and_any_size_is_read() {
    let (_, authenticator) = publishing(&[pair(0).jwk("one")]);
    let mut many = claims();
    let roles: Vec<String> = (0..5_000).map(|number| format!("ROLE_NUMBER_{number}")).collect();
    many["authorities"] = json!([roles, vec![Role::CaseDetail.authority().to_owned()]].concat());
    let token = pair(0).sign(&jose_header("one"), &many);
    assert!(token.len() > 100_000);
    assert_eq!(status(&authenticator, &token).await, 200);
}

#[tokio::test]
async fn only_the_right_role_lets_in_and_the_reason_of_a_refusal_is_a_constant() {
    let (_, authenticator) = publishing(&[pair(0).jwk("one")]);
    for (authorities, expected) in [
        (json!([Role::CaseDetail.authority()]), 200),
        (json!("ROLE_OTHER ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"), 200),
        (json!(["ROLE_PROBATION_INTEGRATION_ADMIN"]), 200),
        (json!([Role::Audit.authority()]), 403),
        (json!([Role::CaseDetail.authority().to_lowercase()]), 403),
        (json!({ "authority": Role::CaseDetail.authority() }), 403),
        (json!(null), 403),
    ] {
        let mut claims = claims();
        claims["authorities"] = authorities.clone();
        let token = pair(0).sign(&jose_header("one"), &claims);
        assert_eq!(status(&authenticator, &token).await, expected, "{authorities}");
    }
    let problem = authenticator.admit(&bearing("not.a.token"), Role::CaseDetail).await.err().unwrap();
    assert_eq!(problem.reason(), Some("malformed-token"));
}

/// A token in any of many shapes, and the status that it deserves.
fn any_token() -> impl Strategy<Value = (String, u16)> {
    let header = proptest::sample::select(vec![
        (r#"{"alg":"RS256","kid":"one"}"#, true),
        (r#"{"kid":"one","typ":"JWT","alg":"RS256"}"#, true),
        (r#"{"alg":"RS256"}"#, true),
        (r#"{"alg":"RS256","kid":"one","typ":"at+jwt","x":1.5}"#, true),
        (r#"{"alg":"RS256","kid":"two"}"#, false),
        (r#"{"alg":"RS256","kid":"one","crit":["x"],"x":1}"#, false),
        (r#"{"alg":"RS384","kid":"one"}"#, false),
        (r#"{"alg":"RS256","kid":["one"]}"#, false),
    ]);
    let far = "4102444800";
    let exp = proptest::sample::select(vec![
        (far.to_owned(), true),
        (format!("{far}.5"), true),
        (format!("{far}.0"), true),
        ("4.1e9".to_owned(), true),
        (format!("\"{far}\""), false),
        ("1".to_owned(), false),
        ("null".to_owned(), false),
        ("-1e3".to_owned(), false),
    ]);
    let more = proptest::sample::select(vec![
        ("", true),
        (r#","aud":"me""#, true),
        (r#","aud":["me","you"]"#, true),
        (r#","nbf":0.25,"iat":17e8"#, true),
        (r#","user_name":null,"scope":["read"]"#, true),
        (r#","aud":[1]"#, false),
        (r#","nbf":4102444800"#, false),
        (r#","exp":4102444800"#, false),
        (r#","iss":"https://elsewhere.example""#, false),
    ]);
    (header, exp, more, 0_usize..6, any::<u8>()).prop_map(|(header, exp, more, tamper, at)| {
        let role = Role::CaseDetail.authority();
        let claims = format!(r#"{{"iss":"{ISSUER}","authorities":["{role}"],"exp":{}{}}}"#, exp.0, more.0);
        let mut token = pair(0).sign_texts(header.0, &claims);
        let good = header.1 && exp.1 && more.1 && tamper != 0;
        if tamper == 0 {
            token = flipped(&token, usize::from(at));
        }
        (token, if good { 200 } else { 401 })
    })
}

/// The token with one letter of its claims replaced by another one of the alphabet.
fn flipped(token: &str, at: usize) -> String {
    let (begin, end) = (token.find('.').unwrap() + 1, token.rfind('.').unwrap());
    let at = begin + at % (end - begin);
    let other = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn exactly_the_tokens_that_the_standards_allow_let_in((token, expected) in any_token()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (_, authenticator) = publishing(&[pair(0).jwk("one")]);
        prop_assert_eq!(runtime.block_on(status(&authenticator, &token)), expected, "{}", token);
    }
}
