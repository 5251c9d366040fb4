//! Caching headers and conditional requests: entity tags, 304, age and warnings.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::reply::Response;

use crate::case_records::{FreshnessDemand, Origin, Payload, RenderedRecord};

/// Personal data: no shared cache may keep it, and a private one must revalidate each time, which is cheap.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

/// `Cache-Control: no-cache` (or `max-age=0`) reads through to Delius.
pub(super) fn demand(headers: &HeaderMap) -> FreshnessDemand {
    let directives = headers.get_all(header::CACHE_CONTROL).iter().chain(headers.get_all(header::PRAGMA));
    let read_through = directives
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|it| it.eq_ignore_ascii_case("no-cache") || it.eq_ignore_ascii_case("max-age=0"));
    if read_through { FreshnessDemand::ReadThrough } else { FreshnessDemand::Current }
}

/// Sends a part of a document, or 304 when the caller has it already.
pub(super) fn send(
    headers: &HeaderMap,
    payload: &Payload,
    document: &RenderedRecord,
    origin: Origin,
) -> Response {
    let mut response = if has_it(headers, &payload.etag) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(payload.bytes.clone().into());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, payload.etag.clone());
    let mut freshness = Freshness::default();
    freshness.add(document.age(), origin);
    freshness.say(headers);
    response
}

/// How fresh an answer of several parts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Freshness {
    /// Age of the oldest part that was not read from Delius for this answer.
    age: Option<Duration>,
    /// Whether any part is stale.
    stale: bool,
}

impl Freshness {
    /// Adds one more part.
    pub(super) fn add(&mut self, age: Duration, origin: Origin) {
        if origin != Origin::Delius {
            self.age = self.age.max(Some(age));
        }
        self.stale |= origin == Origin::Stale;
    }

    /// Sets the headers.
    pub(super) fn say(self, headers: &mut HeaderMap) {
        headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
        if let Some(age) = self.age {
            headers.insert(header::AGE, age.as_secs().into());
        }
        if self.stale {
            headers.insert(header::WARNING, HeaderValue::from_static("110 - \"Response is Stale\""));
        }
    }
}

/// Whether the caller has the same bytes. Tags are compared weakly, because a proxy may have weakened ours.
fn has_it(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_caller_who_wants_no_cache_is_read_through() {
        for value in ["no-cache", "No-Cache", "no-store, no-cache", "max-age=0"] {
            assert_eq!(
                demand(&headers(header::CACHE_CONTROL, value)),
                FreshnessDemand::ReadThrough,
                "{value}"
            );
        }
        assert_eq!(demand(&headers(header::PRAGMA, "no-cache")), FreshnessDemand::ReadThrough);
        assert_eq!(demand(&headers(header::CACHE_CONTROL, "max-age=60")), FreshnessDemand::Current);
        assert_eq!(demand(&HeaderMap::new()), FreshnessDemand::Current);
    }

    #[test]
    fn an_answer_is_as_old_as_its_oldest_part_and_stale_if_any_part_is() {
        let said = |parts: &[(u64, Origin)]| {
            let (mut freshness, mut headers) = (Freshness::default(), HeaderMap::new());
            parts.iter().for_each(|(age_s, origin)| freshness.add(Duration::from_secs(*age_s), *origin));
            freshness.say(&mut headers);
            let age = headers.get(header::AGE).and_then(|age| age.to_str().ok()?.parse::<u64>().ok());
            (age, headers.contains_key(header::WARNING))
        };
        use Origin::{Delius, Memory, Stale, Store};
        for (parts, expected) in [
            (&[][..], (None, false)),
            (&[(1, Delius)], (None, false)),
            (&[(1, Delius), (7, Memory), (3, Store)], (Some(7), false)),
            (&[(7, Memory), (3, Stale), (1, Delius)], (Some(7), true)),
            (&[(3, Stale)], (Some(3), true)),
        ] {
            assert_eq!(said(parts), expected, "{parts:?}");
        }
    }

    #[test]
    fn a_caller_has_what_carries_one_of_its_tags() {
        let etag = HeaderValue::from_static("\"abc\"");
        for value in ["\"abc\"", "\"x\", \"abc\"", "W/\"abc\"", "*"] {
            assert!(has_it(&headers(header::IF_NONE_MATCH, value), &etag), "{value}");
        }
        for value in ["\"x\"", "abc", ""] {
            assert!(!has_it(&headers(header::IF_NONE_MATCH, value), &etag), "{value}");
        }
        assert!(!has_it(&HeaderMap::new(), &etag));
    }
}
