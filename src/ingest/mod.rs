//! Ingestion: from a message in the queue to a command to a case.
//!
//! [`message`] parses (pure), [`route`] says what a message asks for (pure), [`accept`] carries it out, and the
//! [`consumer`] connects that to SQS. What cannot become events is kept in [`parked`].

pub mod accept;
pub mod feed;
mod identity;
pub mod message;
pub mod parked;
pub mod reflector;
pub mod route;
pub mod sqs;
#[cfg(test)]
mod tests;
mod time;
mod unexplained;

pub use accept::{Disposition, Ingest, NotAccepted};
pub use message::Delivery;
pub use unexplained::UNEXPLAINED_TRIES;

/// Logs and counts what became of a message, once, where it is handled.
pub fn report(message_id: &str, event_type: Option<&str>, disposition: &Disposition) {
    let event_type = event_type.unwrap_or("unknown");
    let name = match disposition {
        Disposition::Recorded { noms, events } => {
            tracing::info!(message_id, event_type, noms = %noms, ?events, "message recorded");
            if events.contains(&"AllocationNotReady") {
                tracing::info!(target: "telemetry", name = "NotReadyToAllocate", noms = %noms,
                    properties.nomsId = %noms, "nothing to write");
            }
            "recorded"
        }
        Disposition::Duplicate => {
            tracing::info!(message_id, event_type, "duplicate message; nothing changed");
            "duplicate"
        }
        Disposition::Parked(parking) => {
            let (reason, detail) = (parking.reason.as_str(), parking.detail.as_str());
            tracing::warn!(message_id, event_type, reason, detail, "message parked");
            "parked"
        }
        Disposition::ChangeFeed(crn) => {
            tracing::info!(message_id, event_type, crn = %crn, "cached case record dropped");
            "change_feed"
        }
        Disposition::NotApplicable(reason) => {
            tracing::info!(message_id, event_type, reason, "message not applicable");
            "not_applicable"
        }
    };
    metrics::counter!("ingest_messages_total", "disposition" => name).increment(1);
}
