//! Parked messages: kept with their bytes and the reason until an operator decides.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Postgres, Transaction, types::Json};

use super::{message::Delivery, route::Parking};
use crate::{
    case::NomsNumber,
    database,
    event_store::receipts::{self, Receipt},
    outbox::view::Select,
};

/// Parks a message, with its receipt, in one transaction. A message that was retried and failed again is parked
/// again.
pub async fn park(
    pool: &PgPool,
    receipt: Receipt,
    delivery: &Delivery,
    noms: Option<&NomsNumber>,
    parking: &Parking,
) -> sqlx::Result<()> {
    let mut transaction = database::begin(pool).await?;
    sqlx::query(
        "insert into parked_messages
             (message_id, event_type, case_id, reason, detail, body, body_sha256, attributes, received_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (message_id) do update
         set state = 'parked', reason = excluded.reason, detail = excluded.detail,
             event_type = coalesce(excluded.event_type, parked_messages.event_type),
             case_id = coalesce(excluded.case_id, parked_messages.case_id)",
    )
    .bind(&receipt.message_id)
    .bind(&receipt.event_type)
    .bind(noms.map(NomsNumber::as_str))
    .bind(parking.reason.as_str())
    .bind(&parking.detail)
    .bind(&delivery.body)
    .bind(&receipt.body_sha256)
    .bind(Json(&delivery.attributes))
    .bind(delivery.received_at)
    .execute(&mut *transaction)
    .await?;
    receipts::insert(&mut *transaction, &receipt.parked(noms, parking.reason.as_str())).await?;
    transaction.commit().await
}

/// A parked message.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ParkedMessage {
    /// Its number, by which operators name it.
    pub id: i64,
    /// SNS `MessageId`, else `sqs:…` (its id in the queue) or `sha256:…` of the body.
    pub message_id: String,
    /// Event type, when the message has one.
    pub event_type: Option<String>,
    /// NOMS number, when it is known.
    pub case_id: Option<String>,
    /// Why it was parked: a name.
    pub reason: String,
    /// Why it was parked: what is wrong and what to do.
    pub detail: String,
    /// The bytes as received.
    pub body: Vec<u8>,
    /// Their SHA-256.
    pub body_sha256: String,
    /// Attributes of the SQS message.
    pub attributes: Json<std::collections::BTreeMap<String, String>>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// `parked`, `retried` or `skipped`.
    pub state: String,
}

/// A parked message without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ParkedSummary {
    pub id: i64,
    pub message_id: String,
    pub event_type: Option<String>,
    pub case_id: Option<String>,
    pub reason: String,
    pub detail: String,
    pub received_at: DateTime<Utc>,
    pub state: String,
}

const COLUMNS: &str =
    "id, message_id, event_type, case_id, reason, detail, body, body_sha256, attributes, received_at, state";

/// The messages that match, oldest first. Without a state those that wait for a decision; with `every` all.
pub async fn list(pool: &PgPool, select: &Select) -> sqlx::Result<Vec<ParkedSummary>> {
    // Without the bodies: a list of 200,000 messages with theirs would fill the memory.
    sqlx::query_as(
        "select id, message_id, event_type, case_id, reason, detail, received_at, state from parked_messages
         where ($1 = 'every' or state = $1) and ($2::text[] is null or case_id = any($2))
           and ($3::text is null or strpos(lower(reason || ' ' || detail), lower($3)) > 0)
           and ($4::timestamptz is null or received_at >= $4)
         order by id limit $5",
    )
    .bind(select.state.as_deref().unwrap_or("parked"))
    .bind(&select.case)
    .bind(&select.reason)
    .bind(select.since)
    .bind(i64::from(select.limit))
    .fetch_all(pool)
    .await
}

/// One parked message.
pub async fn find(pool: &PgPool, id: i64) -> sqlx::Result<Option<ParkedMessage>> {
    sqlx::query_as(&format!("select {COLUMNS} from parked_messages where id = $1"))
        .bind(id)
        .fetch_optional(pool)
        .await
}

/// A decision on a parked message.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Decision {
    /// `retried`, `skipped` or `parkedAgain`.
    pub decision: String,
    /// Who decided.
    pub by_whom: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// The decisions on a parked message, oldest first.
pub async fn decisions(pool: &PgPool, id: i64) -> sqlx::Result<Vec<Decision>> {
    sqlx::query_as("select decision, by_whom, why, at from parked_decisions where parked_id = $1 order by id")
        .bind(id)
        .fetch_all(pool)
        .await
}

/// Records that a message is to be retried, before it is: it stays on the list until it is [taken off](take_off).
/// `false` when it is not on the list.
pub async fn decide_to_retry(pool: &PgPool, id: i64, by_whom: &str, why: &str) -> sqlx::Result<bool> {
    let recorded = sqlx::query(
        "with message as (select id from parked_messages where id = $1 and state = 'parked' for update)
         insert into parked_decisions (parked_id, decision, by_whom, why)
         select id, 'retried', $2, $3 from message",
    )
    .bind(id)
    .bind(by_whom)
    .bind(why)
    .execute(pool)
    .await?;
    Ok(recorded.rows_affected() == 1)
}

/// A retried message was accepted. One that was skipped meanwhile stays skipped.
pub async fn take_off(pool: &PgPool, id: i64) -> sqlx::Result<()> {
    sqlx::query("update parked_messages set state = 'retried' where id = $1 and state = 'parked'")
        .bind(id)
        .execute(pool)
        .await?;
    Ok(())
}

/// Records a decision. `retried` and `skipped` take the message off the list; `false` when it was not on it.
pub async fn decide(pool: &PgPool, id: i64, decision: &str, by_whom: &str, why: &str) -> sqlx::Result<bool> {
    let mut transaction: Transaction<'_, Postgres> = database::begin(pool).await?;
    let changed = match decision {
        "parkedAgain" => true,
        _ => {
            let state =
                sqlx::query("update parked_messages set state = $2 where id = $1 and state = 'parked'")
                    .bind(id)
                    .bind(decision)
                    .execute(&mut *transaction)
                    .await?;
            state.rows_affected() == 1
        }
    };
    if !changed {
        return Ok(false);
    }
    sqlx::query("insert into parked_decisions (parked_id, decision, by_whom, why) values ($1, $2, $3, $4)")
        .bind(id)
        .bind(decision)
        .bind(by_whom)
        .bind(why)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}
