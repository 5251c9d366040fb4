//! Dependencies that may be away when the service starts. It starts nevertheless, says so in `/health`, and goes to work
//! when they answer. What ends it is what no waiting can mend: a wrong setting, a Delius without our audit user.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{Failure, settings::database::Database, tasks::Tasks},
    delius::{Delius, Limits},
};

/// Between two looks at a dependency that was away at the start.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The setting by which Delius is found, for messages.
const DELIUS: &str = "DELIUS_DATABASE_URL";

/// Delius, which may be away; then it is checked as soon as it answers.
pub(crate) async fn delius(
    database: Database,
    limits: Limits,
    (tasks, stop): (&Tasks, &CancellationToken),
) -> Result<Delius, Failure> {
    let delius = Delius::new(database.connect_lazily()).with_limits(limits);
    match delius.check().await {
        Ok(()) => {}
        Err(error) if error.is_transient() => {
            tracing::warn!(%error, "Delius is away; starting without it and checking it when it answers");
            let (checked, tasks_of_it, stop) = (delius.clone(), tasks.clone(), stop.clone());
            tasks.spawn("Delius check", async move { check_later(&checked, &tasks_of_it, stop).await });
        }
        Err(error) => return Err(Failure::setting(DELIUS, error)),
    }
    Ok(delius)
}

async fn check_later(delius: &Delius, tasks: &Tasks, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await.is_some() {
        match delius.check().await {
            Ok(()) => {
                tracing::info!("Delius answers now and has what is needed");
                return stop.cancelled().await;
            }
            Err(error) if error.is_transient() => {}
            Err(error) => {
                tracing::error!(setting = DELIUS, %error, "Delius lacks what is needed; the service ends");
                return tasks.fail();
            }
        }
    }
}

/// Looks at a queue at the start. A wrong URL ends the service; an SQS that does not answer only delays it.
pub(crate) async fn queue(
    sqs: &aws_sdk_sqs::Client,
    setting: &'static str,
    queue_url: &str,
) -> Result<(), Failure> {
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(queue_url)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await;
    let attributes = match attributes {
        Ok(attributes) => attributes,
        Err(error) if error.as_service_error().is_some_and(|error| !is_passing(error.meta().code())) => {
            let why = error.into_service_error();
            let remedy = "check the URL, AWS_ENDPOINT_URL, AWS_REGION and the credentials";
            let wrong = format!("the queue {queue_url} cannot be read: {why}; {remedy}");
            return Err(Failure::setting(setting, wrong));
        }
        Err(error) => {
            let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
            tracing::warn!(setting, reason, "SQS is away; starting without it and polling when it answers");
            return Ok(());
        }
    };
    let policy = attributes.attributes().and_then(|all| all.get(&QueueAttributeName::RedrivePolicy));
    if policy.is_none() {
        tracing::warn!(
            setting,
            "the queue has no dead-letter queue: a message that takes the process with it comes for ever"
        );
    }
    Ok(())
}

/// Whether SQS answered, but not about the queue: it is busy, or broken.
fn is_passing(code: Option<&str>) -> bool {
    code.is_none_or(|code| {
        [
            "RequestThrottled",
            "ThrottlingException",
            "Throttling",
            "InternalError",
            "InternalFailure",
            "ServiceUnavailable",
        ]
        .contains(&code)
    })
}
