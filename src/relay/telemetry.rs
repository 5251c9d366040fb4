//! What became of writes, as structured log events under the target `telemetry`: `name` and `properties` are what
//! dashboards query.

use crate::{case::WriteOutcome, outbox::table::Claim};

pub(crate) fn applied(claim: &Claim, outcome: &WriteOutcome) {
    let name = outcome.name.as_str();
    let properties = serde_json::to_string(&outcome.properties).unwrap_or_default();
    tracing::info!(
        target: "telemetry",
        name,
        noms = %claim.write.noms,
        write_id = %claim.write.id,
        attempt = claim.attempt,
        rows = outcome.changes.len(),
        properties,
        "write settled"
    );
    metrics::counter!("relay_writes_total", "outcome" => name).increment(1);
}
