//! Entry points of the fuzz targets in `fuzz/`, compiled only for them (cargo-fuzz sets `cfg(fuzzing)`) and for the unit
//! test that runs the committed corpus.
//!
//! Each function takes any bytes and panics when a promise about them is broken.

use chrono::{DateTime, Utc};

use crate::{
    case::{AllocationAnswer, Evidence, FetchError, Fetched, HandoverAnswer},
    http::auth::{key_set::parse_key_set, token::Token},
    ingest::{
        message::{self, Delivery},
        route,
    },
    mpc::{answers, token_answer},
};

/// A body as SQS delivers it: an envelope, a bare event, or anything.
pub fn envelope(bytes: &[u8]) {
    accept(bytes.to_vec());
}

/// The event inside an envelope. The first byte chooses the event type, so that every kind of event is reached.
pub fn event(bytes: &[u8]) {
    const TYPES: [&str; 12] = [
        "offender-management.allocation.changed",
        "offender-management.handover.changed",
        "SENTENCE_CHANGED",
        "probation-case.prison-identifier.added",
        "probation-case.prison-identifier.updated",
        "pom-handover-dates.internal.bulk-update",
        "OFFENDER_DETAILS_CHANGED",
        "probation-case.registration.added",
        "tier.calculation.changed",
        "prison-offender-events.prisoner.merged",
        "probation-case.merge.completed",
        "probation-case.deleted.gdpr",
    ];
    let Some((choice, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let event_type = TYPES[usize::from(*choice) % TYPES.len()];
    let envelope = serde_json::json!({
        "Type": "Notification", "MessageId": "m1", "TopicArn": "t", "Message": text,
        "MessageAttributes": { "eventType": { "Type": "String", "Value": event_type } },
    });
    accept(envelope.to_string().into_bytes());
}

fn accept(body: Vec<u8>) {
    let at: DateTime<Utc> = DateTime::UNIX_EPOCH;
    let delivery =
        Delivery { body, attributes: Default::default(), sqs_id: None, receive_count: 1, received_at: at };
    let (id, parsed) = message::parse(&delivery);
    assert!(!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()), "an id fit for log lines");
    assert_eq!(message::parse(&delivery), (id, parsed.clone()), "the same every time");
    if let Ok(parsed) = parsed {
        let evidence = Evidence::of(String::from_utf8_lossy(&delivery.body));
        let _ = route::outdated(&parsed);
        let _ = route::route(&parsed, evidence, at, at);
    }
}

/// Answers of Manage POM Cases. The first byte chooses the status.
pub fn mpc_answer(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let Ok(body) = std::str::from_utf8(body) else { return };
    let fetched = Fetched {
        url: "https://mpc.example".to_owned(),
        status: [200, 404, 403, 204][usize::from(*choice) % 4],
        at: DateTime::UNIX_EPOCH,
        answer: Evidence::of(body),
        staff: None,
    };
    match answers::allocation(&fetched) {
        Ok(AllocationAnswer::Allocated { staff, .. }) => {
            assert_eq!(fetched.status, 200);
            let fits = |name: &str| !name.trim().is_empty() && !name.chars().any(char::is_control);
            assert!(fits(&staff.forename) && fits(&staff.surname), "names that Delius can keep");
        }
        Ok(_) => assert_eq!(fetched.status, 404, "only a documented 404 says so"),
        Err(error) => assert!(!matches!(error, FetchError::Unavailable { .. }), "an answer is no outage"),
    }
    let Ok(noms) = "A1234BC".parse() else { return };
    if let Ok(HandoverAnswer::NotFound) = answers::handover(&fetched, &noms) {
        assert_eq!(fetched.status, 404);
    }
}

/// Bearer tokens of callers, and the answers of the token endpoint.
pub fn token(bytes: &[u8]) {
    if let Ok(granted) = token_answer::parse(bytes) {
        assert!(granted.token.bytes().all(|byte| byte.is_ascii_graphic()), "fit for a header");
        assert!(granted.life.as_secs() <= 24 * 60 * 60);
    }
    let _ = token_answer::error_code(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(token) = Token::parse(text) {
        assert_eq!(text.bytes().filter(|byte| *byte == b'.').count(), 2);
        let _ = token.claims();
    }
    // The same with a well-formed token around the bytes, whose encoding a fuzzer would hardly find.
    let part = |text: &str| base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, text);
    let whole = format!("{}.{}.AAAA", part(r#"{"alg":"RS256"}"#), part(text));
    let claims = Token::parse(&whole).map(|token| token.claims().map(|claims| claims.authorities().len()));
    assert!(claims.is_ok(), "the header is good whatever the claims are");
    let _ = Token::parse(&format!("{}.{}.AAAA", part(text), part("{}")));
}

/// Key sets.
pub fn key_set(bytes: &[u8]) {
    if let Ok(keys) = parse_key_set(bytes) {
        assert!(!keys.is_empty());
        for key in keys {
            assert!(!key.verifies("message", "AAAA"), "nothing verifies by chance");
            let _ = key.may_have_signed(Some("one"));
        }
    }
}

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;
