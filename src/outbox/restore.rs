//! Puts the rows of a case back to what its events say, for a rebuild.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::case::{NomsNumber, WriteRef};

/// What the events say of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which write.
    pub write: WriteRef,
    /// The state that its row must have.
    pub state: &'static str,
    /// The attempt that brought it there; 0 for none.
    pub attempt: u32,
    /// When that was recorded.
    pub at: Option<DateTime<Utc>>,
}

/// Keeps the outcomes of the case from being recorded until the transaction ends.
pub async fn lock(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<()> {
    sqlx::query("select from outbox where case_id = $1 order by sequence, ordinal for update")
        .bind(noms.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Corrects the rows that are in another state; how many those were.
pub async fn restore(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    settled: &[Settled],
) -> sqlx::Result<u64> {
    let corrected = sqlx::query(
        "update outbox
         set state = said.state, attempt = greatest(outbox.attempt, said.attempt),
             lease_until = null, leased_by = null,
             finished_at = case when said.state in ('done', 'skipped') then said.at end
         from unnest($2::bigint[], $3::integer[], $4::text[], $5::integer[], $6::timestamptz[])
              as said (sequence, ordinal, state, attempt, at)
         where outbox.case_id = $1 and outbox.sequence = said.sequence and outbox.ordinal = said.ordinal
           and outbox.state <> said.state",
    )
    .bind(noms.as_str())
    .bind(settled.iter().map(|said| said.write.sequence.cast_signed()).collect::<Vec<_>>())
    .bind(settled.iter().map(|said| said.write.ordinal.cast_signed()).collect::<Vec<_>>())
    .bind(settled.iter().map(|said| said.state).collect::<Vec<_>>())
    .bind(settled.iter().map(|said| said.attempt.cast_signed()).collect::<Vec<_>>())
    .bind(settled.iter().map(|said| said.at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(corrected.rows_affected())
}
