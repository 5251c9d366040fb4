//! The read API: reading through to Delius beside a primary-key select, and a kept record beside a static file.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::PgPool;

use super::{Row, Sizes};
use crate::{
    floors::{Load, Nginx, wrk},
    ground::Ground,
    report::{Report, percentile},
};

const BATCH: u32 = 500;

pub(crate) struct Reads {
    pub(crate) sizes: Sizes,
}

#[async_trait]
impl Row for Reads {
    fn name(&self) -> &'static str {
        "reads"
    }

    async fn measure(&mut self, ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
        let seconds = self.sizes.seconds;
        let token = ground.stand_in.token()?;
        ground.stand_in.new_queue();
        let world = ground.world().await?;
        let service = world.serve("api,ingest").await?;
        let base = format!("http://{}", service.address);

        let through = script(ground, "through.lua", &through(&token, ground.persons()))?;
        for connections in [5_u32, 32] {
            let select = primary_key_select(&world.delius, ground.persons(), connections, seconds).await?;
            report.add(
                format!("floor: primary-key select, {connections} connections, p50"),
                "ms",
                select.p50_ms,
            );
            report.add(
                format!("floor: primary-key select, {connections} connections"),
                "/s",
                select.per_second,
            );
            let load = wrk(&base, connections, seconds, &through)?;
            report.add(format!("read-through, {connections} connections"), "/s", load.per_second);
            report.add(format!("read-through, {connections} connections, p50"), "ms", load.p50_ms);
            report.share(
                format!("  p50 in relation to the select, {connections} connections"),
                load.p50_ms,
                select.p50_ms,
            );
        }
        report.add(format!("read-through, batch of {BATCH}, p50"), "ms", batch_p50_ms(&base, &token).await?);

        let kept = format!("{base}/case-records/Y000001");
        let http = reqwest::Client::new();
        let record = http.get(&kept).bearer_auth(&token).send().await?.error_for_status()?.bytes().await?;
        let nginx = Nginx::serve(&ground.state, &record)?;
        let script =
            script(ground, "kept.lua", &format!("wrk.headers['Authorization'] = 'Bearer {token}'\n"))?;
        let floor = wrk(&nginx.url, 64, seconds, &script)?;
        let load = wrk(&kept, 64, seconds, &script)?;
        report.add("floor: nginx, a static file, 64 connections", "/s", floor.per_second);
        report.add("kept record, 64 connections", "/s", load.per_second);
        report.share("  its share of nginx", load.per_second, floor.per_second);
        drop(nginx);
        service.stop().await?;
        world.close().await
    }
}

fn script(ground: &Ground, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let file = ground.state.join(name);
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Every request asks for another person, straight from Delius.
fn through(token: &str, persons: u32) -> String {
    format!(
        "local number = 0
         local headers = {{ ['Authorization'] = 'Bearer {token}', ['Cache-Control'] = 'no-cache' }}
         function request()
             number = (number + 7919) % {persons}
             return wrk.format('GET', string.format('/case-records/Y%06d', number), headers)
         end\n"
    )
}

/// A select of one row by its key, at the same concurrency and through a pool of the service's size.
async fn primary_key_select(
    pool: &PgPool,
    persons: u32,
    connections: u32,
    seconds: u32,
) -> anyhow::Result<Load> {
    let first: i64 = sqlx::query_scalar("select min(offender_id) from offender where crn like 'Y%'")
        .fetch_one(pool)
        .await?;
    let (began, length) = (Instant::now(), Duration::from_secs(u64::from(seconds)));
    let workers: Vec<_> = (0..connections)
        .map(|worker| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let (mut took, mut number) = (vec![], worker);
                while began.elapsed() < length {
                    number = (number + 7919) % persons;
                    let asked = Instant::now();
                    let _: (i64, String) =
                        sqlx::query_as("select offender_id, crn from offender where offender_id = $1")
                            .bind(first + i64::from(number))
                            .fetch_one(&pool)
                            .await?;
                    took.push(asked.elapsed().as_secs_f64() * 1000.0);
                }
                anyhow::Ok(took)
            })
        })
        .collect();
    let mut took = vec![];
    for worker in workers {
        took.extend(worker.await??);
    }
    let per_second = took.len() as f64 / began.elapsed().as_secs_f64();
    Ok(Load { per_second, p50_ms: percentile(&mut took, 0.5) })
}

async fn batch_p50_ms(base: &str, token: &str) -> anyhow::Result<f64> {
    let people: Vec<String> = (0..BATCH).map(|number| format!("Y{number:06}")).collect();
    let http = reqwest::Client::new();
    let mut took = vec![];
    for _ in 0..20 {
        let began = Instant::now();
        http.post(format!("{base}/case-records"))
            .bearer_auth(token)
            .header("Cache-Control", "no-cache")
            .json(&people)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(percentile(&mut took, 0.5))
}
