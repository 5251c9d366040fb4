//! Reads the outbox for a replay: what was derived, whatever became of it since.

use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::case::NomsNumber;

/// A derived write as stored.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct StoredWrite {
    /// NOMS number.
    pub case_id: String,
    /// Sequence of its event.
    pub sequence: i64,
    /// Place among the writes of its event.
    pub ordinal: i32,
    /// Its identity.
    pub id: Uuid,
    /// What is to be written.
    pub intent: Value,
}

/// The writes of a case, in order.
pub async fn of_case(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<Vec<StoredWrite>> {
    sqlx::query_as(
        "select case_id, sequence, ordinal, id, intent from outbox where case_id = $1 order by sequence, ordinal",
    )
    .bind(noms.as_str())
    .fetch_all(connection)
    .await
}

/// The writes of these events.
pub async fn of_events(
    connection: &mut PgConnection,
    cases: &[&str],
    sequences: &[i64],
) -> sqlx::Result<Vec<StoredWrite>> {
    sqlx::query_as(
        "select case_id, sequence, ordinal, id, intent
         from outbox join unnest($1::text[], $2::bigint[]) as event (case_id, sequence) using (case_id, sequence)
         order by case_id, sequence, ordinal",
    )
    .bind(cases)
    .bind(sequences)
    .fetch_all(connection)
    .await
}

/// How many there are.
pub async fn count(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let count: i64 = sqlx::query_scalar("select count(*) from outbox").fetch_one(connection).await?;
    Ok(count.cast_unsigned())
}

/// A page of the writes of all cases, after the given one.
pub async fn page(
    connection: &mut PgConnection,
    after: Option<&StoredWrite>,
) -> sqlx::Result<Vec<StoredWrite>> {
    let (case_id, sequence, ordinal) =
        after.map_or(("", 0, 0), |write| (write.case_id.as_str(), write.sequence, write.ordinal));
    sqlx::query_as(
        "select case_id, sequence, ordinal, id, intent from outbox
         where (case_id, sequence, ordinal) > ($1, $2, $3) order by case_id, sequence, ordinal limit 500",
    )
    .bind(case_id)
    .bind(sequence)
    .bind(ordinal)
    .fetch_all(connection)
    .await
}
