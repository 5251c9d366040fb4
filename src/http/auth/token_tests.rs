#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{
    super::testing::{ISSUER, claims, header, part},
    *,
};

const LEEWAY: Duration = Duration::from_secs(10);

fn refusal_of_header(header: &str) -> Option<Refusal> {
    let token = format!("{}.{}.AAAA", part(header), part("{}"));
    Token::parse(&token).err()
}

fn read(claims: &str) -> Result<Claims, Refusal> {
    let token = format!("{}.{}.AAAA", part(&header("one").to_string()), part(claims));
    Token::parse(&token).unwrap().claims()
}

fn checked(change: impl FnOnce(&mut Value)) -> Result<(), Refusal> {
    let mut claims = claims();
    change(&mut claims);
    read(&claims.to_string())?.check(ISSUER, NumericDate::now(), LEEWAY)
}

fn now() -> f64 {
    NumericDate::now().0
}

#[test]
fn a_header_may_carry_what_we_do_not_know_and_no_key_of_its_own_is_looked_at() {
    for good in [
        r#"{"alg":"RS256"}"#,
        r#" { "alg" : "RS256" , "kid" : "" } "#,
        r#"{"alg":"RS256","typ":"at+jwt","kid":"one"}"#,
        r#"{"alg":"RS256","typ":"JWT","cty":"json","x5t#S256":"x","new":{"a":[1]}}"#,
        r#"{"alg":"RS256","jku":"https://evil.example","x5u":"https://evil.example","jwk":{"kty":"RSA"},"x5c":[1]}"#,
        r#"{"alg":"RS256","b64":false,"iat":1e400}"#,
        "{\"\\u0061lg\":\"RS256\"}",
    ] {
        assert_eq!(refusal_of_header(good), None, "{good}");
    }
}

#[test]
fn a_header_that_the_standard_forbids_or_another_algorithm_is_refused() {
    use Refusal::{Algorithm, CriticalExtension, Malformed};
    for (bad, refusal) in [
        (r#"{"alg":"none"}"#, Algorithm),
        (r#"{"alg":"None"}"#, Algorithm),
        (r#"{"alg":"rs256"}"#, Algorithm),
        (r#"{"alg":"HS256"}"#, Algorithm),
        (r#"{"alg":"RS512"}"#, Algorithm),
        (r#"{"alg":"PS256"}"#, Algorithm),
        (r#"{"alg":""}"#, Algorithm),
        (r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, Algorithm),
        (r#"{"alg":"RS256","crit":["exp"],"exp":1}"#, CriticalExtension),
        (r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, CriticalExtension),
        (r#"{"alg":"RS256","crit":[]}"#, CriticalExtension),
        (r#"{"alg":"RS256","crit":null}"#, CriticalExtension),
        ("{}", Malformed),
        (r#"{"alg":null}"#, Malformed),
        (r#"{"alg":["RS256"]}"#, Malformed),
        (r#"{"alg":"RS256","kid":7}"#, Malformed),
        (r#"{"alg":"RS256","kid":null}"#, Malformed),
        (r#"{"alg":"none","alg":"RS256"}"#, Malformed),
        (r#"{"alg":"RS256","kid":"a","kid":"b"}"#, Malformed),
        (r#"["RS256","one"]"#, Malformed),
        (r#""RS256""#, Malformed),
        (r#"{"alg":"RS256"} {}"#, Malformed),
        ("", Malformed),
    ] {
        assert_eq!(refusal_of_header(bad), Some(refusal), "{bad}");
    }
}

#[test]
fn a_token_has_three_parts_in_base64url_without_padding() {
    let (header, claims) = (part(&header("one").to_string()), part(r#"{"a":1}"#));
    assert!(Token::parse(&format!("{header}.{claims}.AAAA")).is_ok());
    let padded = format!("{}=", part(r#"{"alg":"RS256"} "#));
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        header.clone(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.AAAA."),
        format!("{header}.{claims}.AAAA.AAAA.AAAA"),
        format!("{header}.{claims}.AA=="),
        format!("{header}.{claims}.A+/A"),
        format!("{header}.{claims}.AA AA"),
        format!("{header}.{claims}.AAAB "),
        format!("{header}.{claims}.AAé"),
        format!("{padded}.{claims}.AAAA"),
        format!(" {header}.{claims}.AAAA"),
    ] {
        assert_eq!(Token::parse(&bad).err(), Some(Refusal::Malformed), "{bad}");
    }
    // The claims are checked later, in the same way.
    let token = format!("{header}.{claims}==.AAAA");
    assert_eq!(Token::parse(&token).unwrap().claims().err(), Some(Refusal::Malformed));
}

#[test]
fn times_may_have_fractions_and_exponents_and_count_with_the_leeway() {
    for good in [now() + 60.5, now() - 9.0, 4e9, 1e300] {
        assert_eq!(checked(|claims| claims["exp"] = json!(good)), Ok(()), "exp {good}");
    }
    for over in [now() - 11.0, 0.0, -1.5] {
        assert_eq!(checked(|claims| claims["exp"] = json!(over)), Err(Refusal::Expired), "exp {over}");
    }
    for good in [now() + 9.0, now() - 0.5, 0.0, -1.0] {
        assert_eq!(checked(|claims| claims["nbf"] = json!(good)), Ok(()), "nbf {good}");
    }
    for early in [now() + 11.0, 1e300] {
        assert_eq!(checked(|claims| claims["nbf"] = json!(early)), Err(Refusal::NotYetValid), "nbf {early}");
    }
    // When it was issued does not decide, but has to be a time.
    assert_eq!(checked(|claims| claims["iat"] = json!(now() + 1e6)), Ok(()));
    let text = claims().to_string().replace("\"exp\":", "\"exp\":4102444800.000,\"was\":");
    assert!(read(&text).unwrap().check(ISSUER, NumericDate::now(), LEEWAY).is_ok());
}

#[test]
fn a_token_of_another_issuer_or_without_issuer_or_end_is_refused() {
    for other in
        [json!("https://elsewhere.example"), json!(format!("{ISSUER}/")), json!(ISSUER.to_uppercase())]
    {
        assert_eq!(checked(|claims| claims["iss"] = other.clone()), Err(Refusal::Issuer), "{other}");
    }
    let without = |name: &str| checked(|claims| drop(claims.as_object_mut().unwrap().remove(name)));
    assert_eq!(without("iss"), Err(Refusal::Issuer));
    assert_eq!(without("exp"), Err(Refusal::NoExpiry));
    for optional in ["sub", "iat", "client_id", "authorities"] {
        assert_eq!(without(optional), Ok(()), "{optional}");
    }
}

#[test]
fn registered_claims_have_their_types_and_others_may_be_anything() {
    for (name, bad) in [
        ("exp", json!("4102444800")),
        ("exp", json!(null)),
        ("exp", json!([4102444800_u64])),
        ("exp", json!(true)),
        ("nbf", json!("0")),
        ("nbf", json!(null)),
        ("iat", json!("2026-07-01T09:00:00Z")),
        ("iss", json!([ISSUER])),
        ("sub", json!(7)),
        ("jti", json!({})),
        ("aud", json!(7)),
        ("aud", json!(["a", 7])),
        ("aud", json!({ "a": "b" })),
    ] {
        assert_eq!(checked(|claims| claims[name] = bad.clone()), Err(Refusal::Malformed), "{name} {bad}");
    }
    for (name, good) in [
        ("aud", json!("one")),
        ("aud", json!(["one", "two"])),
        ("aud", json!([])),
        ("jti", json!("x")),
        ("client_id", json!(7)),
        ("authorities", json!({ "a": null })),
        ("scope", json!(["read"])),
        ("anything", json!([null, { "deep": [[[1]]] }])),
    ] {
        assert_eq!(checked(|claims| claims[name] = good.clone()), Ok(()), "{name} {good}");
    }
    for bad in ["", "[]", "7", "null", r#"{"exp":1,"exp":4102444800}"#, r#"{"exp":1e999}"#] {
        assert_eq!(read(bad).err(), Some(Refusal::Malformed), "{bad}");
    }
}

#[test]
fn roles_are_a_list_of_texts_or_one_text_with_blanks_and_anything_else_grants_nothing() {
    let of = |authorities: Value| {
        let mut claims = claims();
        claims["authorities"] = authorities;
        let claims = read(&claims.to_string()).unwrap();
        claims.authorities().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of(json!(["A", "B"])), ["A", "B"]);
    assert_eq!(of(json!("A  B")), ["A", "B"]);
    assert_eq!(of(json!(["A", null, 7, ["B"], { "authority": "C" }])), ["A"]);
    for nothing in [json!(null), json!({ "A": true }), json!(7), json!([]), json!("")] {
        assert!(of(nothing.clone()).is_empty(), "{nothing}");
    }
    assert!(read(r#"{"exp":1}"#).unwrap().authorities().is_empty());
}

#[test]
fn a_token_is_valid_from_the_very_second_that_it_names_less_the_leeway() {
    let at = |not_before: f64| {
        let claims = read(&json!({ "iss": ISSUER, "exp": 5000, "nbf": not_before }).to_string()).unwrap();
        claims.check(ISSUER, NumericDate(1000.0), LEEWAY)
    };
    assert_eq!(at(1010.0), Ok(()));
    assert_eq!(at(1010.5), Err(Refusal::NotYetValid));
}

#[test]
fn a_client_is_named_by_a_text() {
    let of = |claims: Value| read(&claims.to_string()).unwrap().client_id().map(str::to_owned);
    assert_eq!(of(json!({ "client_id": "client" })).as_deref(), Some("client"));
    assert_eq!((of(json!({ "client_id": 7 })), of(json!({}))), (None, None));
}
