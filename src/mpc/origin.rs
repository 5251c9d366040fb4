//! Which addresses may be fetched: those on the configured origin that name only the person of the message.

use anyhow::{bail, ensure};
use reqwest::{Response, header::LOCATION};
use url::{Url, form_urlencoded};

use crate::case::{FetchError, NomsNumber, UndocumentedAnswer};

/// Parses `MPC_URL`.
pub(super) fn parse_base(text: &str) -> anyhow::Result<Url> {
    let Ok(url) = Url::parse(text) else {
        bail!("MPC_URL is not a URL; give the origin of Manage POM Cases, for example https://moic.example");
    };
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.host().is_some(),
        "MPC_URL must be an http or https origin, for example https://moic.example"
    );
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "MPC_URL must not carry a user name or password; the client is known by CLIENT_ID and CLIENT_SECRET"
    );
    ensure!(
        url.path() == "/" && url.query().is_none() && url.fragment().is_none(),
        "MPC_URL must be an origin without a path, for example https://moic.example"
    );
    Ok(url)
}

/// Same scheme, host and port, and no user information (which makes one host look like another).
pub(super) fn is_on(base: &Url, url: &Url) -> bool {
    url.origin() == base.origin() && url.username().is_empty() && url.password().is_none()
}

/// Parses a `detailUrl`, which must lie on the origin and must not name another person.
pub(super) fn check(base: &Url, given: &str, noms: &NomsNumber) -> Result<Url, FetchError> {
    let Ok(url) = Url::parse(given) else {
        return Err(FetchError::ForeignUrl { origin: "no origin (it is not an absolute URL)".into() });
    };
    if !is_on(base, &url) {
        return Err(FetchError::ForeignUrl { origin: url.origin().ascii_serialization() });
    }
    if named(&url).iter().any(|named| named != noms) { Err(FetchError::IdentifierMismatch) } else { Ok(url) }
}

/// The NOMS numbers that an address names anywhere in its path or query, however they are written there.
fn named(url: &Url) -> Vec<NomsNumber> {
    let whole = format!("{}&{}", url.path(), url.query().unwrap_or_default());
    let decoded: String =
        form_urlencoded::parse(whole.as_bytes()).map(|(name, value)| format!("{name} {value} ")).collect();
    decoded
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Where a redirect leads, if it may be followed: on the origin, and to an address that names this person. The detail
/// of an allocation does not say whose it is, so the address has to.
///
/// A redirect anywhere else is an undocumented answer (a maintenance or sign-in page); only one that names another
/// person is a mismatch.
pub(super) fn redirected(
    base: &Url,
    asked: &Url,
    response: &Response,
    noms: &NomsNumber,
) -> Result<Url, FetchError> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    target(base, asked, location, noms).map_err(|reason| match reason {
        NotFollowed::OtherPerson => FetchError::IdentifierMismatch,
        NotFollowed::Elsewhere(reason) => FetchError::Undocumented(UndocumentedAnswer::Redirect {
            status: response.status().as_u16(),
            reason,
        }),
    })
}

#[derive(Debug, PartialEq, Eq)]
enum NotFollowed {
    OtherPerson,
    Elsewhere(&'static str),
}

fn target(base: &Url, asked: &Url, location: Option<&str>, noms: &NomsNumber) -> Result<Url, NotFollowed> {
    let location = location.ok_or(NotFollowed::Elsewhere("it is a redirect without an address"))?;
    let target = asked
        .join(location)
        .map_err(|_| NotFollowed::Elsewhere("it is a redirect to something that is no address"))?;
    if !is_on(base, &target) {
        return Err(NotFollowed::Elsewhere("it redirects to another origin than MPC_URL"));
    }
    let named = named(&target);
    if named.iter().any(|named| named != noms) {
        return Err(NotFollowed::OtherPerson);
    }
    // Not even the right person: a maintenance page must not be read as somebody's detail.
    if named.is_empty() {
        return Err(NotFollowed::Elsewhere("it redirects to an address that names no person"));
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn noms() -> NomsNumber {
        "A1234BC".parse().unwrap()
    }

    #[test]
    fn only_the_configured_origin_is_fetched() {
        let base = parse_base("https://mpc.example").unwrap();
        for good in [
            "https://mpc.example/api/allocation/A1234BC/primary_pom",
            "https://MPC.EXAMPLE:443/api/allocation/A1234BC/primary_pom",
        ] {
            assert!(check(&base, good, &noms()).is_ok(), "{good}");
        }
        for foreign in [
            "http://mpc.example/api/allocation/A1234BC/primary_pom",
            "https://mpc.example:8443/api/allocation/A1234BC/primary_pom",
            "https://mpc.example.evil.test/api",
            "https://mpc.example@evil.test/api",
            "https://user@mpc.example/api",
            "https://user:secret@mpc.example/api",
            "https://evil.test/https://mpc.example/api",
            "https://evil.test\\@mpc.example/api",
            "//mpc.example/api",
            "/api/allocation/A1234BC/primary_pom",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "",
        ] {
            let error = check(&base, foreign, &noms()).unwrap_err();
            assert!(matches!(error, FetchError::ForeignUrl { .. }), "{foreign}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_that_names_another_person_is_not_fetched() {
        let base = parse_base("https://mpc.example").unwrap();
        for other in [
            "https://mpc.example/api/allocation/A9999ZZ/primary_pom",
            "https://mpc.example/api/allocation/a9999zz/primary_pom",
            "https://mpc.example/api/allocation/A9999Z%5A/primary_pom",
            "https://mpc.example/api/allocation/A9999ZZ.json",
            "https://mpc.example/api/allocation/A1234BC;also=A9999ZZ/primary_pom",
            "https://mpc.example/api/allocation?noms=A9999ZZ",
            "https://mpc.example/api/allocation?noms=A9999Z%5a",
            "https://mpc.example/A1234BC/../A9999ZZ",
        ] {
            assert_eq!(check(&base, other, &noms()), Err(FetchError::IdentifierMismatch), "{other}");
        }
    }

    #[test]
    fn a_setting_that_is_no_origin_is_refused_with_a_remedy() {
        for wrong in
            ["mpc.example", "ftp://mpc.example", "https://u:p@mpc.example", "https://mpc.example/api"]
        {
            let error = parse_base(wrong).unwrap_err().to_string();
            assert!(error.contains("MPC_URL"), "{error}");
        }
    }

    #[test]
    fn a_redirect_is_followed_to_the_same_person_only_and_names_nobody_or_somebody_else_otherwise() {
        let base = parse_base("https://mpc.example").unwrap();
        let asked = base.join("/api/allocation/A1234BC/primary_pom").unwrap();
        let follow = |location| target(&base, &asked, location, &noms());
        for good in ["/v2/A1234BC", "?noms=a1234bc", "https://mpc.example/A1234BC", "//mpc.example/A1234BC"] {
            assert!(follow(Some(good)).is_ok(), "{good}");
        }
        for other in ["/v2/A9999ZZ", "/A1234BC?and=A9999ZZ"] {
            assert_eq!(follow(Some(other)), Err(NotFollowed::OtherPerson), "{other}");
        }
        for elsewhere in [
            None,
            Some("/maintenance"),
            Some("/"),
            Some("https://auth.example/sign-in?back=A1234BC"),
            Some("https://user@mpc.example/A1234BC"),
            Some("http://mpc.example/A1234BC"),
            Some("https://"),
            Some("javascript:alert(1)"),
        ] {
            assert!(matches!(follow(elsewhere), Err(NotFollowed::Elsewhere(_))), "{elsewhere:?}");
        }
    }
}
