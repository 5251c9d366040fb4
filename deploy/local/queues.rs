//! `local queues`: creates on a local SQS and SNS what an environment provides: a topic, a queue with its dead-letter
//! queue, the subscription of the queue to the topic, and a queue for bulk runs with its dead-letter queue.

use std::process::ExitCode;

use anyhow::{Context, ensure};
use aws_config::BehaviorVersion;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Prefix of all names
    #[arg(long, default_value = "pom-cases")]
    prefix: String,
    /// Receives after which a message moves to the dead-letter queue
    #[arg(long, default_value_t = 3)]
    max_receives: u32,
    /// Endpoint. There is no default, so that nothing is created in a real account by mistake
    #[arg(long, env = "AWS_ENDPOINT_URL")]
    endpoint: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    ensure!(!arguments.endpoint.is_empty(), "AWS_ENDPOINT_URL is empty");
    let config =
        aws_config::defaults(BehaviorVersion::latest()).endpoint_url(&arguments.endpoint).load().await;
    let (sqs, sns) = (aws_sdk_sqs::Client::new(&config), aws_sdk_sns::Client::new(&config));
    let prefix = &arguments.prefix;

    let (live, dead) = with_dead_letters(&sqs, prefix, "events", arguments.max_receives).await?;
    let (bulk, bulk_dead) = with_dead_letters(&sqs, prefix, "bulk", arguments.max_receives).await?;
    let topic = sns
        .create_topic()
        .name(format!("{prefix}-domain-events"))
        .send()
        .await
        .context("while creating the topic")?
        .topic_arn
        .context("the topic has no ARN")?;
    sns.subscribe()
        .topic_arn(&topic)
        .protocol("sqs")
        .endpoint(&live.arn)
        .send()
        .await
        .context("while subscribing the queue to the topic")?;

    println!("export TOPIC_ARN='{topic}'");
    println!("export QUEUE_URL='{}'", live.url);
    println!("export DLQ_URL='{}'", dead.url);
    println!("export BULK_QUEUE_URL='{}'", bulk.url);
    println!("export BULK_DLQ_URL='{}'", bulk_dead.url);
    Ok(ExitCode::SUCCESS)
}

struct Queue {
    url: String,
    arn: String,
}

/// A queue and its dead-letter queue.
async fn with_dead_letters(
    sqs: &aws_sdk_sqs::Client,
    prefix: &str,
    name: &str,
    max_receives: u32,
) -> anyhow::Result<(Queue, Queue)> {
    let dead = match name {
        "events" => format!("{prefix}-dead-letters"),
        _ => format!("{prefix}-{name}-dead-letters"),
    };
    let dead = queue(sqs, &dead, None).await?;
    let redrive = json!({ "deadLetterTargetArn": dead.arn, "maxReceiveCount": max_receives });
    Ok((queue(sqs, &format!("{prefix}-{name}"), Some(redrive.to_string())).await?, dead))
}

async fn queue(sqs: &aws_sdk_sqs::Client, name: &str, redrive: Option<String>) -> anyhow::Result<Queue> {
    let url = sqs
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::VisibilityTimeout, "30")
        .send()
        .await
        .with_context(|| format!("while creating the queue {name}"))?
        .queue_url
        .context("the queue has no URL")?;
    if let Some(redrive) = redrive {
        sqs.set_queue_attributes()
            .queue_url(&url)
            .attributes(QueueAttributeName::RedrivePolicy, redrive)
            .send()
            .await
            .with_context(|| format!("while setting the dead-letter queue of {name}"))?;
    }
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .with_context(|| format!("while reading the queue {name}"))?;
    let arn = attributes.attributes().and_then(|all| all.get(&QueueAttributeName::QueueArn));
    Ok(Queue { arn: arn.context("the queue has no ARN")?.clone(), url })
}
