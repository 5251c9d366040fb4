//! What the tree cannot show, because it lies beside it: rows that were never entered and never would be, and what is
//! gone before it was entered.

use sqlx::{FromRow, PgConnection};

use super::{
    enter::RESTORED,
    sources::{SOURCES, Source},
    verify::{FindingKind, VerifyFinding},
};
use crate::case::NomsNumber;

/// What lies beside the tree.
#[derive(Debug)]
pub(crate) struct Strays {
    /// Rows that are not entered. What else is true of them: see `first`.
    pub(crate) waiting: u64,
    /// The stray at the lowest position, when there is one.
    pub(crate) first: Option<VerifyFinding>,
}

/// Looks for strays. `end` is the last position of the journal: what was not entered yet counts as the one after it. With
/// `since` only rows of that transaction and later ones are looked at.
pub(crate) async fn find(
    connection: &mut PgConnection,
    end: i64,
    since: Option<&str>,
) -> sqlx::Result<Strays> {
    let since = since.unwrap_or("0");
    let (mut strays, mut waiting) = (vec![], 0);
    for source in &SOURCES {
        let rows = not_entered(connection, source, since).await?;
        if rows > 0 {
            strays.push(inserted(connection, source, since).await?);
        }
        waiting += rows.cast_unsigned();
        strays.push(ahead(connection, source, end).await?);
    }
    strays.push(gap(connection, end, since).await?);
    strays.push(lost(connection, end, None, since).await?);
    let first = strays.into_iter().flatten().min_by_key(|finding| finding.position);
    Ok(Strays { waiting, first })
}

async fn not_entered(connection: &mut PgConnection, source: &Source, since: &str) -> sqlx::Result<i64> {
    let sql = format!("select count(*) from ({}) t", source.not_entered_since());
    sqlx::query_scalar(&sql).bind(since).fetch_one(connection).await
}

#[derive(FromRow)]
struct Stray {
    case_id: Option<String>,
    sequence: Option<i64>,
    position: i64,
}

impl Stray {
    fn finding(self, kind: FindingKind) -> VerifyFinding {
        VerifyFinding { position: self.position, event: self.case_id.zip(self.sequence), kind }
    }
}

/// The first row that was never entered although everything after it was: the journal takes rows in order, so such a
/// row cannot have been there. Where the last entry comes from an older cluster (a restored dump), the transaction
/// numbers say nothing.
async fn inserted(
    connection: &mut PgConnection,
    source: &'static Source,
    since: &str,
) -> sqlx::Result<Option<VerifyFinding>> {
    let sql = format!(
        "with last as (select * from journal order by position desc limit 1)
         select t.case_id, t.sequence,
                (select min(j.position) from journal j
                 where (j.xid, array_position({names}, j.source), j.source_id) > (t.row_xid, {rank}, t.id)) as position
         from ({rows}) t, last
         where (t.row_xid, {rank}, t.id) < (last.xid, array_position({names}, last.source), last.source_id)
           and not {RESTORED}
         order by t.row_xid, t.id limit 1",
        names = names(),
        // PostgreSQL counts the elements of an array from 1.
        rank = source.rank() + 1,
        rows = source.not_entered_since(),
    );
    let found: Option<Stray> = sqlx::query_as(&sql).bind(since).fetch_optional(connection).await?;
    Ok(found.map(|stray| stray.finding(FindingKind::Inserted { source: source.name })))
}

/// The names of the sources in their order, as an array of PostgreSQL.
fn names() -> String {
    let names: Vec<String> = SOURCES.iter().map(|source| format!("'{}'", source.name)).collect();
    format!("array[{}]", names.join(", "))
}

/// The first row of a transaction that has not happened: in the picture that it is seen in, it cannot be there. What
/// a dump brought from an older cluster is entered before anything else.
async fn ahead(
    connection: &mut PgConnection,
    source: &'static Source,
    end: i64,
) -> sqlx::Result<Option<VerifyFinding>> {
    let sql = format!(
        "with last as (select * from journal order by position desc limit 1)
         select t.case_id, t.sequence, $2::bigint + 1 as position
         from ({}) t, last
         where t.row_xid >= pg_snapshot_xmax(pg_current_snapshot()) and not {RESTORED}
         order by t.row_xid, t.id limit 1",
        source.not_entered_since(),
    );
    let found: Option<Stray> = sqlx::query_as(&sql).bind("0").bind(end).fetch_optional(connection).await?;
    Ok(found.map(|stray| stray.finding(FindingKind::Ahead { source: source.name })))
}

/// The first event that is missing in the stream of its case: streams count 1, 2, 3 without a gap.
async fn gap(connection: &mut PgConnection, end: i64, since: &str) -> sqlx::Result<Option<VerifyFinding>> {
    let found: Option<Stray> = sqlx::query_as(
        "with torn as (
             select aggregate_type, aggregate_id from events
             where $2::text = '0'
                or (aggregate_type, aggregate_id) in (
                    select aggregate_type, aggregate_id from events where xid >= $2::text::xid8)
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
         select aggregate_id as case_id, sequence, coalesce(
                    (select min(j.position) from journal j
                     where j.case_id = missing.aggregate_id and j.sequence >= missing.sequence), $1 + 1) as position
         from missing order by position, case_id limit 1",
    )
    .bind(end)
    .bind(since)
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|stray| stray.finding(FindingKind::Missing { source: "event" })))
}

/// The first message (about the case, or any) that was recorded, as its receipt says, and has no event. Both are
/// committed together.
pub(crate) async fn lost(
    connection: &mut PgConnection,
    end: i64,
    noms: Option<&NomsNumber>,
    since: &str,
) -> sqlx::Result<Option<VerifyFinding>> {
    let found: Option<(String, String, i64)> = sqlx::query_as(
        "with lost as materialized (
             select r.id, r.case_id, r.message_id, r.recorded_at from message_receipts r
             where r.disposition = 'recorded' and ($2::text is null or r.case_id = $2)
               and r.xid >= $3::text::xid8 and not exists (
                 select from events e
                 where e.aggregate_type = 'case' and e.aggregate_id = r.case_id
                   and e.metadata ->> 'messageId' = r.message_id))
         select coalesce(case_id, ''), message_id, coalesce(
                    (select min(j.position) from journal j join events e on (e.xid, e.id) = (j.xid, j.source_id)
                     where j.source = 'event' and e.recorded_at > lost.recorded_at), $1 + 1) as position
         from lost order by id limit 1",
    )
    .bind(end)
    .bind(noms.map(NomsNumber::as_str))
    .bind(since)
    .fetch_optional(connection)
    .await?;
    Ok(found
        .map(|(case, message, position)| VerifyFinding::at(position, FindingKind::Lost { case, message })))
}
