//! Ingestion: from a message in the queue to a command to a case.
//!
//! [`message`] parses (pure), [`route`] says what a message asks for (pure), [`accept`] carries it out, and [`sqs`]
//! connects that to the queue. What cannot be accepted now is kept in [`waiting`], what cannot become events in
//! [`parked`].

pub mod accept;
mod attempt;
mod by_crn;
mod disposition;
mod envelope;
mod erasure;
mod event;
pub mod feed;
mod identity;
mod keep;
mod known;
pub mod message;
mod not_accepted;
pub mod parked;
pub mod reflector;
pub mod route;
#[cfg(test)]
mod route_tests;
#[cfg(test)]
mod shapes_tests;
pub mod sns;
pub mod sqs;
#[cfg(test)]
mod tests;
mod time;
pub mod waiting;

pub use accept::{Disposition, Ingest, NotAccepted};
pub use message::Delivery;

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    case::{CaseEvent, NomsNumber},
    london, trace,
};

/// Works on a message within its trace: each log line has the trace, the message and the case, as far as it is known.
pub(crate) fn traced<'a, T: 'a>(
    delivery: &Delivery,
    work: impl Future<Output = T> + Send + 'a,
) -> BoxFuture<'a, T> {
    if trace::current().is_some() {
        return work.boxed();
    }
    let (message_id, parsed) = message::parse(delivery);
    let noms = parsed.ok().and_then(|parsed| parsed.event.noms().ok());
    let context = message::trace(delivery, &message_id);
    // Of the highest level, so that no filter of levels takes the labels off a line.
    let span = tracing::error_span!(
        "message",
        trace_id = context.trace_id(),
        message_id,
        noms = noms.as_ref().map(NomsNumber::as_str)
    );
    trace::within(span, context, work)
}

/// The case of a message that names only a CRN is known now.
pub(crate) fn note_case(noms: &NomsNumber) {
    tracing::Span::current().record("noms", noms.as_str());
}

/// Logs and counts how a message ended, once, where it is handled, and returns its event type.
pub(crate) fn report(delivery: &Delivery, message_id: &str, disposition: &Disposition) -> Option<String> {
    let parsed = message::parse(delivery).1.ok();
    let occurred_at = parsed.as_ref().and_then(|parsed| parsed.event.occurred_at(delivery.received_at).ok());
    let known_type = parsed.and_then(|parsed| parsed.event_type);
    let event_type = known_type.as_deref().unwrap_or("unknown");
    let name = match disposition {
        Disposition::Recorded { noms, events } => {
            let events_recorded = events.iter().map(CaseEvent::name).collect::<Vec<_>>().join(",");
            tracing::info!(message_id, event_type, noms = %noms, events_recorded, "message recorded");
            for event in events {
                if let Some(name) = event.telemetry() {
                    telemetry(name, noms, event.handover().is_none().then_some(occurred_at).flatten());
                }
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
        Disposition::Waiting { reason } => {
            tracing::warn!(message_id, event_type, reason, "message waits in the store; it is tried again");
            "waiting"
        }
        Disposition::ChangeFeed(crn) => {
            tracing::info!(message_id, event_type, crn = %crn, "cached case record dropped");
            "change_feed"
        }
        Disposition::NotApplicable(reason) => {
            tracing::info!(message_id, event_type, reason, "message not applicable");
            "not_applicable"
        }
        Disposition::ErasureRequested(crn) => {
            tracing::warn!(message_id, event_type, crn = %crn, "erasure requested; see `erasure list`");
            "erasure_requested"
        }
    };
    metrics::counter!("ingest_messages_total", "disposition" => name).increment(1);
    known_type
}

/// A telemetry line for an event that leads to no write.
fn telemetry(name: &'static str, noms: &NomsNumber, allocated_at: Option<DateTime<Utc>>) {
    let allocation_date = allocated_at.map(london::date_time);
    tracing::info!(
        target: "telemetry",
        name,
        noms = %noms,
        properties.nomsId = %noms,
        properties.allocationDate = allocation_date,
        "nothing to write"
    );
}
