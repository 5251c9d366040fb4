//! What became of writes, as structured log events under the target `telemetry`: `name` and the fields `properties.…` are
//! what dashboards query.

use chrono::Utc;
use futures_util::future::BoxFuture;

use crate::{case::WriteOutcome, outbox::table::Claim, trace};

/// Works on a write within its trace: each log line has the trace, the message, the case and the write.
pub(crate) fn traced<'a, T: 'a>(
    claim: &Claim,
    work: impl Future<Output = T> + Send + 'a,
) -> BoxFuture<'a, T> {
    // Of the highest level, so that no filter of levels takes the labels off a line.
    let span = tracing::error_span!(
        "write",
        trace_id = claim.trace.trace_id(),
        message_id = claim.message_id,
        noms = %claim.write.noms,
        write_id = %claim.write.id
    );
    trace::within(span, claim.trace, work)
}

pub(crate) fn applied(claim: &Claim, outcome: &WriteOutcome) {
    let name = outcome.name.as_str();
    let property = |name: &str| outcome.properties.get(name).map(String::as_str);
    tracing::info!(
        target: "telemetry",
        name,
        noms = %claim.write.noms,
        write_id = %claim.write.id,
        attempt = claim.attempt,
        rows = outcome.changes.len(),
        properties.nomsId = property("nomsId"),
        properties.prisonId = property("prisonId"),
        properties.allocationDate = property("allocationDate"),
        properties.handoverDate = property("handoverDate"),
        properties.handoverStartDate = property("handoverStartDate"),
        properties.existingPOM1 = property("existingPOM1"),
        properties.existingPOM2 = property("existingPOM2"),
        "write settled"
    );
    metrics::counter!("relay_writes_total", "outcome" => name).increment(1);
    let way = (Utc::now() - claim.derived_at).as_seconds_f64().max(0.0);
    metrics::histogram!("write_to_delius_seconds").record(way);
}
