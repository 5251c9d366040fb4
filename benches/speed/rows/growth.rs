//! What an append, a claim and the history of one case cost while the tables grow.

use std::{sync::Arc, time::Instant};

use manage_pom_cases_and_delius::{
    audit::history,
    case::NomsNumber,
    event_store::{CaseStore, Cause},
};
use sqlx::PgPool;

use super::{append, claim, claim::INTENT};
use crate::{
    ground::Ground,
    messages::noms,
    report::{Report, percentile},
};

const SIZES: [u32; 4] = [10_000, 100_000, 1_000_000, 5_000_000];
/// Writes that were applied long ago.
const FINISHED: u32 = 1_000_000;
/// Writes that wait.
const PENDING: u32 = 100;
/// Events of one case.
const PER_CASE: u32 = 20;
const HISTORIES: u32 = 40;

/// Every size once. The events are copies of those of one case, and the journal has none of them.
pub(crate) async fn once(ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
    let pool = ground.create("speed_growth", Some("speed_store_template")).await?;
    append::fill(&pool, 1, PER_CASE).await?;
    // Filling takes longer than a statement of the service may.
    let filling = PgPool::connect_with(ground.options("speed_growth")).await?;
    writes(&filling).await?;
    let mut there = 0;
    for events in SIZES {
        grow(&filling, there, events).await?;
        there = events;
        ground.settle().await?;
        let store = Arc::new(CaseStore::new(pool.clone(), append::services()));
        let appended = append::commands_per_second(3, move |noms, command, receipt| {
            let store = Arc::clone(&store);
            async move { Ok(store.execute(&noms, command, Cause::Message(receipt)).await.map(|_| ())?) }
        });
        report.add(format!("append, 8 cases at once, {events} events"), "/s", appended.await?);
        let claimed = claim::one_claim_ms(&pool).await?;
        report.add(format!("claim of 8, {FINISHED} finished writes, {events} events"), "ms", claimed);
        report.add(format!("history of one case, {events} events"), "ms", history_ms(&pool).await?);
    }
    filling.close().await;
    pool.close().await;
    ground.drop("speed_growth").await
}

async fn writes(pool: &PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql(&format!(
        "insert into outbox (id, case_id, sequence, ordinal, kind, intent, state, finished_at)
         select gen_random_uuid(), 'D' || lpad((n / 20)::text, 7, '0'), n % 20 + 1, 0, 'setHandoverDates', '{{}}', 'done',
                clock_timestamp()
         from generate_series(0, {FINISHED} - 1) n;
         insert into outbox (id, case_id, sequence, ordinal, kind, intent, is_head)
         select gen_random_uuid(), 'F' || lpad((n % 10000)::text, 4, '0') || 'AA', 1, 0, 'setHandoverDates', '{INTENT}', true
         from generate_series(1, {PENDING}) n"
    ))
    .execute(pool)
    .await?;
    Ok(())
}

async fn grow(pool: &PgPool, from: u32, to: u32) -> anyhow::Result<()> {
    let (first, last) = (from / PER_CASE, to / PER_CASE - 1);
    let sample = noms(0);
    sqlx::raw_sql(&format!(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         select 'case', 'E' || lpad(n::text, 7, '0'), sequence, event_type, event_version, payload, metadata
         from generate_series({first}, {last}) n, events
         where aggregate_type = 'case' and aggregate_id = '{sample}' and sequence <= {PER_CASE}"
    ))
    .execute(pool)
    .await?;
    sqlx::raw_sql("vacuum analyze events, outbox").execute(pool).await?;
    Ok(())
}

async fn history_ms(pool: &PgPool) -> anyhow::Result<f64> {
    let noms: NomsNumber = noms(0).parse()?;
    let mut took = vec![];
    for _ in 0..HISTORIES {
        let began = Instant::now();
        anyhow::ensure!(history::load(pool, &noms).await?.is_some(), "there is no history");
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(percentile(&mut took, 0.5))
}
