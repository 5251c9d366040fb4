//! How fast the service is, beside the floor of the same work on the same machine in the same run.
//!
//! `make bench` starts what this needs and runs it. Every row is measured in alternating rounds, so that what else
//! happens on the machine meets a row and its floor alike; the report has medians with the least and the greatest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod floors;
mod ground;
mod messages;
mod report;
mod rows;
mod stand_in;
use std::{path::PathBuf, time::Instant};

use support::stand_ins;

use anyhow::Context;
use clap::Parser;

use crate::{ground::Ground, report::Report, rows::Sizes};

/// What the service runs with; some rows run its parts in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the service beside its floors.
#[derive(Debug, Parser)]
struct Arguments {
    /// One round with small numbers, to see whether something became slower by much
    #[arg(long)]
    quick: bool,
    /// Rounds; 5 without --quick
    #[arg(long)]
    rounds: Option<u32>,
    /// Rows to measure, separated by commas; all without it
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Messages of the run that is made once, when there are any
    #[arg(long, env = "BENCH_ONCE", default_value_t = 0)]
    once: u32,
    /// Also measure what grows with the tables, up to five million events (some minutes more)
    #[arg(long, env = "BENCH_GROWTH")]
    growth: bool,
    /// File that gets the figures as JSON
    #[arg(long, env = "BENCH_JSON", default_value = "bench.json")]
    json: PathBuf,
    /// Given by `cargo bench`; means nothing
    #[arg(long, hide = true)]
    bench: bool,
}

fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = read("/proc/meminfo").lines().next().unwrap_or_default().to_owned();
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().next().unwrap_or_default();
    format!(
        "{cores} cores of {}; {memory}; load average {load} at the start",
        model.trim_start_matches([' ', '\t', ':'])
    )
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let server_url = std::env::var("DATABASE_URL").context("DATABASE_URL of a server; run `make bench`")?;
    let sizes = if arguments.quick { Sizes::QUICK } else { Sizes::FULL };
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 1 } else { 5 });
    let machine = machine();
    eprintln!("{machine}");
    let ground = Ground::lay(&server_url, sizes.persons).await?;
    let mut report = Report::default();
    let mut rows = rows::all(&ground, sizes, &arguments.only).await?;
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for row in &mut rows {
            let began = Instant::now();
            row.measure(&ground, &mut report).await.with_context(|| format!("in the row {}", row.name()))?;
            eprintln!("  {} took {:.1} s", row.name(), began.elapsed().as_secs_f64());
        }
    }
    if arguments.once > 0 {
        // Databases with so many persons are for this run alone: copying them would slow the others down.
        let larger = Ground::lay(&server_url, sizes.persons.max(arguments.once)).await?;
        rows::stream::once(&larger, arguments.once, &mut report).await?;
    }
    if arguments.growth {
        rows::growth::once(&ground, &mut report).await?;
    }
    println!("{machine}\n\n{}", report.table());
    report.write_json(&arguments.json, &machine)?;
    eprintln!("as JSON in {}", arguments.json.display());
    Ok(())
}
