//! What our record and the ledger in Delius say of each other. One of the two databases may have been restored to an
//! earlier time: then Delius has lost writes that are recorded as applied, or the store has forgotten writes that Delius
//! has.

use std::collections::BTreeSet;

use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use crate::{
    case::{DeliusWrite, Holder, Holding, HoldingPeriod, Pom, Timeline, identity::Person},
    database::in_time,
    delius::{Delius, LedgerEntry},
    operations::{erasure, reconcile::LookError},
};

/// A write that is recorded as applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordedWrite {
    pub(super) id: Uuid,
    pub(super) write: DeliusWrite,
}

/// How record and ledger differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledgers {
    /// Holdings that are recorded as written, and that the ledger does not have; in the order in which they were recorded.
    pub lost: Vec<DeliusWrite>,
    /// Holdings that the ledger has, and that nothing on record says; in the order in which they were written.
    pub forgotten: Vec<Holding>,
}

/// Recorded holdings that Delius has lost. What was replaced within its second, or was written again later, is not
/// missing; handover dates are compared by themselves, because only the last ones count.
pub(super) fn lost(
    recorded: &[RecordedWrite],
    ledger: &[LedgerEntry],
    periods: &[HoldingPeriod],
) -> Vec<DeliusWrite> {
    let applied: BTreeSet<Uuid> = ledger.iter().map(|entry| entry.id).collect();
    let is_written = |write: &DeliusWrite| {
        recorded.iter().any(|known| applied.contains(&known.id) && known.write.is_same_holding(write))
    };
    let mut lost: Vec<DeliusWrite> = vec![];
    for RecordedWrite { id, write } in recorded {
        let Some(holding) = write.holding() else { continue };
        let is_missing = !applied.contains(id) && !is_written(write);
        let counts = periods.iter().any(|period| begins(period, &holding));
        if is_missing && counts && !lost.iter().any(|known| known.is_same_holding(write)) {
            lost.push(DeliusWrite::from(Holding { overtaken: false, ..holding }));
        }
    }
    lost
}

/// Holdings in Delius that were written by writes the store does not know, and that nothing on record says.
pub(super) fn forgotten(
    ledger: &[LedgerEntry],
    known: &BTreeSet<Uuid>,
    person: &Person,
    timeline: &Timeline,
) -> Vec<Holding> {
    let on_record = |holding: &Holding| {
        timeline
            .named()
            .facts()
            .iter()
            .any(|fact| fact.at == holding.at && is_held_by(fact.holder.as_ref(), holding.pom.as_ref()))
    };
    let unknown =
        ledger.iter().filter(|entry| !known.contains(&entry.id) && !entry.outcome.name.is_refusal());
    let mut forgotten: Vec<Holding> = vec![];
    for holding in unknown.filter_map(|entry| entry.write.holding()) {
        let is_the_persons = person.parts.iter().any(|part| part.contains(holding.at));
        if is_the_persons && !on_record(&holding) && !forgotten.contains(&holding) {
            forgotten.push(holding);
        }
    }
    forgotten
}

fn begins(period: &HoldingPeriod, holding: &Holding) -> bool {
    [period.from, period.stated_at].contains(&holding.at)
        && is_held_by(period.holder.as_ref(), holding.pom.as_ref())
}

fn is_held_by(holder: Option<&Holder>, pom: Option<&Pom>) -> bool {
    match (holder, pom) {
        (None, None) => true,
        (Some(holder), Some(pom)) => (&holder.prison, holder.staff_code) == (&pom.prison, pom.staff_code),
        _ => false,
    }
}

/// Compares record and ledger of a person.
pub(super) async fn compare(
    pool: &PgPool,
    delius: &Delius,
    person: &Person,
    timeline: &Timeline,
) -> Result<Ledgers, LookError> {
    // In this order: a write is in the ledger before it is recorded as applied, and in the outbox before it is in the ledger.
    let recorded = recorded(pool, person).await?;
    let mut ledger = vec![];
    for noms in person.numbers() {
        ledger.extend(delius.ledger(&noms).await?);
    }
    ledger.sort_by_key(|entry| entry.outcome.applied_at);
    let known = known(pool, &ledger).await?;
    let mut forgotten = forgotten(&ledger, &known, person, timeline);
    if !forgotten.is_empty() && was_erased(pool, person).await? {
        // What was erased on purpose is not to come back.
        forgotten.clear();
    }
    let periods = timeline.named().periods(None);
    Ok(Ledgers { lost: lost(&recorded, &ledger, &periods), forgotten })
}

async fn recorded(pool: &PgPool, person: &Person) -> sqlx::Result<Vec<RecordedWrite>> {
    let numbers: Vec<&str> = person.parts.iter().map(|part| part.noms.as_str()).collect();
    let rows: Vec<(Uuid, String, Json<DeliusWrite>)> = in_time(
        sqlx::query_as(
            "select id, case_id, intent from outbox where case_id = any($1) and state = 'done'
             order by case_id, sequence, ordinal",
        )
        .bind(numbers)
        .fetch_all(pool),
    )
    .await?;
    let is_the_persons = |case: &str, write: &DeliusWrite| {
        let parts = person.parts.iter().filter(|part| part.noms.as_str() == case);
        write.held_from().is_some_and(|at| parts.into_iter().any(|part| part.contains(at)))
    };
    let of_person = rows.into_iter().filter(|(_, case, Json(write))| is_the_persons(case, write));
    Ok(of_person.map(|(id, _, Json(write))| RecordedWrite { id, write }).collect())
}

async fn known(pool: &PgPool, ledger: &[LedgerEntry]) -> sqlx::Result<BTreeSet<Uuid>> {
    let ids: Vec<Uuid> = ledger.iter().map(|entry| entry.id).collect();
    let known: Vec<Uuid> =
        in_time(sqlx::query_scalar("select id from outbox where id = any($1)").bind(ids).fetch_all(pool))
            .await?;
    Ok(known.into_iter().collect())
}

async fn was_erased(pool: &PgPool, person: &Person) -> sqlx::Result<bool> {
    let mut connection = pool.acquire().await?;
    for noms in person.numbers() {
        if !erasure::of(&mut connection, &noms).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
