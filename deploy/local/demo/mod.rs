//! `local demo`: publishes the event samples to SNS, waits until the running service has accounted for each and
//! applied its writes, and shows what a person wants to see. Fails when a sample did not do what its line promises.

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
    /// Directory that gets the samples with their addresses pointed at MPC_URL
    #[arg(long)]
    rewritten: PathBuf,
    /// Our store
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Where Manage POM Cases is
    #[arg(long, env = "MPC_URL")]
    mpc_url: String,
    /// Topic that the queue is subscribed to
    #[arg(long, env = "TOPIC_ARN")]
    topic_arn: String,
    /// The service's program
    #[arg(long)]
    service: PathBuf,
    /// Where its API listens
    #[arg(long)]
    api_url: String,
    /// HMPPS Auth
    #[arg(long, env = "AUTH_URL")]
    auth_url: String,
    /// Client of people who try the API
    #[arg(long, env = "READER_ID", default_value = "reader")]
    reader_id: String,
    /// Its secret
    #[arg(long, env = "READER_SECRET", default_value = "reader", hide_env_values = true)]
    reader_secret: String,
    /// Seconds without any progress after which waiting ends
    #[arg(long, default_value_t = 60)]
    patience: u64,
}

/// A sample on its way.
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
        "{} event samples, their addresses pointed from https://mpc.example to {} ({})",
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
    println!("\n{kept} of {} samples did what their line promises", published.len());
    let history = show::history(&arguments.service, "A1001AA").await;
    let reads = show::reads(&arguments).await;
    history?;
    reads?;
    if kept < published.len() {
        for one in published.iter().filter(|one| !one.is_kept()) {
            println!("not as promised: {}", one.sample.file);
        }
        bail!("{} samples did not do what their line promises; see above", published.len() - kept);
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

/// Waits until every sample did what it promises, or nothing has moved for the given time.
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
