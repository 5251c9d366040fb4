//! Outcomes of messages: from a message to the outcome of its write.

use std::collections::HashSet;

use sqlx::PgPool;

use crate::case::NomsNumber;

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The outcome of its write, or the event that says why there is no write.
    Settled(String),
    /// Recorded; its write has no outcome yet.
    Written {
        /// Whose case.
        noms: NomsNumber,
        /// Sequence of the event that the write was derived from.
        sequence: u64,
    },
    /// It was parked for this reason.
    Parked(String),
}

type OutcomeColumns = (Option<String>, String, Option<String>, Option<i64>, Option<String>, Option<String>);

/// The fates of the handover messages whose ids begin so, in the order of their ids. Messages that have not been
/// accounted for are not among them.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_messages(pool: &PgPool, prefix: &str) -> sqlx::Result<Vec<Fate>> {
    // A message that was received again, or retried after it was parked, counts by the best that became of it.
    let rows: Vec<OutcomeColumns> = sqlx::query_as(
        "select message.case_id, message.disposition, message.detail, event.sequence, event.event_type,
                (select result.payload -> 'outcome' ->> 'name'
                 from events result
                 where result.aggregate_type = 'case' and result.aggregate_id = event.aggregate_id
                   and result.sequence > event.sequence
                   and result.event_type in ('DeliusUpdated', 'DeliusUnchanged', 'DeliusWriteRefused')
                   and (result.payload -> 'write' ->> 'sequence')::bigint = event.sequence
                 order by result.sequence limit 1)
         from (select distinct on (message_id) message_id, case_id, disposition, detail
               from message_receipts
               where message_id like 'bulk:%' and starts_with(message_id, $1)
               order by message_id, disposition = 'recorded' desc, disposition = 'parked' desc) message
         left join events event
             on event.aggregate_type = 'case' and event.aggregate_id = message.case_id
            and event.metadata ->> 'messageId' = message.message_id
         order by message.message_id",
    )
    .bind(prefix)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(fate).collect()
}

/// The ids, beginning so, of the handover messages that have been accounted for.
///
/// # Errors
/// When the store cannot be read.
pub async fn accounted(pool: &PgPool, prefix: &str) -> sqlx::Result<HashSet<String>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "select distinct message_id from message_receipts
         where message_id like 'bulk:%' and starts_with(message_id, $1)",
    )
    .bind(prefix)
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().collect())
}

fn fate((case, disposition, detail, sequence, event_type, outcome): OutcomeColumns) -> sqlx::Result<Fate> {
    let (Some(sequence), Some(event_type)) = (sequence, event_type) else {
        return Ok(match disposition.as_str() {
            "parked" => Fate::Parked(detail.unwrap_or_default()),
            other => Fate::Settled(other.to_owned()),
        });
    };
    match outcome {
        Some(outcome) => Ok(Fate::Settled(outcome)),
        None if event_type == "HandoverDatesChanged" => {
            let noms = case.unwrap_or_default().parse();
            let noms = noms.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok(Fate::Written { noms, sequence: sequence.cast_unsigned() })
        }
        None => Ok(Fate::Settled(event_type)),
    }
}
