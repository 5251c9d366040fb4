//! The messages that are sent: SNS envelopes as the real queue delivers them.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{SecondsFormat, Utc};
use serde_json::json;

use crate::stand_in::staff_code;

/// What the messages of a run are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Handover dates, one message per case.
    Handover,
    /// Allocations, one message per case.
    Allocation,
    /// Both in turn, one message per case.
    Mixed,
    /// Handover dates, twenty messages per case.
    TwentyPerCase,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The NOMS number of the n-th invented person, as `persons.sql` has it.
pub(crate) fn noms(number: u32) -> String {
    let letter = |number: u32| char::from(b'A' + u8::try_from(number % 26).unwrap_or_default());
    let (digits, rest) = (number % 10_000, number / 10_000);
    format!("B{digits:04}{}{}", letter(rest / 26), letter(rest))
}

/// So many messages, of persons from the given one on.
pub(crate) fn messages(mix: Mix, count: u32, first_person: u32, mpc_url: &str) -> Vec<String> {
    let person = |message: u32| match mix {
        Mix::TwentyPerCase => message % count.div_ceil(20),
        _ => message,
    };
    let handover = |message: u32| match mix {
        Mix::Handover | Mix::TwentyPerCase => true,
        Mix::Allocation => false,
        Mix::Mixed => message.is_multiple_of(2),
    };
    (0..count)
        .map(|message| {
            let noms = noms(first_person + person(message));
            if handover(message) {
                handover_changed(&noms, mpc_url)
            } else {
                allocation_changed(&noms, mpc_url)
            }
        })
        .collect()
}

fn handover_changed(noms: &str, mpc_url: &str) -> String {
    envelope(
        "offender-management.handover.changed",
        &json!({
            "eventType": "offender-management.handover.changed", "version": 1,
            "description": "Handover date and/or responsibility was updated",
            "detailUrl": format!("{mpc_url}/api/handovers/{noms}"),
            "additionalInformation": {},
            "personReference": { "identifiers": [{ "type": "NOMS", "value": noms }] },
            "occurredAt": "2026-07-01T09:00:00Z",
        }),
    )
}

fn allocation_changed(noms: &str, mpc_url: &str) -> String {
    envelope(
        "offender-management.allocation.changed",
        &json!({
            "eventType": "offender-management.allocation.changed", "version": 1,
            "description": "A POM allocation has changed",
            "detailUrl": format!("{mpc_url}/api/allocation/{noms}/primary_pom"),
            "additionalInformation": { "staffCode": staff_code(noms), "prisonId": "LEI", "eventTrigger": "user" },
            "personReference": { "identifiers": [{ "type": "NOMS", "value": noms }] },
            "occurredAt": "2026-07-01T09:00:00Z",
        }),
    )
}

fn envelope(event_type: &str, event: &serde_json::Value) -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    json!({
        "Type": "Notification",
        "MessageId": format!("5eed0000-0000-4000-8000-{number:012x}"),
        "TopicArn": "arn:aws:sns:eu-west-2:000000000000:domain-events",
        "Message": event.to_string(),
        "Timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "SignatureVersion": "1",
        "MessageAttributes": { "eventType": { "Type": "String", "Value": event_type } },
    })
    .to_string()
}
