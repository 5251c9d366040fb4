//! The receipts of messages: one row for each time that a message was received and accounted for.
//!
//! The receipt of a message that became events is written in the transaction of the events; its particulars
//! travel there in the metadata of the append.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgExecutor, Postgres};

use crate::case::NomsNumber;

/// One receipt of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// SNS `MessageId`, else `sqs:…` or `sha256:…`.
    pub message_id: String,
    /// Event type it was routed by.
    pub event_type: Option<String>,
    /// SHA-256 of the body.
    pub body_sha256: String,
    /// How often SQS had delivered it by then.
    pub receive_count: u32,
    /// When it was received.
    pub received_at: DateTime<Utc>,
}

/// What became of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountedReceipt {
    receipt: Receipt,
    noms: Option<NomsNumber>,
    disposition: &'static str,
    detail: Option<String>,
}

impl Receipt {
    /// It became events of the case.
    pub fn recorded(self, noms: &NomsNumber) -> AccountedReceipt {
        self.accounted(Some(noms), "recorded", None)
    }

    /// It had been recorded or parked before.
    pub fn duplicate(self, noms: Option<&NomsNumber>) -> AccountedReceipt {
        self.accounted(noms, "duplicate", None)
    }

    /// It was parked for the reason.
    pub fn parked(self, noms: Option<&NomsNumber>, reason: &str) -> AccountedReceipt {
        self.accounted(noms, "parked", Some(reason.to_owned()))
    }

    /// It told that a cached case record is out of date.
    pub fn change_feed(self, detail: String) -> AccountedReceipt {
        self.accounted(None, "changeFeed", Some(detail))
    }

    /// It concerns no case of ours, for the reason.
    pub fn not_applicable(self, reason: String) -> AccountedReceipt {
        self.accounted(None, "notApplicable", Some(reason))
    }

    fn accounted(
        self,
        noms: Option<&NomsNumber>,
        disposition: &'static str,
        detail: Option<String>,
    ) -> AccountedReceipt {
        AccountedReceipt { receipt: self, noms: noms.cloned(), disposition, detail }
    }

    /// The receipt as metadata of an append.
    pub fn metadata(&self) -> HashMap<String, String> {
        let mut metadata = HashMap::from([
            ("messageId".to_owned(), self.message_id.clone()),
            ("bodySha256".to_owned(), self.body_sha256.clone()),
            ("receiveCount".to_owned(), self.receive_count.to_string()),
            ("receivedAt".to_owned(), self.received_at.to_rfc3339()),
        ]);
        metadata.extend(self.event_type.clone().map(|event_type| ("eventType".to_owned(), event_type)));
        metadata
    }

    /// The receipt that the metadata of an append speaks of, if any.
    pub fn of_metadata(metadata: &Value) -> Option<Self> {
        let text = |name: &str| metadata.get(name).and_then(Value::as_str);
        Some(Self {
            message_id: text("messageId")?.to_owned(),
            event_type: text("eventType").map(str::to_owned),
            body_sha256: text("bodySha256")?.to_owned(),
            receive_count: text("receiveCount")?.parse().ok()?,
            received_at: text("receivedAt")?.parse().ok()?,
        })
    }
}

/// Writes one receipt.
pub async fn insert(executor: impl PgExecutor<'_>, accounted: &AccountedReceipt) -> sqlx::Result<()> {
    let AccountedReceipt { receipt, noms, disposition, detail } = accounted;
    sqlx::query::<Postgres>(
        "insert into message_receipts
             (message_id, event_type, case_id, disposition, detail, body_sha256, receive_count, received_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&receipt.message_id)
    .bind(&receipt.event_type)
    .bind(noms.as_ref().map(NomsNumber::as_str))
    .bind(disposition)
    .bind(detail)
    .bind(&receipt.body_sha256)
    .bind(receipt.receive_count.cast_signed())
    .bind(receipt.received_at)
    .execute(executor)
    .await?;
    Ok(())
}

/// Whether the message was accounted for before, and for whose case; a message that waits, parked, is not.
pub async fn accounted(
    executor: impl PgExecutor<'_>,
    message_id: &str,
) -> sqlx::Result<Option<Option<NomsNumber>>> {
    let case_id: Option<Option<String>> = sqlx::query_scalar(
        "select case_id from message_receipts
         where message_id = $1 and disposition in ('recorded', 'changeFeed', 'notApplicable')
         order by id limit 1",
    )
    .bind(message_id)
    .fetch_optional(executor)
    .await?;
    Ok(case_id.map(|case_id| case_id?.parse().ok()))
}

/// The case in which the message was recorded, if it was.
pub async fn case_of(executor: impl PgExecutor<'_>, message_id: &str) -> sqlx::Result<Option<NomsNumber>> {
    let case: Option<String> = sqlx::query_scalar(
        "select case_id from message_receipts
         where message_id = $1 and disposition = 'recorded' and case_id is not null limit 1",
    )
    .bind(message_id)
    .fetch_optional(executor)
    .await?;
    Ok(case.and_then(|case| case.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_survives_its_journey_through_the_metadata() {
        let receipt = Receipt {
            message_id: "6f1d2b7e-0000-4000-8000-000000000001".into(),
            event_type: Some("offender-management.handover.changed".into()),
            body_sha256: "00".repeat(32),
            receive_count: 3,
            received_at: "2026-07-01T09:00:01.25Z".parse().expect("a time"),
        };
        let metadata = serde_json::to_value(receipt.metadata()).expect("a map of texts");
        assert_eq!(Receipt::of_metadata(&metadata), Some(receipt));
        assert_eq!(Receipt::of_metadata(&serde_json::json!({})), None);
    }
}
