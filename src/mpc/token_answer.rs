//! Reads answers of the token endpoint (RFC 6749, 5.1 and 5.2).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// `expires_in` is only recommended. Without it a token is used for this long, or until it is refused.
const DEFAULT_LIFE: Duration = Duration::from_secs(60 * 60);

/// However long a token claims to live, a new one is asked for after a day.
const MAX_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The codes of RFC 6749, 5.2. Only these get into error messages: anything else could be anything.
const ERROR_CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// A token that was granted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) token: String,
    /// How long it may be used, counted from the request.
    pub(crate) life: Duration,
}

/// Why an answer grants nothing that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotGranted {
    #[error("its answer is not a JSON object with an access_token")]
    NoToken,
    #[error("its access_token has characters that no header may carry")]
    UnusableToken,
    #[error("its token_type is not bearer")]
    OtherType,
}

#[derive(Deserialize)]
struct Body {
    access_token: String,
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Value,
}

/// Reads the answer to a granted request.
///
/// # Errors
/// When there is no token in it that we know how to use.
pub(crate) fn parse(body: &[u8]) -> Result<Granted, NotGranted> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let parsed = is_object.then(|| serde_json::from_slice(body).ok()).flatten();
    let Body { access_token: token, token_type, expires_in } = parsed.ok_or(NotGranted::NoToken)?;
    if token.is_empty() {
        return Err(NotGranted::NoToken);
    }
    // RFC 6749, A.12. A blank would end the token in the header.
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NotGranted::UnusableToken);
    }
    // RFC 6749, 7.1: a token of a type that one does not understand must not be used. The name has no case (5.1).
    if token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(NotGranted::OtherType);
    }
    Ok(Granted { token, life: life(&expires_in) })
}

/// Seconds as a number, with or without a fraction, or as the text of one, as some servers write it. Without a number
/// the life is unknown, and the token is used until it is refused.
fn life(expires_in: &Value) -> Duration {
    let seconds = match expires_in {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|seconds: &f64| !seconds.is_nan()),
        _ => None,
    };
    seconds
        .map_or(DEFAULT_LIFE, |seconds| Duration::from_secs_f64(seconds.clamp(0.0, MAX_LIFE.as_secs_f64())))
}

/// The error code of a refusal, if it is one that the standard knows.
pub(crate) fn error_code(body: &[u8]) -> Option<&'static str> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let code = body.get("error")?.as_str()?;
    ERROR_CODES.into_iter().find(|known| *known == code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn granted(members: &str) -> Result<Granted, NotGranted> {
        parse(format!(r#"{{"access_token":"abc.def"{members}}}"#).as_bytes())
    }

    fn life_s(members: &str) -> f64 {
        granted(members).unwrap().life.as_secs_f64()
    }

    #[test]
    fn a_token_is_used_however_its_life_is_written() {
        let (default, longest) = (3_600.0, 86_400.0);
        for (members, seconds) in [
            (r#","token_type":"bearer""#, default),
            (r#","expires_in":3599"#, 3599.0),
            (r#","expires_in":3599.0"#, 3599.0),
            (r#","expires_in":3599.5"#, 3599.5),
            (r#","expires_in":3.6e3"#, 3600.0),
            (r#","expires_in":"3599""#, 3599.0),
            (r#","expires_in":" 3599.5 ""#, 3599.5),
            (r#","expires_in":0"#, 0.0),
            (r#","expires_in":-1"#, 0.0),
            (r#","expires_in":1e300"#, longest),
            (r#","expires_in":18446744073709551615"#, longest),
            (r#","expires_in":"inf""#, longest),
            (r#","expires_in":"NaN""#, default),
            (r#","expires_in":"soon""#, default),
            (r#","expires_in":null"#, default),
            (r#","expires_in":{}"#, default),
        ] {
            assert_eq!(life_s(members), seconds, "{members}");
        }
    }

    #[test]
    fn the_type_of_a_token_has_no_case_and_another_one_is_not_used() {
        for good in ["bearer", "Bearer", "BEARER", "bEaReR"] {
            assert!(granted(&format!(r#","token_type":"{good}""#)).is_ok(), "{good}");
        }
        for other in ["mac", "DPoP", "N_A", "", "bearer "] {
            let members = format!(r#","token_type":"{other}""#);
            assert_eq!(granted(&members), Err(NotGranted::OtherType), "{other}");
        }
        assert!(granted(r#","token_type":null"#).is_ok());
    }

    #[test]
    fn unknown_members_do_no_harm_and_what_is_no_grant_is_refused() {
        let more =
            r#","token_type":"bearer","scope":"read","sub":"x","iss":null,"refresh_token":"r","jti":[1]"#;
        assert_eq!(granted(more).unwrap().token, "abc.def");
        assert!(parse("\u{feff} {\"access_token\":\"a\"}".as_bytes()).is_ok());
        for bad in [
            "",
            "null",
            "[]",
            r#"["abc","bearer",60]"#,
            r#""abc""#,
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":null}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":"a","access_token":"b"}"#,
            r#"{"ACCESS_TOKEN":"a"}"#,
            "access_token=a&token_type=bearer",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(NotGranted::NoToken), "{bad}");
        }
        for bad in ["a b", "a\\nb", "a\\u0000", "\u{e4}"] {
            let body = format!(r#"{{"access_token":"{bad}"}}"#);
            assert_eq!(parse(body.as_bytes()), Err(NotGranted::UnusableToken), "{bad}");
        }
    }

    #[test]
    fn an_error_message_holds_a_code_of_the_standard_or_none() {
        assert_eq!(
            error_code(br#"{"error":"invalid_client","error_description":"x"}"#),
            Some("invalid_client")
        );
        for other in ["", "<html>", "[]", r#"{"error":"Ada Byron"}"#, r#"{"error":{}}"#, "{}"] {
            assert_eq!(error_code(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_life_is_read_and_never_longer_than_a_day(
            seconds in prop_oneof![any::<f64>(), -1e5..1e6_f64], how in 0..3, kind in "[bB][eE][aA][rR][eE][rR]",
        ) {
            prop_assume!(seconds.is_finite());
            let expires_in = match how {
                0 => json!(seconds),
                1 => json!(seconds.to_string()),
                _ => json!(seconds.trunc()),
            };
            let body = json!({ "access_token": "a", "token_type": kind, "expires_in": expires_in });
            let granted = parse(body.to_string().as_bytes()).unwrap();
            prop_assert!(granted.life <= MAX_LIFE);
            if how == 0 && (0.0..MAX_LIFE.as_secs_f64()).contains(&seconds) {
                prop_assert!((granted.life.as_secs_f64() - seconds).abs() < 1e-6);
            }
        }

        #[test]
        fn any_bytes_are_a_grant_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (parse(&body), error_code(&body));
        }
    }
}
