//! The JSON protocol of SQS (`X-Amz-Target: AmazonSQS.…`), as far as the service's SDK client speaks it.

use std::time::Duration;

use serde_json::{Value, json};

use super::queue::{Queue, Received};

/// What the queue answers, and the HTTP status.
pub(crate) async fn answer(queue: &Queue, target: &str, body: &[u8], queue_url: &str) -> (u16, Value) {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let seconds = |name: &str, otherwise: u64| {
        Duration::from_secs(request.get(name).and_then(Value::as_u64).unwrap_or(otherwise))
    };
    let handle = request.get("ReceiptHandle").and_then(Value::as_str).unwrap_or_default();
    match target.rsplit('.').next().unwrap_or_default() {
        "ReceiveMessage" => {
            let limit = request.get("MaxNumberOfMessages").and_then(Value::as_u64).unwrap_or(1).clamp(1, 10);
            let limit = usize::try_from(limit).unwrap_or(1);
            let (visibility, wait) = (seconds("VisibilityTimeout", 30), seconds("WaitTimeSeconds", 0));
            let received = queue.receive(limit, visibility, wait).await;
            (200, json!({ "Messages": received.iter().map(message).collect::<Vec<_>>() }))
        }
        "DeleteMessage" => {
            queue.delete(handle);
            (200, json!({}))
        }
        "DeleteMessageBatch" => (200, batch(&request, |handle, _| queue.delete(handle))),
        "ChangeMessageVisibility" => {
            match queue.change_visibility(handle, seconds("VisibilityTimeout", 30)) {
                true => (200, json!({})),
                false => fault("MessageNotInflight", "the message is not in flight"),
            }
        }
        "ChangeMessageVisibilityBatch" => (
            200,
            batch(&request, |handle, entry| {
                let visibility = entry.get("VisibilityTimeout").and_then(Value::as_u64).unwrap_or(30);
                queue.change_visibility(handle, Duration::from_secs(visibility))
            }),
        ),
        "SendMessage" => {
            queue.send(request.get("MessageBody").and_then(Value::as_str).map(str::to_owned));
            (200, json!({ "MessageId": "sent", "MD5OfMessageBody": "" }))
        }
        "GetQueueUrl" => (200, json!({ "QueueUrl": queue_url })),
        "GetQueueAttributes" => {
            let counts = queue.counts();
            (
                200,
                json!({ "Attributes": {
                    "ApproximateNumberOfMessages": counts.visible.to_string(),
                    "ApproximateNumberOfMessagesNotVisible": counts.in_flight.to_string(),
                    "VisibilityTimeout": "30",
                    "QueueArn": "arn:aws:sqs:eu-west-2:000000000000:speed",
                    "RedrivePolicy": "{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-2:000000000000:dead\",\"maxReceiveCount\":3}",
                } }),
            )
        }
        _ => fault("UnsupportedOperation", "this stand-in does not know the operation"),
    }
}

fn fault(kind: &str, message: &str) -> (u16, Value) {
    (400, json!({ "__type": format!("com.amazonaws.sqs#{kind}"), "message": message }))
}

fn message(received: &Received) -> Value {
    json!({
        "MessageId": received.id,
        "ReceiptHandle": received.handle,
        "Body": received.body,
        "Attributes": {
            "ApproximateReceiveCount": received.receives.to_string(),
            "SentTimestamp": received.sent_ms.to_string(),
        },
    })
}

fn batch(request: &Value, each: impl Fn(&str, &Value) -> bool) -> Value {
    let (mut successful, mut failed) = (vec![], vec![]);
    for entry in request.get("Entries").and_then(Value::as_array).into_iter().flatten() {
        let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
        match each(entry.get("ReceiptHandle").and_then(Value::as_str).unwrap_or_default(), entry) {
            true => successful.push(json!({ "Id": id })),
            false => failed.push(json!({ "Id": id, "SenderFault": true, "Code": "ReceiptHandleIsInvalid" })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}
