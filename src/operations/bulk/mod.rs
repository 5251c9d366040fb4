//! The bulk handover update: one message of our own for every NOMS number in custody, off the live queue.
//!
//! A run has an id, and each of its messages an id that follows from the run and the NOMS number. So a run can be
//! stopped anywhere and resumed: what had been handed over before is a duplicate and changes nothing.

mod destination;
mod hand_over;
mod pace;
mod report;
pub mod runs;

use chrono::{DateTime, Utc};
pub use destination::Destination;
pub use hand_over::{End, hand_over};
pub use pace::paced;
pub use report::{Report, missing, report};
pub use runs::BulkRun;
use serde_json::json;
use uuid::Uuid;

use crate::{case::NomsNumber, ingest::route::BULK_UPDATE, operations::InternalMessage};

/// The message of a run for one case.
pub fn message(run: Uuid, noms: &NomsNumber, dry_run: bool, occurred_at: DateTime<Utc>) -> InternalMessage {
    InternalMessage {
        id: format!("{}{noms}", messages_of(run)),
        event_type: BULK_UPDATE,
        description: "Handover dates are refreshed by a bulk run",
        noms: noms.clone(),
        occurred_at,
        detail_url: None,
        information: json!({ "dryRun": dry_run }),
    }
}

/// What the ids of all messages of a run begin with.
fn messages_of(run: Uuid) -> String {
    format!("bulk:{run}:")
}
