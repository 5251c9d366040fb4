//! Equal spellings of a path: requests are routed by one normal form.
//!
//! RFC 3986, 6.2.2: `%58` and `X` are the same path where the encoded octet needs no encoding, and the hexadecimal
//! digits have no case. Empty segments, which a base URL with a slash at its end produces, are dropped.

use http::{Uri, uri::PathAndQuery};

/// The URI with its path in normal form; `None` when it has that already, as nearly every path does.
pub(super) fn normalised(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && !path.contains('%') {
        return None;
    }
    let path = without_empty_segments(&decoded_where_equal(path).unwrap_or_else(|| path.to_owned()));
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

/// Decodes the percent-encoded octets that stand for unreserved characters. Others stay encoded: `%2F` is no slash.
/// `None` when an encoding is broken: then nothing can be said about what is equal.
fn decoded_where_equal(path: &str) -> Option<String> {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, encoded) = rest.split_at(at);
        decoded.push_str(before);
        let octet = octet(encoded.get(1..3)?)?;
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            decoded.push(char::from(octet));
        } else {
            decoded.push_str(&encoded[..3]);
        }
        rest = &encoded[3..];
    }
    decoded.push_str(rest);
    Some(decoded)
}

/// The octet of two hexadecimal digits. The number parser alone would take a sign for a digit.
fn octet(digits: &str) -> Option<u8> {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
}

fn without_empty_segments(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !kept.ends_with('/') {
            kept.push(letter);
        }
    }
    kept
}

/// Decodes a path parameter, which is percent-encoded once.
pub(super) fn decoded(parameter: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(parameter.len());
    let mut rest = parameter.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        bytes.push(octet(std::str::from_utf8(rest.get(..2)?).ok()?)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn of(uri: &str) -> String {
        let uri: Uri = uri.parse().unwrap();
        normalised(&uri).unwrap_or(uri).to_string()
    }

    #[test]
    fn paths_that_are_equal_have_one_form_and_others_keep_theirs() {
        for (given, expected) in [
            ("/case-records/X900011", "/case-records/X900011"),
            ("/case-records/%58900011", "/case-records/X900011"),
            ("/case%2Drecords/%58%39%30%30%30%31%31", "/case-records/X900011"),
            ("/case%2drecords/X900011", "/case-records/X900011"),
            ("//case-records/X900011", "/case-records/X900011"),
            ("///case-records//X900011/", "/case-records/X900011/"),
            ("/case-records/X900011?as_of=%32//x", "/case-records/X900011?as_of=%32//x"),
            ("http://host//case-records/X900011", "http://host/case-records/X900011"),
            // What is not equal: a reserved character, a blank, an octet that is encoded twice, a broken encoding.
            ("/case-records/X900011%2Frisks", "/case-records/X900011%2Frisks"),
            ("/case-records/X900011%20", "/case-records/X900011%20"),
            ("/case-records/%2558900011", "/case-records/%2558900011"),
            ("/case-records/%5", "/case-records/%5"),
            ("/case-records/%+5", "/case-records/%+5"),
            ("/case-records/%zz", "/case-records/%zz"),
            ("/", "/"),
            ("*", "*"),
        ] {
            assert_eq!(of(given), expected, "{given}");
        }
    }

    #[test]
    fn a_parameter_is_decoded_once_and_only_when_its_encoding_is_whole() {
        for (given, expected) in [
            ("X900011", Some("X900011")),
            ("%20X900011%09", Some(" X900011\t")),
            ("%2558900011", Some("%58900011")),
            ("a%2Fb", Some("a/b")),
            ("%C3%A9", Some("é")),
            ("%c3", None),
            ("%", None),
            ("%5", None),
            ("%+5", None),
            ("%zz", None),
        ] {
            assert_eq!(decoded(given).as_deref(), expected, "{given}");
        }
    }

    /// A text in which any character may be percent-encoded, with upper or lower case digits.
    fn encoded(text: &'static str) -> impl Strategy<Value = String> {
        proptest::collection::vec(0_u8..3, text.len()).prop_map(move |how| {
            let spelt = text.bytes().zip(how).map(|(byte, how)| match how {
                1 => format!("%{byte:02X}"),
                2 => format!("%{byte:02x}"),
                _ => char::from(byte).to_string(),
            });
            spelt.collect()
        })
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_path_is_routed_as_the_plain_one(
            room in encoded("case-records"), id in encoded("X900011"), slashes in "/{1,4}", more in "/{1,4}",
        ) {
            prop_assert_eq!(of(&format!("{slashes}{room}{more}{id}")), "/case-records/X900011");
        }

        #[test]
        fn a_normal_form_is_final_and_means_the_same(path in "(/|%[0-9A-Fa-f]{0,2}|[a-zA-Z0-9.~_-]|%25){0,40}") {
            let path = format!("/{path}");
            let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
            let once = normalised(&uri).unwrap_or_else(|| uri.clone());
            let twice = normalised(&once).unwrap_or_else(|| once.clone());
            prop_assert_eq!(once.path(), twice.path());
            let meaning = |path: &str| decoded(path).map(|path| without_empty_segments(&path));
            if !path.contains("%2F") && !path.contains("%2f") {
                prop_assert_eq!(meaning(once.path()), meaning(&path));
            }
        }
    }
}
