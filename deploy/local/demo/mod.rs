//! `local demo`: publishes the event samples to SNS, waits until the running service has accounted for each and applied
//! its writes, and prints the result. Fails when a sample did not lead to what its line `leadsTo` says.

mod evidence;
mod samples;
mod show;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use aws_config::BehaviorVersion;
use evidence::Finding;
use indicatif::{ProgressBar, ProgressStyle};
use manage_pom_cases_and_delius::cli;
use samples::Sample;
use sqlx::PgPool;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the samples
    #[arg(long, default_value = "event-samples")]
    samples: PathBuf,
    /// Directory for copies of the samples whose addresses are on MPC_URL
    #[arg(long)]
    rewritten: PathBuf,
    /// Our store
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Origin of Manage POM Cases
    #[arg(long, env = "MPC_URL")]
    mpc_url: String,
    /// SNS topic that the queue is subscribed to
    #[arg(long, env = "TOPIC_ARN")]
    topic_arn: String,
    /// Program of the service
    #[arg(long)]
    service: PathBuf,
    /// Address of its API
    #[arg(long)]
    api_url: String,
    /// HMPPS Auth
    #[arg(long, env = "AUTH_URL")]
    auth_url: String,
    /// Client id for trying the API
    #[arg(long, env = "READER_ID", default_value = "reader")]
    reader_id: String,
    /// Client secret for trying the API
    #[arg(long, env = "READER_SECRET", default_value = "reader", hide_env_values = true)]
    reader_secret: String,
    /// Stop waiting after this many seconds without progress
    #[arg(long, default_value_t = 60)]
    patience: u64,
}

/// A published sample.
struct Published {
    sample: Sample,
    message_id: String,
    finding: Finding,
}

impl Published {
    fn is_kept(&self) -> bool {
        self.finding.settled && self.finding.names == self.sample.promised
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let samples = samples::load(&arguments.samples, &arguments.mpc_url, &arguments.rewritten)?;
    println!(
        "{} event samples; https://mpc.example in them is replaced by {} ({})",
        samples.len(),
        arguments.mpc_url,
        arguments.rewritten.display()
    );
    let store = PgPool::connect(&arguments.database_url).await.context("while connecting to DATABASE_URL")?;
    let mut published = publish(samples, &arguments.topic_arn).await?;
    wait(&store, &mut published, Duration::from_secs(arguments.patience)).await?;

    for one in &published {
        show::sample(one);
    }
    let kept = published.iter().filter(|one| one.is_kept()).count();
    println!("\n{kept} of {} samples led to what was expected", published.len());
    let history = show::history(&arguments.service, "A1001AA").await;
    let reads = show::reads(&arguments).await;
    history?;
    reads?;
    if kept < published.len() {
        for one in published.iter().filter(|one| !one.is_kept()) {
            println!("not as expected: {}", one.sample.file);
        }
        bail!("{} samples did not lead to what was expected; see above", published.len() - kept);
    }
    Ok(ExitCode::SUCCESS)
}

async fn publish(samples: Vec<Sample>, topic: &str) -> anyhow::Result<Vec<Published>> {
    let sns = aws_sdk_sns::Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let mut published = Vec::with_capacity(samples.len());
    for sample in samples {
        let message_id = cli::publish(&sns, topic, &sample.text)
            .await
            .with_context(|| format!("while publishing {} to {topic}", sample.file))?;
        published.push(Published { sample, message_id, finding: Finding::default() });
    }
    Ok(published)
}

/// Waits until every sample led to what is expected, or nothing has changed for the given time.
async fn wait(store: &PgPool, published: &mut [Published], patience: Duration) -> anyhow::Result<()> {
    let bar = ProgressBar::new(published.len() as u64);
    bar.set_style(ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}  {elapsed}")?);
    bar.set_message("Waiting for the service");
    let mut moved = Instant::now();
    let mut before = 0;
    loop {
        for one in published.iter_mut().filter(|one| !one.is_kept()) {
            one.finding = evidence::find(store, &one.message_id).await?;
        }
        let kept = published.iter().filter(|one| one.is_kept()).count();
        bar.set_position(kept as u64);
        let progress = kept + published.iter().map(|one| one.finding.told.len()).sum::<usize>();
        if progress != before {
            (before, moved) = (progress, Instant::now());
        }
        if kept == published.len() || moved.elapsed() > patience {
            bar.finish_and_clear();
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
