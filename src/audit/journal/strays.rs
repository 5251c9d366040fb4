//! What the chain cannot show, because it lies beside it: events that were never entered and never would be, and what
//! is gone before it was entered.

use sqlx::PgConnection;

use crate::{
    audit::journal::{
        RESTORED,
        verify::{Finding, Wrong},
    },
    case::NomsNumber,
};

/// The stray at the lowest position, when there is one. `end` is the last position of the journal: what was not entered
/// yet counts as the one after it.
pub(crate) async fn first(connection: &mut PgConnection, end: i64) -> sqlx::Result<Option<Finding>> {
    let strays = [
        inserted(connection).await?,
        ahead(connection, end).await?,
        gap(connection, end).await?,
        lost(connection, end, None).await?,
    ];
    Ok(strays.into_iter().flatten().min_by_key(|finding| finding.position))
}

const NOT_ENTERED: &str = "not exists (select from journal j where j.aggregate_type = e.aggregate_type
                               and j.aggregate_id = e.aggregate_id and j.sequence = e.sequence)";

fn finding((case, sequence, position): (String, i64, i64), wrong: Wrong) -> Finding {
    Finding { position, event: Some((case, sequence)), wrong }
}

/// The first event that was never entered although everything after it was: the journal takes events in order, so
/// such an event cannot have been there. Where the last entry comes from an older cluster (a restored dump), the
/// transaction numbers say nothing.
async fn inserted(connection: &mut PgConnection) -> sqlx::Result<Option<Finding>> {
    let sql = format!(
        "with last as (select * from journal order by position desc limit 1)
         select e.aggregate_id, e.sequence,
                (select min(j.position) from journal j where (j.event_xid, j.event_id) > (e.xid, e.id))
         from events e, last
         where (e.xid, e.id) < (last.event_xid, last.event_id) and not {RESTORED} and {NOT_ENTERED}
         order by e.xid, e.id limit 1"
    );
    let found = sqlx::query_as(&sql).fetch_optional(connection).await?;
    Ok(found.map(|found| finding(found, Wrong::Inserted)))
}

/// The first event of a transaction that has not happened: in the picture that it is seen in, it cannot be there. What
/// a dump brought from an older cluster is entered before anything else.
async fn ahead(connection: &mut PgConnection, end: i64) -> sqlx::Result<Option<Finding>> {
    let sql = format!(
        "with last as (select * from journal order by position desc limit 1)
         select e.aggregate_id, e.sequence, $1::bigint + 1
         from events e, last
         where e.xid >= pg_snapshot_xmax(pg_current_snapshot()) and not {RESTORED} and {NOT_ENTERED}
         order by e.xid, e.id limit 1"
    );
    let found = sqlx::query_as(&sql).bind(end).fetch_optional(connection).await?;
    Ok(found.map(|found| finding(found, Wrong::Ahead)))
}

/// The first event that is missing in the stream of its case: streams count 1, 2, 3 without a gap.
async fn gap(connection: &mut PgConnection, end: i64) -> sqlx::Result<Option<Finding>> {
    let found = sqlx::query_as(
        "with torn as (
             select aggregate_type, aggregate_id from events
             group by aggregate_type, aggregate_id having count(*) <> max(sequence)),
         missing as (
             select aggregate_type, aggregate_id, (
                 select min(before.sequence) + 1
                 from (select 0::bigint as sequence union all
                       select e.sequence from events e
                       where (e.aggregate_type, e.aggregate_id) = (torn.aggregate_type, torn.aggregate_id)
                         and e.sequence < 9223372036854775807) before
                 where not exists (
                     select from events e
                     where (e.aggregate_type, e.aggregate_id) = (torn.aggregate_type, torn.aggregate_id)
                       and e.sequence = before.sequence + 1)) as sequence
             from torn)
         select aggregate_id, sequence, coalesce(
                    (select min(j.position) from journal j
                     where (j.aggregate_type, j.aggregate_id) = (missing.aggregate_type, missing.aggregate_id)
                       and j.sequence >= missing.sequence), $1 + 1) as position
         from missing order by position, aggregate_id limit 1",
    )
    .bind(end)
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|found| finding(found, Wrong::Missing)))
}

/// The first message (about the case, or any) that was recorded, as its receipt says, and has no event. Both are
/// committed together.
pub(crate) async fn lost(
    connection: &mut PgConnection,
    end: i64,
    noms: Option<&NomsNumber>,
) -> sqlx::Result<Option<Finding>> {
    let found: Option<(String, String, i64)> = sqlx::query_as(
        "with lost as materialized (
             select r.id, r.case_id, r.message_id, r.recorded_at from message_receipts r
             where r.disposition = 'recorded' and ($2::text is null or r.case_id = $2) and not exists (
                 select from events e
                 where e.aggregate_type = 'case' and e.aggregate_id = r.case_id
                   and e.metadata ->> 'messageId' = r.message_id))
         select coalesce(case_id, ''), message_id, coalesce(
                    (select min(j.position)
                     from journal j join events e using (aggregate_type, aggregate_id, sequence)
                     where e.recorded_at > lost.recorded_at), $1 + 1) as position
         from lost order by id limit 1",
    )
    .bind(end)
    .bind(noms.map(NomsNumber::as_str))
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|(case, message, position)| Finding {
        position,
        event: None,
        wrong: Wrong::Lost { case, message },
    }))
}
