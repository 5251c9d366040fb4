//! Whether a message is known, and whether what comes under its id is the same message.

use sqlx::PgPool;

use super::message::{Delivery, Parsed, parse};
use crate::{case::NomsNumber, event_store::receipts};

/// What is known of a message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) noms: Option<NomsNumber>,
    /// SHA-256 of every body that was accounted for, with how it ended and the event type.
    bodies: Vec<KnownBody>,
}

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct KnownBody {
    ended: String,
    event_type: Option<String>,
    case_id: Option<String>,
    body_sha256: String,
}

/// Looks the id up among parked, accounted and waiting messages, in one round trip. `None` for a new message. A message
/// that was retried by an operator is not parked any more, and one that waits does not count for its own attempt.
pub(super) async fn find(pool: &PgPool, message_id: &str, waits: bool) -> sqlx::Result<Option<Known>> {
    let bodies: Vec<KnownBody> = sqlx::query_as(
        "select disposition as ended, event_type, case_id, body_sha256 from message_receipts
         where message_id = $1 and disposition not in ('duplicate', 'parked')
         union all
         select 'parked', event_type, case_id, body_sha256 from parked_messages
         where message_id = $1 and state in ('parked', 'skipped')
         union all
         select 'waiting', event_type, case_id, body_sha256 from waiting_messages
         where message_id = $1 and not $2",
    )
    .bind(message_id)
    .bind(waits)
    .fetch_all(pool)
    .await?;
    if bodies.is_empty() {
        return Ok(None);
    }
    let noms = bodies.iter().find_map(|body| body.case_id.as_deref()?.parse().ok());
    Ok(Some(Known { noms, bodies }))
}

impl Known {
    /// Whether a delivery under the same id is the same message. One message can come in different envelopes: each
    /// subscription of a topic has its own `UnsubscribeURL`. So where the bytes differ, the events are compared.
    pub(super) async fn is_same(
        &self,
        pool: &PgPool,
        message_id: &str,
        delivery: &Delivery,
        sha256: &str,
    ) -> sqlx::Result<bool> {
        if self.bodies.iter().any(|body| body.body_sha256 == sha256) {
            return Ok(true);
        }
        let Ok(parsed) = parse(delivery).1 else { return Ok(false) };
        let mut stored: Vec<Vec<u8>> = sqlx::query_scalar(
            "select body from parked_messages where message_id = $1
             union all select body from waiting_messages where message_id = $1
             union all select body from erasure_requests where message_id = $1",
        )
        .bind(message_id)
        .fetch_all(pool)
        .await?;
        if let Some(noms) = &self.noms {
            stored.extend(
                receipts::recorded_bodies(pool, noms, message_id).await?.into_iter().map(String::into_bytes),
            );
        }
        if stored.is_empty() {
            // The bytes of a message of the change feed are not stored; what it was about is.
            return Ok(self.bodies.iter().any(|body| body.event_type == parsed.event_type));
        }
        Ok(stored.into_iter().any(|body| is_same_event(&parsed, body)))
    }
}

fn is_same_event(parsed: &Parsed, body: Vec<u8>) -> bool {
    let stored = Delivery {
        body,
        attributes: Default::default(),
        sqs_id: None,
        receive_count: 1,
        received_at: chrono::DateTime::UNIX_EPOCH,
    };
    parse(&stored).1.is_ok_and(|stored| stored.event == parsed.event)
}
