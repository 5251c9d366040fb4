//! How full the queues and their dead-letter queues are: looked up now and then, for the metrics and for `/health`, so
//! that neither asks SQS for every question.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_sdk_sqs::{Client, error::DisplayErrorContext, types::QueueAttributeName};
use tokio_util::sync::CancellationToken;

use crate::http::Component;

const INTERVAL: Duration = Duration::from_secs(15);

/// One queue, as SQS approximates it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Depth {
    name: String,
    visible: u64,
    in_flight: u64,
    delayed: u64,
    dead: Option<DeadLetterDepth>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct DeadLetterDepth {
    name: String,
    count: u64,
}

type LastDepth = Option<Result<Depth, String>>;

/// The queues of this process, by what they carry.
#[derive(Clone)]
pub(crate) struct QueueDepths {
    sqs: Client,
    queues: Vec<(&'static str, String)>,
    seen: Arc<RwLock<BTreeMap<&'static str, LastDepth>>>,
}

impl QueueDepths {
    /// Of these queues: a label and a URL each.
    pub(crate) fn new(sqs: Client, queues: Vec<(&'static str, String)>) -> Self {
        Self { sqs, queues, seen: Arc::default() }
    }

    /// The labels of the queues.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.queues.iter().map(|(label, _)| *label)
    }

    /// Looks until cancelled.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        loop {
            for (label, url) in &self.queues {
                let seen = self.look(url).await;
                match &seen {
                    Ok(depth) => measure(label, depth),
                    Err(reason) => tracing::debug!(queue = label, reason, "a queue could not be looked at"),
                }
                self.seen.write().unwrap_or_else(PoisonError::into_inner).insert(label, Some(seen));
            }
            if stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, url: &str) -> Result<Depth, String> {
        let attributes = self.attributes(url).await?;
        let number = |name: &str| attributes.get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
        let mut depth = Depth {
            name: last(attributes.get("QueueArn").map_or(url, String::as_str)),
            visible: number("ApproximateNumberOfMessages"),
            in_flight: number("ApproximateNumberOfMessagesNotVisible"),
            delayed: number("ApproximateNumberOfMessagesDelayed"),
            dead: None,
        };
        let policy = attributes.get("RedrivePolicy");
        let policy = policy.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        if let Some(arn) = policy.as_ref().and_then(|policy| policy["deadLetterTargetArn"].as_str()) {
            let name = last(arn);
            let found = self.sqs.get_queue_url().queue_name(&name).send().await;
            let found = found.map_err(|error| DisplayErrorContext(&error).to_string())?;
            let of_dead = self.attributes(found.queue_url().unwrap_or_default()).await?;
            let count = of_dead.get("ApproximateNumberOfMessages").and_then(|text| text.parse().ok());
            depth.dead = Some(DeadLetterDepth { name, count: count.unwrap_or_default() });
        }
        Ok(depth)
    }

    async fn attributes(&self, url: &str) -> Result<BTreeMap<String, String>, String> {
        let asked = self.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
        let answer = asked.send().await.map_err(|error| DisplayErrorContext(&error).to_string())?;
        let attributes = answer.attributes.unwrap_or_default();
        Ok(attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect())
    }

    /// One queue as a component of `/health`, in the shape of the other HMPPS services. Dead letters are a detail: this
    /// process works.
    pub(crate) fn component(&self, label: &'static str) -> Component {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner).get(label).cloned().flatten();
        match seen {
            None => Component::up().detail("reason", "not looked at yet"),
            // What the SDK says names addresses; the log has it.
            Some(Err(_)) => Component::down().detail("reason", "SQS does not answer"),
            Some(Ok(depth)) => of(&depth),
        }
    }
}

fn of(depth: &Depth) -> Component {
    let component = Component::up()
        .detail("queueName", &depth.name)
        .detail("messagesOnQueue", depth.visible.to_string())
        .detail("messagesInFlight", depth.in_flight.to_string());
    match &depth.dead {
        Some(dead) => component
            .detail("dlqName", &dead.name)
            .detail("dlqStatus", "UP")
            .detail("messagesOnDlq", dead.count.to_string()),
        None => component.detail("dlqStatus", "NOT CONFIGURED"),
    }
}

fn measure(label: &'static str, depth: &Depth) {
    for (state, count) in
        [("visible", depth.visible), ("in_flight", depth.in_flight), ("delayed", depth.delayed)]
    {
        metrics::gauge!("queue_messages", "queue" => label, "state" => state).set(count as f64);
    }
    if let Some(dead) = &depth.dead {
        metrics::gauge!("queue_dead_letters", "queue" => label).set(dead.count as f64);
    }
}

/// The name at the end of an ARN or URL.
fn last(address: &str) -> String {
    address.rsplit([':', '/']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::health::Status;

    #[test]
    fn dead_letters_are_a_detail_and_not_a_fault_of_the_process() {
        let dead = DeadLetterDepth { name: "events-dlq".into(), count: 7 };
        let component =
            of(&Depth { name: "events".into(), visible: 3, dead: Some(dead), ..Depth::default() });
        assert_eq!(component.status, Status::Up);
        let details: Vec<_> = component.details.into_iter().collect();
        let expected = [
            ("dlqName", "events-dlq"),
            ("dlqStatus", "UP"),
            ("messagesInFlight", "0"),
            ("messagesOnDlq", "7"),
            ("messagesOnQueue", "3"),
            ("queueName", "events"),
        ];
        assert_eq!(details, expected.map(|(name, value)| (name, value.to_owned())));
    }
}
