//! The table of notices: messages about applied writes for the outcome topic, without names and dates of persons.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::case::WriteResult;

/// Event type of a notice, in its body and as message attribute.
pub const EVENT_TYPE: &str = "manage-pom-cases-and-delius.write-applied";

/// Few enough that nobody waits for it.
const FORGET_AT_ONCE: i64 = 10_000;

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Notice {
    /// Id of the write; a receiver that sees it twice has seen it.
    pub write_id: Uuid,
    /// NOMS number.
    pub case_id: String,
    /// Name of the outcome.
    pub outcome: String,
    /// When what was written happened, as the message said.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When Delius was written.
    pub applied_at: DateTime<Utc>,
    /// The trace that it belongs to, sent as an attribute.
    pub traceparent: Option<String>,
    /// Which attempt at sending it this is, from 1.
    pub attempt: i32,
}

impl Notice {
    /// The message that is published, in the shape of HMPPS domain events; `docs/api/asyncapi.yaml` describes it. A write
    /// that an operator released goes back to no message: it occurred when it was applied.
    pub fn body(&self) -> String {
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        json!({
            "eventType": EVENT_TYPE,
            "version": 1,
            "description": "A prison offender manager or a handover date was written to Delius",
            "occurredAt": text(self.occurred_at.unwrap_or(self.applied_at)),
            "personReference": { "identifiers": [{ "type": "NOMS", "value": self.case_id }] },
            "additionalInformation": {
                "outcome": self.outcome,
                "writeId": self.write_id,
                "appliedAt": text(self.applied_at),
            },
        })
        .to_string()
    }
}

/// Whether the topic gets a notice of this result: the write changed rows in Delius.
/// A refusal, a dry run and a write that found everything in place already (`NoPomChange`, `NoKeyDateChange`) are in the
/// case's history and nowhere else. A refresh of the e-mail address alone is published as `NoPomChange`.
pub fn is_told(result: &WriteResult) -> bool {
    let outcome = &result.outcome;
    !outcome.changes.is_empty() && !outcome.name.is_refusal() && !outcome.name.is_dry_run()
}

/// Claims notices that are due, for the time of the lease: of each case only the first that was not sent, so that who
/// listens hears of the writes of a case in their order.
pub async fn claim(pool: &PgPool, limit: u32, lease: Duration) -> sqlx::Result<Vec<Notice>> {
    sqlx::query_as(
        "with due as (
             select write_id from outcome_notices notice
             where sent_at is null and available_at <= clock_timestamp() and not exists (
                 select from outcome_notices earlier
                 where earlier.case_id = notice.case_id and earlier.sent_at is null
                   and earlier.position < notice.position)
             order by available_at limit $1 for update skip locked)
         update outcome_notices
         set attempt = attempt + 1, available_at = clock_timestamp() + make_interval(secs => $2)
         from due where outcome_notices.write_id = due.write_id
         returning outcome_notices.write_id, case_id, outcome, occurred_at, applied_at, traceparent,
                   attempt",
    )
    .bind(i64::from(limit))
    .bind(lease.as_secs_f64())
    .fetch_all(pool)
    .await
}

/// The topic accepted it.
pub async fn sent(pool: &PgPool, notice: &Notice) -> sqlx::Result<()> {
    sqlx::query("update outcome_notices set sent_at = clock_timestamp() where write_id = $1")
        .bind(notice.write_id)
        .execute(pool)
        .await?;
    Ok(())
}

/// The topic did not accept it: it is due again later. Changes nothing once somebody else has claimed it.
pub async fn defer(pool: &PgPool, notice: &Notice, error: &str, delay: Duration) -> sqlx::Result<()> {
    sqlx::query(
        "update outcome_notices
         set last_error = $3, available_at = clock_timestamp() + make_interval(secs => $4)
         where write_id = $1 and attempt = $2 and sent_at is null",
    )
    .bind(notice.write_id)
    .bind(notice.attempt)
    .bind(error)
    .bind(delay.as_secs_f64())
    .execute(pool)
    .await?;
    Ok(())
}

/// How many notices wait to be sent.
pub async fn waiting(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from outcome_notices where sent_at is null").fetch_one(pool).await
}

/// Forgets notices that were sent longer ago than this, and how many. They are no evidence: what was written, and when,
/// is in the events.
pub async fn forget(pool: &PgPool, sent_before: Duration) -> sqlx::Result<u64> {
    let forgotten = sqlx::query(
        "delete from outcome_notices where write_id in (
             select write_id from outcome_notices
             where sent_at < clock_timestamp() - make_interval(secs => $1) limit $2)",
    )
    .bind(sent_before.as_secs_f64())
    .bind(FORGET_AT_ONCE)
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn notice() -> Notice {
        Notice {
            write_id: "0d4f7a52-6f0e-5c1b-9a0e-3b8f2d1c4e5f".parse().unwrap(),
            case_id: "A1234BC".into(),
            outcome: "PomAllocated".into(),
            occurred_at: Some("2026-07-01T09:00:00Z".parse().unwrap()),
            applied_at: "2026-07-01T09:00:02.120Z".parse().unwrap(),
            traceparent: None,
            attempt: 1,
        }
    }

    fn json_of(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    /// The sample is held against the AsyncAPI document by `deploy/check`.
    #[test]
    fn a_notice_looks_like_the_documented_sample() {
        let sample = include_str!("../../docs/api/samples/outcome-notice.json");
        assert_eq!(json_of(&notice().body()), json_of(sample));
    }

    #[test]
    fn what_goes_back_to_no_message_occurred_when_it_was_applied() {
        let body = json_of(&Notice { occurred_at: None, ..notice() }.body());
        assert_eq!(body["occurredAt"], "2026-07-01T09:00:02.120Z");
    }
}
