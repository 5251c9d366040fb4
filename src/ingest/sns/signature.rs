//! The signature of one envelope, as the SNS documentation describes it. Pure.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};
use url::Url;

use super::{NotSigned, SigningKey};

/// The members that a notification is signed over, in their order. `Subject` only where there is one.
const SIGNED: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];

/// The address of the certificate. It has to be one of SNS, because whoever may choose it could sign with a key of their own.
pub(super) fn certificate_url(envelope: &Map<String, Value>) -> Result<Url, NotSigned> {
    let given = ["SigningCertURL", "SigningCertUrl"].iter().find_map(|name| envelope.get(*name)?.as_str());
    let url = Url::parse(given.ok_or(NotSigned::NoSignature)?).map_err(|_| NotSigned::ForeignCertificate)?;
    let plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path().ends_with(".pem");
    match url.host_str() {
        Some(host) if plain && is_sns(host) => Ok(url),
        _ => Err(NotSigned::ForeignCertificate),
    }
}

/// `sns.REGION.amazonaws.com`, in China with `.cn`.
fn is_sns(host: &str) -> bool {
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_prefix("sns.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    region.is_some_and(|region| {
        region.len() >= 3
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
}

/// Whether the key signed the envelope.
pub(super) fn verify(envelope: &Map<String, Value>, key: &SigningKey) -> Result<(), NotSigned> {
    let text = |name: &str| envelope.get(name).and_then(Value::as_str);
    let signature = text("Signature").ok_or(NotSigned::NoSignature)?;
    let signature = BASE64_STANDARD.decode(signature.trim()).map_err(|_| NotSigned::Wrong)?;
    let signed = signed_text(envelope)?;
    let verified = match text("SignatureVersion") {
        Some("1") => key.verifies_sha1(signed.as_bytes(), &signature),
        Some("2") => key.verifies_sha256(signed.as_bytes(), &signature),
        _ => return Err(NotSigned::UnknownVersion),
    };
    if verified { Ok(()) } else { Err(NotSigned::Wrong) }
}

fn signed_text(envelope: &Map<String, Value>) -> Result<String, NotSigned> {
    let mut text = String::new();
    for name in SIGNED {
        match envelope.get(name) {
            None | Some(Value::Null) if name == "Subject" => {}
            Some(Value::String(value)) => text.extend([name, "\n", value, "\n"]),
            _ => return Err(NotSigned::NoSignature),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use chrono::Utc;
    use serde_json::json;

    use super::*;

    /// A certificate made for these tests; its key was thrown away after the signatures were made.
    const CERTIFICATE: &[u8] = include_bytes!("test_certificate.pem");
    const SIGNATURES: &str = include_str!("test_signatures.json");

    fn envelope(version: &str, subject: bool) -> Map<String, Value> {
        let signatures: Value = serde_json::from_str(SIGNATURES).unwrap();
        let name = format!("{version}-{}", if subject { "subject" } else { "plain" });
        let mut envelope = json!({
            "Type": "Notification", "MessageId": "22da6f7c-0000-4000-8000-000000000001",
            "TopicArn": "arn:aws:sns:eu-west-2:000000000000:events",
            "Message": r#"{"eventType":"OFFENDER_CHANGED","crn":"X123456"}"#,
            "Timestamp": "2026-07-01T09:00:01.000Z", "SignatureVersion": version, "Signature": signatures[name],
            "SigningCertURL": "https://sns.eu-west-2.amazonaws.com/SimpleNotificationService-1.pem",
            "UnsubscribeURL": "https://sns.eu-west-2.amazonaws.com/" });
        if subject {
            envelope["Subject"] = json!("a subject");
        }
        envelope.as_object().unwrap().clone()
    }

    fn key() -> SigningKey {
        SigningKey::of_pem(CERTIFICATE, Utc::now()).unwrap()
    }

    #[test]
    fn signatures_of_both_versions_are_verified_with_and_without_a_subject() {
        for version in ["1", "2"] {
            for subject in [true, false] {
                assert_eq!(verify(&envelope(version, subject), &key()), Ok(()), "{version} {subject}");
            }
        }
    }

    #[test]
    fn whoever_changes_a_signed_member_is_found() {
        for name in SIGNED {
            let mut changed = envelope("2", true);
            changed.insert(name.to_owned(), json!("changed"));
            assert_eq!(verify(&changed, &key()), Err(NotSigned::Wrong), "{name}");
        }
        let mut unsigned = envelope("2", false);
        unsigned.insert("UnsubscribeURL".to_owned(), json!("changed"));
        assert_eq!(verify(&unsigned, &key()), Ok(()), "it is not signed");
    }

    #[test]
    fn what_is_not_signed_or_otherwise_is_refused() {
        let with = |name: &str, value: Value| {
            let mut envelope = envelope("2", false);
            envelope.insert(name.to_owned(), value);
            verify(&envelope, &key())
        };
        assert_eq!(with("Signature", Value::Null), Err(NotSigned::NoSignature));
        assert_eq!(with("Signature", json!("not base 64!")), Err(NotSigned::Wrong));
        assert_eq!(with("SignatureVersion", json!("1")), Err(NotSigned::Wrong));
        assert_eq!(with("SignatureVersion", json!("3")), Err(NotSigned::UnknownVersion));
        assert_eq!(with("TopicArn", Value::Null), Err(NotSigned::NoSignature));
    }

    #[test]
    fn a_certificate_comes_from_a_host_of_sns_or_from_nowhere() {
        let of = |url: &str| {
            let mut envelope = envelope("2", false);
            envelope.insert("SigningCertURL".to_owned(), json!(url));
            certificate_url(&envelope).map(|_| ())
        };
        for good in
            ["https://sns.eu-west-2.amazonaws.com/a.pem", "https://sns.cn-north-1.amazonaws.com.cn/a.pem"]
        {
            assert_eq!(of(good), Ok(()), "{good}");
        }
        for foreign in [
            "http://sns.eu-west-2.amazonaws.com/a.pem",
            "https://sns.eu-west-2.amazonaws.com.example.org/a.pem",
            "https://sns.eu-west-2.amazonaws.com@example.org/a.pem",
            "https://example.org/sns.eu-west-2.amazonaws.com/a.pem",
            "https://bucket.s3.amazonaws.com/a.pem",
            "https://sns.a.b.amazonaws.com/a.pem",
            "https://sns.eu-west-2.amazonaws.com:8443/a.pem",
            "https://sns.eu-west-2.amazonaws.com/a.txt",
            "https://sns.eu-west-2.amazonaws.com/?x=a.pem",
            "not an address",
        ] {
            assert_eq!(of(foreign), Err(NotSigned::ForeignCertificate), "{foreign}");
        }
    }

    #[test]
    fn a_certificate_that_is_malformed_or_not_valid_now_is_refused() {
        assert_eq!(SigningKey::of_pem(b"no certificate", Utc::now()), None);
        assert_eq!(SigningKey::of_pem(CERTIFICATE, "2020-01-01T00:00:00Z".parse().unwrap()), None);
    }
}
