//! The receipts of messages: one row for each time that a message was received and accounted for.
//!
//! The receipt of a message that became events is written by the append of the events.

use chrono::{DateTime, Utc};
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

    /// It asks for the erasure of a person, whose case it is where that is known.
    pub fn erasure_requested(self, noms: Option<&NomsNumber>) -> AccountedReceipt {
        self.accounted(noms, "erasureRequested", None)
    }

    fn accounted(
        self,
        noms: Option<&NomsNumber>,
        disposition: &'static str,
        detail: Option<String>,
    ) -> AccountedReceipt {
        AccountedReceipt { receipt: self, noms: noms.cloned(), disposition, detail }
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

/// The bodies with which the message was recorded in the case.
pub async fn recorded_bodies(
    executor: impl PgExecutor<'_>,
    noms: &NomsNumber,
    message_id: &str,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select distinct payload -> 'provenance' -> 'message' ->> 'body' from events
         where aggregate_type = 'case' and aggregate_id = $1 and payload -> 'provenance' ->> 'messageId' = $2
           and payload -> 'provenance' -> 'message' ->> 'body' is not null",
    )
    .bind(noms.as_str())
    .bind(message_id)
    .fetch_all(executor)
    .await
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
