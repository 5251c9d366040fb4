//! The bulk handover update: one internal message for every NOMS number in custody, off the live queue.
//!
//! A run has an id, and each of its messages an id that follows from the run and the NOMS number. So a run can be
//! stopped anywhere and resumed: a message that was enqueued before is a duplicate and changes nothing.

mod custody;
mod destination;
mod enqueue;
mod pace;
mod report;
pub mod runs;
mod wait;

use chrono::{DateTime, Utc};
pub use custody::{enqueued_cases, remaining_cases};
pub use destination::Destination;
pub use enqueue::{EnqueueEnd, enqueue_all};
pub use pace::paced;
pub use report::{Report, missing, report};
pub use runs::BulkRun;
use serde_json::json;
use uuid::Uuid;
pub use wait::{WaitEnd, wait_until_settled};

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
