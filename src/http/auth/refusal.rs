//! Why a caller is not let in. The reason goes into the log and the metrics; the caller learns its kind only.

use http::{HeaderValue, header};

use crate::http::Problem;

/// Seconds after which a caller may ask again when keys are unavailable: the shortest time between two fetches.
const RETRY_AFTER_S: u16 = 5;

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No bearer token at all.
    NoToken,
    /// More than one `Authorization` header.
    SeveralCredentials,
    /// Not a JWS in compact form with a JSON header and a claims set.
    Malformed,
    /// Signed in another way than RS256, or not at all.
    Algorithm,
    /// The header declares an extension as critical.
    CriticalExtension,
    /// No key of the key set has the id that the token names.
    UnknownKey,
    /// No key with the id verifies the signature.
    Signature,
    /// Issued by another issuer.
    Issuer,
    /// Has no `exp`.
    NoExpiry,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// The key set cannot be fetched, so the token cannot be verified.
    KeysUnavailable,
}

impl Refusal {
    /// A constant word for logs and metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::NoToken => "no-token",
            Self::SeveralCredentials => "several-authorization-headers",
            Self::Malformed => "malformed-token",
            Self::Algorithm => "algorithm-not-rs256",
            Self::CriticalExtension => "critical-extension",
            Self::UnknownKey => "unknown-key",
            Self::Signature => "signature-does-not-verify",
            Self::Issuer => "other-issuer",
            Self::NoExpiry => "no-expiry",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::KeysUnavailable => "keys-unavailable",
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = match refusal {
            Refusal::NoToken => Self::unauthorised("A bearer token is needed"),
            Refusal::KeysUnavailable => {
                Self::unavailable("The token cannot be verified: HMPPS Auth does not answer", RETRY_AFTER_S)
            }
            _ => Self::unauthorised("The bearer token is not valid")
                .with(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer error="invalid_token""#)),
        };
        problem.because(refusal.reason())
    }
}

#[cfg(test)]
mod tests {
    use warp::Reply;

    use super::*;

    #[test]
    fn a_caller_learns_whether_the_token_is_missing_or_invalid_or_cannot_be_verified_now() {
        for (refusal, status, name, value) in [
            (Refusal::NoToken, 401, header::WWW_AUTHENTICATE, "Bearer"),
            (Refusal::Expired, 401, header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#),
            (Refusal::KeysUnavailable, 503, header::RETRY_AFTER, "5"),
        ] {
            let response = Problem::from(refusal).into_response();
            assert_eq!(response.status(), status, "{refusal:?}");
            assert_eq!(response.headers()[name], value, "{refusal:?}");
        }
    }
}
