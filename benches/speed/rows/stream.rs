//! From SQS to the commit in Delius.

use std::time::{Duration, Instant};

use anyhow::ensure;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::{interval, sleep};

use super::{Row, Sizes};
use crate::{
    floors,
    ground::{Ground, World},
    messages::{Mix, messages, noms},
    report::{Report, percentile},
};

/// Times of the commits in Delius, one for each applied write. The server notes them (`track_commit_timestamp`).
const COMMITS: &str = "select pg_xact_commit_timestamp(xmin) from pom_cases_write_ledger order by 1";

/// Several streams, and the floor: plain commits.
pub(crate) struct Stream {
    pub(crate) sizes: Sizes,
}

#[async_trait]
impl Row for Stream {
    fn name(&self) -> &'static str {
        "stream"
    }

    async fn measure(&mut self, ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
        let floor = floors::commits_per_second(ground, self.sizes.seconds).await?;
        report.add("floor: pgbench, 8 clients, one jsonb row per commit", "/s", floor);
        let short = self.sizes.short;
        for (what, mix) in [
            ("handover", Mix::Handover),
            ("allocation", Mix::Allocation),
            ("mixed", Mix::Mixed),
            ("20 per case", Mix::TwentyPerCase),
        ] {
            let run = run(ground, mix, short).await?;
            report.add(format!("SQS to Delius, {what}, {short} messages"), "/s", run.rate());
            if mix == Mix::Handover {
                report.share("  its share of the pgbench commits", run.rate(), floor);
                report.add("  CPU of the service per message", "ms", run.cpu_ms / f64::from(short));
                report.add("  start to ready", "ms", run.start_to_ready.as_secs_f64() * 1000.0);
                report.add("  memory when ready", "MiB", run.idle_mib);
                report.add("  memory after the run", "MiB", run.memory_mib);
            }
        }
        let handover = report.last(&format!("SQS to Delius, handover, {short} messages")).unwrap_or_default();
        let long = self.sizes.long;
        let run = run(ground, Mix::Handover, long).await?;
        report.add(format!("SQS to Delius, handover, {long} messages"), "/s", run.rate());
        report.share(format!("  its share of the rate at {short}"), run.rate(), handover);
        report.add("  its slowest tenth", "/s", run.slowest_tenth());
        Ok(())
    }
}

/// One long run, beside a short one before it.
pub(crate) async fn once(ground: &Ground, count: u32, report: &mut Report) -> anyhow::Result<()> {
    let short = run(ground, Mix::Handover, 2_000).await?;
    let long = run(ground, Mix::Handover, count).await?;
    report.add(format!("SQS to Delius, handover, {count} messages, once"), "/s", long.rate());
    report.share("  its share of the rate at 2000", long.rate(), short.rate());
    report.add("  its slowest tenth", "/s", long.slowest_tenth());
    report.add("  memory after the run", "MiB", long.memory_mib);
    Ok(())
}

struct Run {
    /// Seconds from the moment at which the messages became visible to each commit in Delius, in order.
    commits: Vec<f64>,
    cpu_ms: f64,
    idle_mib: f64,
    memory_mib: f64,
    start_to_ready: Duration,
}

impl Run {
    fn rate(&self) -> f64 {
        self.commits.len() as f64 / self.commits.last().copied().unwrap_or(f64::NAN)
    }

    fn slowest_tenth(&self) -> f64 {
        let size = (self.commits.len() / 10).max(1);
        let ends: Vec<f64> = std::iter::once(0.0)
            .chain(self.commits.chunks(size).filter_map(|tenth| tenth.last().copied()))
            .collect();
        ends.windows(2).map(|pair| size as f64 / (pair[1] - pair[0])).fold(f64::INFINITY, f64::min)
    }
}

/// All messages become visible at one moment, to a service that is ready.
async fn run(ground: &Ground, mix: Mix, count: u32) -> anyhow::Result<Run> {
    let queue = ground.stand_in.new_queue();
    let bodies = messages(mix, count, 0, &ground.stand_in.mpc_url());
    let world = ground.world().await?;
    let service = world.serve("api,ingest,relay").await?;
    let (idle_mib, idle_cpu) = (service.memory_mib()?, service.cpu_ms()?);
    let began = Utc::now();
    queue.send(bodies);
    applied(&world, count).await?;
    let cpu_ms = service.cpu_ms()? - idle_cpu;
    let (memory_mib, start_to_ready) = (service.memory_mib()?, service.start_to_ready);
    let commits = commits(&world, began).await?;
    service.stop().await?;
    let counts = queue.counts();
    ensure!(counts.dead == 0, "{} messages are in the dead-letter queue", counts.dead);
    world.close().await?;
    Ok(Run { commits, cpu_ms, idle_mib, memory_mib, start_to_ready })
}

async fn commits(world: &World<'_>, began: DateTime<Utc>) -> anyhow::Result<Vec<f64>> {
    let commits: Vec<DateTime<Utc>> = sqlx::query_scalar(COMMITS).fetch_all(&world.delius).await?;
    Ok(commits.into_iter().map(|at| (at - began).as_seconds_f64()).collect())
}

/// Waits until so many writes are applied.
pub(super) async fn applied(world: &World<'_>, count: u32) -> anyhow::Result<()> {
    let (began, mut last, mut progress) = (Instant::now(), -1, Instant::now());
    loop {
        let done: i64 = sqlx::query_scalar("select count(*) from pom_cases_write_ledger")
            .fetch_one(&world.delius)
            .await?;
        if done >= i64::from(count) {
            return Ok(());
        }
        if done != last {
            (last, progress) = (done, Instant::now());
        }
        ensure!(progress.elapsed() < Duration::from_secs(60), "stuck at {done} of {count} writes");
        // Rarely, so that the question does not weigh on what is measured.
        sleep(if began.elapsed() < Duration::from_secs(3) {
            Duration::from_millis(50)
        } else {
            Duration::from_millis(200)
        })
        .await;
    }
}

/// Transactions and statements per message, which do not depend on how busy the machine is.
pub(crate) struct Counts {
    pub(crate) sizes: Sizes,
}

#[async_trait]
impl Row for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    async fn measure(&mut self, ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
        let count = self.sizes.short;
        let queue = ground.stand_in.new_queue();
        let bodies = messages(Mix::Handover, count, 0, &ground.stand_in.mpc_url());
        let world = ground.world().await?;
        sqlx::query("create extension if not exists pg_stat_statements").execute(ground.admin()).await?;
        for database in ["speed_store", "speed_delius"] {
            let track = format!("alter database {database} set pg_stat_statements.track = 'top'");
            sqlx::query(&track).execute(ground.admin()).await?;
        }
        sqlx::query("select pg_stat_statements_reset()").execute(ground.admin()).await?;
        let service = world.serve("api,ingest,relay").await?;
        let before =
            [transactions(ground, "speed_store").await?, transactions(ground, "speed_delius").await?];
        queue.send(bodies);
        applied(&world, count).await?;
        service.stop().await?;
        for (database, before, what) in
            [("speed_store", before[0], "store"), ("speed_delius", before[1], "Delius")]
        {
            let made = transactions(ground, database).await? - before;
            report.add(format!("{what} transactions per message"), "", made / f64::from(count));
            let calls: i64 = sqlx::query_scalar(
                "select coalesce(sum(calls), 0)::bigint
                 from pg_stat_statements join pg_database on pg_database.oid = dbid where datname = $1",
            )
            .bind(database)
            .fetch_one(ground.admin())
            .await?;
            report.add(format!("{what} statements per message"), "", calls as f64 / f64::from(count));
            print_statements(ground, database, count).await?;
        }
        world.close().await
    }
}

async fn transactions(ground: &Ground, database: &str) -> anyhow::Result<f64> {
    let made: i64 =
        sqlx::query_scalar("select xact_commit + xact_rollback from pg_stat_database where datname = $1")
            .bind(database)
            .fetch_one(ground.admin())
            .await?;
    Ok(made as f64)
}

async fn print_statements(ground: &Ground, database: &str, count: u32) -> anyhow::Result<()> {
    let statements: Vec<(i64, f64, String)> = sqlx::query_as(
        r"select calls, total_exec_time, left(regexp_replace(query, '\s+', ' ', 'g'), 90)
          from pg_stat_statements join pg_database on pg_database.oid = dbid
          where datname = $1 order by total_exec_time desc limit 16",
    )
    .bind(database)
    .fetch_all(ground.admin())
    .await?;
    for (calls, total_ms, query) in statements {
        let per_message = calls as f64 / f64::from(count);
        eprintln!(
            "      {per_message:>6.2} calls per message {:>8.3} ms per call  {query}",
            total_ms / calls as f64
        );
    }
    Ok(())
}

/// How long a message takes while the service has time.
pub(crate) struct Latency {
    pub(crate) sizes: Sizes,
}

#[async_trait]
impl Row for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    async fn measure(&mut self, ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
        // The first second warms up: connections are opened and statements are planned.
        let count = 100 * (1 + self.sizes.seconds.max(2));
        let queue = ground.stand_in.new_queue();
        let bodies = messages(Mix::Handover, count, 0, &ground.stand_in.mpc_url());
        let world = ground.world().await?;
        let service = world.serve("api,ingest,relay").await?;
        let mut ticks = interval(Duration::from_millis(10));
        let mut sent = vec![];
        for body in bodies {
            ticks.tick().await;
            sent.push(Utc::now());
            queue.send([body]);
        }
        applied(&world, count).await?;
        let committed: Vec<(String, DateTime<Utc>)> =
            sqlx::query_as("select noms_number, pg_xact_commit_timestamp(xmin) from pom_cases_write_ledger")
                .fetch_all(&world.delius)
                .await?;
        let committed: std::collections::HashMap<_, _> = committed.into_iter().collect();
        let mut latencies: Vec<f64> = (0_u32..)
            .zip(&sent)
            .filter_map(|(person, sent)| {
                let latency = *committed.get(&noms(person))? - *sent;
                Some(latency.as_seconds_f64() * 1000.0)
            })
            .collect();
        let mut steady = latencies.split_off(100.min(latencies.len()));
        report.add(
            "latency at 100 messages/s, the slowest of the first second",
            "ms",
            percentile(&mut latencies, 1.0),
        );
        report.add("latency at 100 messages/s, p50", "ms", percentile(&mut steady, 0.5));
        report.add("latency at 100 messages/s, p99", "ms", percentile(&mut steady, 0.99));
        service.stop().await?;
        world.close().await
    }
}
