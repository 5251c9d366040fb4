//! What reconcile keeps in the store: differences that were accepted, and one summary per run.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use super::{Difference, Tally};
use crate::case::NomsNumber;

/// Who decided, and why.
#[derive(Debug, Clone)]
pub struct Decided {
    pub by: String,
    pub why: String,
}

/// Accepts differences of a case: later runs list them and do not fail because of them.
pub async fn accept(
    pool: &PgPool,
    noms: &NomsNumber,
    differences: &[Difference],
    decided: &Decided,
) -> sqlx::Result<()> {
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    sqlx::query(
        "insert into reconcile_accepted (case_id, difference, by_whom, why)
         select $1, difference, $3, $4 from unnest($2::text[]) as difference",
    )
    .bind(noms.as_str())
    .bind(texts)
    .bind(&decided.by)
    .bind(&decided.why)
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn accepted(pool: &PgPool, noms: &NomsNumber) -> sqlx::Result<BTreeSet<String>> {
    let found: Vec<String> =
        sqlx::query_scalar("select difference from reconcile_accepted where case_id = $1")
            .bind(noms.as_str())
            .fetch_all(pool)
            .await?;
    Ok(found.into_iter().collect())
}

/// Records what a run found.
pub async fn record_run(
    pool: &PgPool,
    started_at: DateTime<Utc>,
    fixed: bool,
    decided: &Decided,
    tally: &Tally,
) -> sqlx::Result<()> {
    // How far the run came names a person, and the row stays for ever.
    let summary = json!(Tally { up_to: None, ..tally.clone() });
    tracing::info!(
        compared = tally.compared,
        differ = tally.differ,
        repaired = tally.repaired,
        unknown_persons = tally.unknown_persons,
        not_compared = tally.not_compared,
        fixed,
        by = decided.by,
        "reconcile run ended"
    );
    sqlx::query(
        "insert into reconcile_runs (started_at, by_whom, why, fixed, summary) values ($1, $2, $3, $4, $5)",
    )
    .bind(started_at)
    .bind(&decided.by)
    .bind(&decided.why)
    .bind(fixed)
    .bind(summary)
    .execute(pool)
    .await?;
    Ok(())
}
