//! Puts the rows of a case back to what its events say, for a rebuild.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::projector;
use crate::case::{DeliusWrite, NomsNumber, WriteRef};

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

/// Keeps everybody else from changing the outbox until the transaction ends: an append that adds a write while its case
/// is restored could leave the case without a head.
pub async fn lock(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("lock table outbox in share row exclusive mode").execute(connection).await?;
    Ok(())
}

/// Adds the writes that are missing, none of them as a head; how many those were.
pub async fn add_missing(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    writes: &[(WriteRef, DeliusWrite)],
) -> sqlx::Result<u64> {
    let ids: Vec<Uuid> =
        writes.iter().map(|(write, intent)| projector::write_id(noms, *write, intent)).collect();
    let added = sqlx::query(
        "insert into outbox (id, case_id, sequence, ordinal, kind, intent)
         select id, $1, sequence, ordinal, kind, intent
         from unnest($2::uuid[], $3::bigint[], $4::integer[], $5::text[], $6::jsonb[])
              as derived (id, sequence, ordinal, kind, intent)
         on conflict (id) do nothing",
    )
    .bind(noms.as_str())
    .bind(ids)
    .bind(writes.iter().map(|(write, _)| write.sequence.cast_signed()).collect::<Vec<_>>())
    .bind(writes.iter().map(|(write, _)| write.ordinal.cast_signed()).collect::<Vec<_>>())
    .bind(writes.iter().map(|(_, intent)| projector::kind(intent)).collect::<Vec<_>>())
    .bind(writes.iter().map(|(_, intent)| Json(intent)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(added.rows_affected())
}

/// Makes the lowest unfinished row of the case its head, and no other one.
pub async fn restore_head(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<()> {
    // In two statements: a case must not have two heads, not even for a moment.
    for statement in [
        "update outbox set is_head = false where case_id = $1 and is_head and id is distinct from (
             select id from outbox where case_id = $1 and state in ('pending', 'parked')
             order by sequence, ordinal limit 1)",
        "update outbox set is_head = true where not is_head and id = (
             select id from outbox where case_id = $1 and state in ('pending', 'parked')
             order by sequence, ordinal limit 1)",
    ] {
        sqlx::query(statement).bind(noms.as_str()).execute(&mut *connection).await?;
    }
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
