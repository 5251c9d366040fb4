//! Repairs: messages of our own, by the same path as an event.

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    case::{DeliusWrite, Holding, NomsNumber, Pom},
    operations::InternalMessage,
};

/// What a repair says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairSubject {
    /// The allocation may have changed: the answer of Manage POM Cases decides.
    Allocation,
    /// This holding, once more; `None` = nobody.
    Holding(Option<Pom>),
    /// The recorded holdings, from each gap in Delius on.
    Timeline(Vec<DeliusWrite>),
    /// Holdings that Delius has and the record has forgotten.
    Forgotten(Vec<Holding>),
    /// The handover dates may have changed.
    Handover,
}

/// One repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// What it says.
    pub subject: RepairSubject,
    /// When that happened; `None` = now.
    pub at: Option<DateTime<Utc>>,
}

impl Repair {
    /// The message that repairs the case. `mpc_url` is the origin of Manage POM Cases.
    pub fn message(&self, noms: &NomsNumber, mpc_url: &str, now: DateTime<Utc>) -> InternalMessage {
        let origin = mpc_url.trim_end_matches('/');
        let (event_type, detail_url) = match self.subject {
            RepairSubject::Allocation
            | RepairSubject::Holding(_)
            | RepairSubject::Timeline(_)
            | RepairSubject::Forgotten(_) => (
                "offender-management.allocation.changed",
                format!("{origin}/api/allocation/{noms}/primary_pom"),
            ),
            RepairSubject::Handover => {
                ("offender-management.handover.changed", format!("{origin}/api/handovers/{noms}"))
            }
        };
        InternalMessage {
            id: format!("reconcile:{}", Uuid::now_v7()),
            event_type,
            description: "Reconciliation found a difference",
            noms: noms.clone(),
            occurred_at: self.at.unwrap_or_else(|| now.trunc_subsecs(0)),
            detail_url: Some(detail_url),
            information: self.information(),
        }
    }

    /// A holding that is said once more at its own date is stated: the answer speaks of now and might have changed
    /// since the comparison.
    fn information(&self) -> Value {
        match &self.subject {
            RepairSubject::Holding(None) => json!({ "staffCode": null, "eventTrigger": "reconcile" }),
            RepairSubject::Holding(Some(Pom { staff_code: code, prison, .. })) => {
                json!({ "staffCode": code, "prisonId": prison, "eventTrigger": "reconcile" })
            }
            _ => json!({ "eventTrigger": "reconcile" }),
        }
    }
}
