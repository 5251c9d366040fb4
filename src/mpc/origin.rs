//! Whether an address lies on the configured origin of Manage POM Cases.

use anyhow::{bail, ensure};
use reqwest::header::{HeaderMap, LOCATION};
use url::{Url, form_urlencoded};

use crate::case::{FetchError, NomsNumber};

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

/// The address of a `detailUrl`, when it lies on the origin and does not name another person.
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

/// Where a redirect of `asked` leads, when that may be followed: on the origin, and to the same person by name. The
/// detail of an allocation does not say whose it is, so the address has to.
pub(super) fn redirected(
    base: &Url,
    asked: &Url,
    headers: &HeaderMap,
    noms: &NomsNumber,
) -> Result<Url, FetchError> {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let Some(target) = location.and_then(|location| asked.join(location).ok()) else {
        return Err(FetchError::InvalidAnswer { reason: "it is a redirect that names no address".into() });
    };
    let target = check(base, target.as_str(), noms)?;
    if named(&target).contains(noms) { Ok(target) } else { Err(FetchError::IdentifierMismatch) }
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
}
