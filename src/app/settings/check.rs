//! Settings are checked, all of them, before anybody is asked: an unreachable database must not hide a wrong address.

use std::net::SocketAddr;

use url::Url;

use crate::app::Failure;

/// Both, or everything that is wrong with either.
pub(crate) fn both<A, B>(a: Result<A, Failure>, b: Result<B, Failure>) -> Result<(A, B), Failure> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(Failure::Setting(a)), Err(Failure::Setting(b))) => {
            let new = b.lines().filter(|line| !a.lines().any(|told| told == *line));
            Err(Failure::Setting(a.lines().chain(new).collect::<Vec<_>>().join("\n")))
        }
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    }
}

/// A setting that may be left out; blank is left out, too.
pub(crate) fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}

/// A setting that is needed. Its flag is named like its variable.
pub(crate) fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Failure> {
    given(value).ok_or_else(|| {
        let flag = name.to_ascii_lowercase().replace('_', "-");
        Failure::setting(name, format!("not set; give it in the environment or as --{flag}"))
    })
}

/// A needed address of one of these schemes.
pub(crate) fn url<'a>(
    name: &str,
    value: Option<&'a str>,
    schemes: &[&str],
    example: &str,
) -> Result<&'a str, Failure> {
    let value = required(name, value)?;
    match Url::parse(value) {
        Ok(url) if schemes.contains(&url.scheme()) => Ok(value),
        _ => Err(Failure::setting(name, format!("not an address; expected for example {example}"))),
    }
}

/// The address of a queue.
pub(crate) fn queue<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Failure> {
    let example = "https://sqs.eu-west-2.amazonaws.com/123456789012/events";
    url(name, value, &["http", "https"], example)
}

/// The name of a topic.
pub(crate) fn topic<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Failure> {
    let value = required(name, value)?;
    if value.starts_with("arn:") {
        return Ok(value);
    }
    Err(Failure::setting(name, "not an ARN; expected for example arn:aws:sns:eu-west-2:123456789012:events"))
}

/// Where to listen.
pub(crate) fn bind(setting: &str, value: &str) -> Result<SocketAddr, Failure> {
    value.trim().parse().map_err(|_| {
        Failure::setting(setting, "not an address with a port; expected for example 0.0.0.0:8080")
    })
}

/// Of who decides and of who reads: a name that says something to whoever asks later.
pub(crate) fn somebody(text: &str) -> Result<String, String> {
    let name = not_blank(text)?;
    if ["unknown", "unknown operator", "nobody", "none"].contains(&name.to_lowercase().as_str()) {
        return Err(format!("{name:?} is nobody; give the name of a person or of a scheduled job"));
    }
    Ok(name)
}

/// Of why something is decided.
pub(crate) fn not_blank(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it must not be blank: it is recorded, for whoever asks later".to_owned()),
        text => Ok(text.to_owned()),
    }
}
