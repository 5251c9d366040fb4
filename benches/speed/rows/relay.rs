//! The relay alone, beside a bare loop that makes the same Delius transactions.

use std::time::Instant;

use async_trait::async_trait;
use chrono::Utc;
use futures_util::{StreamExt, stream};
use manage_pom_cases_and_delius::{
    case::{AddressedWrite, DeliusWrite},
    delius::Delius,
};
use sqlx::types::{Json, Uuid};

use super::{Row, Sizes, stream::applied};
use crate::{
    ground::Ground,
    messages::{Mix, messages},
    report::Report,
};

/// As many writes at once as the relay makes.
const CONCURRENCY: usize = 8;

pub(crate) struct Relay {
    pub(crate) sizes: Sizes,
}

#[async_trait]
impl Row for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    async fn measure(&mut self, ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
        let count = self.sizes.short;
        let queue = ground.stand_in.new_queue();
        let bodies = messages(Mix::Handover, count, 0, &ground.stand_in.mpc_url());
        let world = ground.world().await?;

        let ingest = world.serve("ingest").await?;
        let began = Instant::now();
        queue.send(bodies);
        while queue.counts().visible + queue.counts().in_flight > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        report.add(
            "SQS to store (role ingest alone)",
            "/s",
            f64::from(count) / began.elapsed().as_secs_f64(),
        );
        ingest.stop().await?;

        let writes = writes(&world.store).await?;
        let began = Utc::now();
        let relay = world.serve("relay").await?;
        applied(&world, count).await?;
        // From the first commit on: how long the process takes to start is another row.
        let (first, last): (chrono::DateTime<Utc>, chrono::DateTime<Utc>) = sqlx::query_as(
            "select min(pg_xact_commit_timestamp(xmin)), max(pg_xact_commit_timestamp(xmin)) from pom_cases_write_ledger",
        )
        .fetch_one(&world.delius)
        .await?;
        relay.stop().await?;
        let alone = f64::from(count) / (last - first.max(began)).as_seconds_f64();
        report.add("relay alone", "/s", alone);
        world.close().await?;

        let bare = bare_loop(ground, writes).await?;
        report.add("floor: a bare loop of the same Delius transactions", "/s", bare);
        report.share("  share of the relay in it", alone, bare);
        Ok(())
    }
}

async fn writes(store: &sqlx::PgPool) -> anyhow::Result<Vec<AddressedWrite>> {
    let rows: Vec<(Uuid, String, Json<DeliusWrite>)> =
        sqlx::query_as("select id, case_id, intent from outbox order by created_at").fetch_all(store).await?;
    rows.into_iter()
        .map(|(id, noms, intent)| Ok(AddressedWrite { id, noms: noms.parse()?, write: intent.0 }))
        .collect()
}

async fn bare_loop(ground: &Ground, writes: Vec<AddressedWrite>) -> anyhow::Result<f64> {
    let world = ground.world().await?;
    let delius = Delius::open(world.delius.clone()).await?;
    let (count, began) = (writes.len() as f64, Instant::now());
    let mut applying = stream::iter(writes)
        .map(|write| {
            let delius = delius.clone();
            tokio::spawn(async move { delius.apply(&write).await })
        })
        .buffer_unordered(CONCURRENCY);
    while let Some(applied) = applying.next().await {
        applied??;
    }
    let rate = count / began.elapsed().as_secs_f64();
    world.close().await?;
    Ok(rate)
}
