//! A message as SQS gives it → a delivery.

use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName};
use chrono::{DateTime, Utc};

use crate::ingest::message::Delivery;

pub(crate) fn delivery(message: &SqsMessage) -> Delivery {
    let attributes = message.message_attributes().into_iter().flatten();
    Delivery {
        body: message.body().unwrap_or_default().as_bytes().to_vec(),
        attributes: attributes
            .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())))
            .collect(),
        sqs_id: message.message_id().map(str::to_owned),
        receive_count: system(message, &MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        received_at: Utc::now(),
    }
}

/// When the message was sent to the queue; now, when SQS does not say.
pub(crate) fn sent_at(message: &SqsMessage) -> DateTime<Utc> {
    let sent = system(message, &MessageSystemAttributeName::SentTimestamp);
    sent.and_then(|ms| DateTime::from_timestamp_millis(ms.parse().ok()?)).unwrap_or_else(Utc::now)
}

fn system<'a>(message: &'a SqsMessage, name: &MessageSystemAttributeName) -> Option<&'a str> {
    message.attributes()?.get(name).map(String::as_str)
}
