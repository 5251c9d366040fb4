//! A queue for one test with its dead-letter queue, on the SQS that `make test` started.

use aws_config::BehaviorVersion;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, QueueAttributeName, SendMessageBatchRequestEntry};
use serde_json::json;

pub struct Queue {
    pub sqs: aws_sdk_sqs::Client,
    pub url: String,
    pub dead_letters: String,
}

/// The client of the SQS that the environment names.
pub async fn client() -> aws_sdk_sqs::Client {
    client_of(None).await
}

/// The same through another endpoint.
pub async fn client_of(endpoint: Option<&str>) -> aws_sdk_sqs::Client {
    let found = std::env::var("AWS_ENDPOINT_URL").expect("AWS_ENDPOINT_URL: run the tests by `make test`");
    let endpoint = endpoint.map_or(found, str::to_owned);
    let config = aws_config::defaults(BehaviorVersion::latest()).endpoint_url(endpoint).load().await;
    aws_sdk_sqs::Client::new(&config)
}

impl Queue {
    /// Creates a queue; a message that is received more often moves to the dead-letter queue.
    pub async fn make(max_receives: u32) -> Self {
        let (sqs, name) = (client().await, uuid::Uuid::now_v7().simple().to_string());
        let make =
            async |name: String| sqs.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap();
        let dead_letters = make(format!("{name}-dead-letters")).await;
        let arn = attribute(&sqs, &dead_letters, QueueAttributeName::QueueArn).await;
        let url = make(name).await;
        let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receives }).to_string();
        sqs.set_queue_attributes()
            .queue_url(&url)
            .attributes(QueueAttributeName::RedrivePolicy, redrive)
            .send()
            .await
            .unwrap();
        Self { sqs, url, dead_letters }
    }

    pub async fn send(&self, bodies: &[String]) {
        for batch in bodies.chunks(10) {
            let entries = batch.iter().enumerate().map(|(id, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(body);
                entry.build().unwrap()
            });
            let sent = self
                .sqs
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .unwrap();
            assert!(sent.failed.is_empty(), "{:?}", sent.failed);
        }
    }

    /// Messages that wait and messages in flight. One call counts both, because a message that changes sides between two
    /// calls would be in neither.
    pub async fn counts(&self) -> (u64, u64) {
        let [waiting, in_hand] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let get = self.sqs.get_queue_attributes().queue_url(&self.url);
        let get = get.attribute_names(waiting.clone()).attribute_names(in_hand.clone());
        let counts = get.send().await.unwrap().attributes.unwrap();
        (counts[&waiting].parse().unwrap(), counts[&in_hand].parse().unwrap())
    }

    pub async fn dead(&self) -> u64 {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        attribute(&self.sqs, &self.dead_letters, name).await.parse().unwrap()
    }

    #[allow(dead_code, reason = "each target that includes this module uses a part of it")]
    /// Receives and deletes what is available.
    pub async fn take_all(&self) -> Vec<String> {
        self.take_from(&self.url).await
    }

    /// The dead letters, taken off their queue.
    pub async fn take_dead(&self) -> Vec<String> {
        self.take_from(&self.dead_letters).await
    }

    async fn take_from(&self, url: &str) -> Vec<String> {
        let mut bodies = vec![];
        loop {
            let receive = self.sqs.receive_message().queue_url(url).max_number_of_messages(10);
            let received = receive.send().await.unwrap().messages.unwrap_or_default();
            if received.is_empty() {
                return bodies;
            }
            let entries = received.iter().enumerate().map(|(id, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
                entry.receipt_handle(message.receipt_handle().unwrap()).build().unwrap()
            });
            let delete = self.sqs.delete_message_batch().queue_url(url).set_entries(Some(entries.collect()));
            delete.send().await.unwrap();
            bodies.extend(received.into_iter().filter_map(|message| message.body));
        }
    }

    pub async fn remove(&self) {
        for url in [&self.url, &self.dead_letters] {
            self.sqs.delete_queue().queue_url(url).send().await.unwrap();
        }
    }
}

#[allow(dead_code, reason = "each target that includes this module uses a part of it")]
/// One attribute of a queue.
pub async fn attribute(sqs: &aws_sdk_sqs::Client, url: &str, name: QueueAttributeName) -> String {
    let attributes =
        sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await.unwrap();
    attributes.attributes.unwrap().remove(&name).unwrap()
}
