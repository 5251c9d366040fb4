//! What a claim costs with a short queue, with a long one, and with a great many rows behind parked heads.

use std::time::{Duration, Instant};

use anyhow::ensure;
use async_trait::async_trait;
use manage_pom_cases_and_delius::outbox::table;
use sqlx::PgPool;

use super::{Row, Sizes};
use crate::{
    ground::Ground,
    report::{Report, percentile},
};

const SHORT: u32 = 100;
const ROWS_OF_A_PARKED_CASE: u32 = 30;

pub(super) const INTENT: &str = r#"{"kind": "setHandoverDates", "handoverDate": "2027-01-04", "handoverStartDate": "2027-01-04", "dryRun": false}"#;

/// Claims of one measurement; each takes eight rows and gives them back.
const CLAIMS: u32 = 40;

pub(crate) struct Claim {
    /// What the queue holds, its database and how many of its rows are pending.
    queues: Vec<(String, PgPool)>,
}

impl Claim {
    pub(crate) async fn prepare(ground: &Ground, sizes: Sizes) -> anyhow::Result<Self> {
        let mut queues = vec![];
        for (name, pending, blocked) in [
            ("speed_claim_short", SHORT, 0),
            ("speed_claim_long", sizes.pending, 0),
            ("speed_claim_blocked", SHORT, sizes.blocked),
        ] {
            let pool = ground.create(name, Some("speed_store_template")).await?;
            fill(&pool, pending, blocked).await?;
            let what = match blocked {
                0 => format!("claim of 8, {pending} pending"),
                _ => format!("claim of 8, {pending} pending, {blocked} behind parked heads"),
            };
            queues.push((what, pool));
        }
        Ok(Self { queues })
    }
}

async fn fill(pool: &PgPool, pending: u32, blocked: u32) -> anyhow::Result<()> {
    sqlx::raw_sql(&format!(
        "insert into outbox (id, case_id, sequence, ordinal, kind, intent, state, is_head)
         select gen_random_uuid(), 'B' || lpad((n % 10000)::text, 4, '0') || chr(65 + n / 260000) || chr(65 + (n / 10000) % 26),
                1, 0, 'setHandoverDates', '{INTENT}', 'pending', true
         from generate_series(0, {pending} - 1) n;
         insert into outbox (id, case_id, sequence, ordinal, kind, intent, state, is_head, available_at)
         select gen_random_uuid(), 'C' || lpad((n % 10000)::text, 4, '0') || chr(65 + n / 260000) || chr(65 + (n / 10000) % 26),
                place, 0, 'setHandoverDates', '{INTENT}', case place when 1 then 'parked' else 'pending' end,
                place = 1, clock_timestamp() - interval '1 hour'
         from generate_series(0, {blocked} / {ROWS_OF_A_PARKED_CASE}) n, generate_series(1, {ROWS_OF_A_PARKED_CASE}) place
         where {blocked} > 0",
    ))
    .execute(pool)
    .await?;
    sqlx::raw_sql("vacuum analyze outbox").execute(pool).await?;
    Ok(())
}

#[async_trait]
impl Row for Claim {
    fn name(&self) -> &'static str {
        "claim"
    }

    async fn measure(&mut self, _: &Ground, report: &mut Report) -> anyhow::Result<()> {
        let mut short = None;
        for (what, pool) in &self.queues {
            let took = one_claim_ms(pool).await?;
            report.add(what.clone(), "ms", took);
            match short {
                None => short = Some(took),
                Some(short) => report.share("  in relation to the short queue", took, short),
            }
        }
        Ok(())
    }
}

pub(super) async fn one_claim_ms(pool: &PgPool) -> anyhow::Result<f64> {
    let mut took = vec![];
    for _ in 0..CLAIMS {
        let began = Instant::now();
        let claims = table::claim(pool, "speed", 8, Duration::from_secs(60)).await?;
        took.push(began.elapsed().as_secs_f64() * 1000.0);
        ensure!(claims.len() == 8, "{} of 8 were claimed", claims.len());
        for claim in claims {
            table::release(pool, &claim).await?;
        }
        if took.iter().sum::<f64>() > 10_000.0 {
            break;
        }
    }
    Ok(percentile(&mut took, 0.5))
}
