//! Verifying and replaying everything, beside reading the same bytes and hashing them.

use std::time::Instant;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use manage_pom_cases_and_delius::audit::{
    journal::{Journal, verify},
    replay,
};
use sha2::{Digest, Sha256};
use sqlx::{PgPool, postgres::PgPoolCopyExt};

use super::{Row, Sizes};
use crate::{ground::Ground, report::Report};

/// Events of one case.
const PER_CASE: u32 = 20;

pub(crate) struct Audit {
    pool: PgPool,
}

impl Audit {
    pub(crate) async fn prepare(ground: &Ground, sizes: Sizes) -> anyhow::Result<Self> {
        let pool = ground.create("speed_audit", Some("speed_store_template")).await?;
        super::append::fill(&pool, sizes.events / PER_CASE, PER_CASE).await?;
        sqlx::raw_sql("vacuum analyze").execute(&pool).await?;
        Journal::new(pool.clone()).catch_up().await?;
        pool.close().await;
        // Reports read everything, and connect without the settings that are made for the service.
        Ok(Self { pool: PgPool::connect_with(ground.options("speed_audit")).await? })
    }
}

#[async_trait]
impl Row for Audit {
    fn name(&self) -> &'static str {
        "audit"
    }

    async fn measure(&mut self, _: &Ground, report: &mut Report) -> anyhow::Result<()> {
        let (events, copied, bytes) = copy(&self.pool).await?;
        report.add("floor: copy events to stdout", "/s", events / copied);
        let began = Instant::now();
        let digest = Sha256::digest(&bytes);
        std::hint::black_box(digest);
        let hashed = began.elapsed().as_secs_f64();
        report.add("floor: SHA-256 of the same bytes", "/s", events / hashed);
        let slower = (events / copied).min(events / hashed);

        let began = Instant::now();
        let intact = verify::verify(&self.pool, &verify::VerifyRequest::default(), |_, _| {}).await?;
        anyhow::ensure!(intact.is_ok(), "the journal is not intact");
        let verified = events / began.elapsed().as_secs_f64();
        report.add("verify", "events/s", verified);
        report.share("  share of verify in the slower floor", verified, slower);

        let began = Instant::now();
        let replayed = replay::all(&self.pool, |_, _| {}).await?;
        anyhow::ensure!(replayed.is_ok(), "the journal is not intact");
        let replayed = events / began.elapsed().as_secs_f64();
        report.add("replay", "events/s", replayed);
        report.share("  share of replay in the slower floor", replayed, slower);
        Ok(())
    }
}

/// Number of events, seconds to copy them out, and their bytes.
async fn copy(pool: &PgPool) -> anyhow::Result<(f64, f64, Vec<u8>)> {
    let events: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(pool).await?;
    let began = Instant::now();
    let mut bytes = vec![];
    let mut copied = pool.copy_out_raw("copy events to stdout").await?;
    while let Some(chunk) = copied.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok((events as f64, began.elapsed().as_secs_f64(), bytes))
}
