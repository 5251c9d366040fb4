//! Allocations that wait for the name of their officer, as operators see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::outbox::view::Select;

/// An allocation that is recorded and not in Delius.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Unreflected {
    /// NOMS number.
    pub case_id: String,
    /// Sequence of the event.
    pub sequence: i64,
    /// Whose name is not known.
    pub staff_code: i64,
    /// Prison code.
    pub prison: Option<String>,
    /// Valid time, as recorded.
    pub at: Option<String>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Those that match, oldest first. `reason` is looked for in the staff code.
///
/// # Errors
/// The database's own.
pub async fn list(pool: &PgPool, select: &Select) -> sqlx::Result<Vec<Unreflected>> {
    sqlx::query_as(
        "select u.case_id, u.sequence, u.staff_code, e.payload->>'prison' as prison, e.payload->>'at' as at,
                e.recorded_at
         from unreflected_allocations u
         join events e on e.aggregate_type = 'case' and e.aggregate_id = u.case_id and e.sequence = u.sequence
         where ($1::text[] is null or u.case_id = any($1))
           and ($2::text is null or strpos(u.staff_code::text, $2) > 0)
           and ($3::timestamptz is null or e.recorded_at >= $3)
         order by e.recorded_at, u.case_id, u.sequence limit $4",
    )
    .bind(&select.case)
    .bind(&select.reason)
    .bind(select.since)
    .bind(i64::from(select.limit))
    .fetch_all(pool)
    .await
}
