//! Queues and topics for one test, on the local SQS and SNS.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::{
    config::retry::RetryConfig,
    types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName},
};
use http::{HeaderMap, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use warp::Filter;

/// The settings of the SDK, from `make test`.
pub(crate) async fn aws() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).load().await
}

/// A queue with a unique name.
pub(crate) struct TestQueue {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) arn: String,
}

impl TestQueue {
    pub(crate) async fn new(what: &str) -> Self {
        let sqs = aws_sdk_sqs::Client::new(&aws().await);
        let name = format!("{what}-{}", uuid::Uuid::now_v7().simple());
        let url = sqs.create_queue().queue_name(&name).send().await.unwrap().queue_url.unwrap();
        let attributes = sqs
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .unwrap();
        let arn = attributes.attributes().unwrap()[&QueueAttributeName::QueueArn].clone();
        Self { sqs, name, url, arn }
    }

    /// Sets the dead-letter queue.
    pub(crate) async fn dead_letters_to(&self, dead: &Self) {
        let policy = json!({ "deadLetterTargetArn": dead.arn, "maxReceiveCount": 5 });
        self.sqs
            .set_queue_attributes()
            .queue_url(&self.url)
            .attributes(QueueAttributeName::RedrivePolicy, policy.to_string())
            .send()
            .await
            .unwrap();
    }

    /// Sends a message with attributes.
    pub(crate) async fn send(&self, body: &str, attributes: &[(&str, MessageAttributeValue)]) {
        let attributes: HashMap<_, _> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.sqs
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .set_message_attributes(Some(attributes))
            .send()
            .await
            .unwrap();
    }

    /// Receives and deletes until nothing is visible.
    pub(crate) async fn take_all(&self) -> Vec<Message> {
        let mut all = vec![];
        loop {
            let received = self
                .sqs
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(10)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await
                .unwrap();
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return all;
            }
            for message in messages {
                let handle = message.receipt_handle().unwrap();
                self.sqs.delete_message().queue_url(&self.url).receipt_handle(handle).send().await.unwrap();
                all.push(message);
            }
        }
    }

    /// The number of messages, including those in flight.
    pub(crate) async fn waiting(&self) -> u64 {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let attributes = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .unwrap();
        attributes.attributes().unwrap().values().map(|count| count.parse::<u64>().unwrap()).sum()
    }

    /// Receives this many messages and returns their bodies in the order of arrival.
    pub(crate) async fn take_bodies(&self, count: usize) -> Vec<String> {
        let mut bodies = vec![];
        while bodies.len() < count {
            bodies.extend(self.take_all().await.into_iter().filter_map(|message| message.body));
        }
        assert_eq!(bodies.len(), count);
        bodies
    }
}

/// A client for which every call of one kind fails.
pub(crate) async fn refused(call: &'static str) -> aws_sdk_sqs::Client {
    answered_by(move |asked, _| {
        (asked == call).then(|| Response::builder().status(503).body(vec![]).unwrap())
    })
    .await
}

/// A client whose receives are as unlucky as SQS allows: every short poll returns nothing, and so does the first of two
/// long polls.
pub(crate) async fn unlucky() -> aws_sdk_sqs::Client {
    let long_polls = AtomicUsize::new(0);
    answered_by(move |asked, body| {
        let waits = body["WaitTimeSeconds"].as_i64().unwrap_or_default() > 0;
        let misses =
            asked == "ReceiveMessage" && !(waits && long_polls.fetch_add(1, Ordering::SeqCst) % 2 == 1);
        misses.then(|| Response::new(b"{}".to_vec()))
    })
    .await
}

/// A client of a proxy in front of SQS that answers some calls itself.
async fn answered_by(
    own: impl Fn(&str, &Value) -> Option<Response<Vec<u8>>> + Send + Sync + 'static,
) -> aws_sdk_sqs::Client {
    let (http, upstream) = (reqwest::Client::new(), std::env::var("AWS_ENDPOINT_URL").unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let own = Arc::new(own);
    let route = warp::post().and(warp::header::headers_cloned()).and(warp::body::bytes()).then(
        move |mut headers: HeaderMap, body: warp::hyper::body::Bytes| {
            let (http, upstream, own) = (http.clone(), upstream.clone(), Arc::clone(&own));
            async move {
                let target = headers.get("x-amz-target").unwrap().to_str().unwrap();
                let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
                if let Some(answer) = own(target.strip_prefix("AmazonSQS.").unwrap(), &asked) {
                    return answer;
                }
                headers.remove("host");
                let answer = http.post(&upstream).headers(headers).body(body.to_vec()).send().await.unwrap();
                let status = answer.status();
                Response::builder().status(status).body(answer.bytes().await.unwrap().to_vec()).unwrap()
            }
        },
    );
    tokio::spawn(warp::serve(route).incoming(listener).run());
    let config = aws_sdk_sqs::config::Builder::from(&aws().await)
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}
