//! With verification on, only what SNS has signed is accepted.

use std::sync::Arc;

use manage_pom_cases_and_delius::{
    delius::Delius,
    ingest::{Ingest, sns::SnsVerifier},
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::world::World,
    messages::sqs::{config, consume_by, messages, no_breakers, until_empty},
    queue::Queue,
};

const CERTIFICATE: &str = "https://sns.eu-west-2.amazonaws.com/SimpleNotificationService-1.pem";
const TOPIC: &str = "arn:aws:sns:eu-west-2:000000000000:events";

/// A message that was signed for these tests; see the certificate beside the code.
fn signed() -> Value {
    let signatures = include_str!("../../../src/ingest/sns/test_signatures.json");
    let signatures: Value = serde_json::from_str(signatures).unwrap();
    json!({
        "Type": "Notification", "MessageId": "22da6f7c-0000-4000-8000-000000000001", "TopicArn": TOPIC,
        "Message": r#"{"eventType":"OFFENDER_CHANGED","crn":"X123456"}"#,
        "Timestamp": "2026-07-01T09:00:01.000Z", "SignatureVersion": "2", "Signature": signatures["2-plain"],
        "SigningCertURL": CERTIFICATE
    })
}

fn verifying(world: &World, topic: &str) -> Ingest {
    let verifier = SnsVerifier::new([topic.to_owned()]).unwrap();
    let pem = include_bytes!("../../../src/ingest/sns/test_certificate.pem");
    let verifier = verifier.with_certificate(CERTIFICATE.parse().unwrap(), pem);
    Ingest::new(Arc::clone(&world.cases), Delius::new(world.delius.clone())).verifying(Some(verifier))
}

#[sqlx::test(migrations = "migrations/store")]
async fn only_what_sns_has_signed_is_accepted_and_a_certificate_out_of_reach_is_an_outage(store: PgPool) {
    let (world, queue) = (World::on(store).await, Queue::make(3).await);
    let changed = |member: &str, value: &str| {
        let mut message = signed();
        message[member] = json!(value);
        message.to_string()
    };
    // Under the id of the true message, which comes later and is not to suffer from it.
    queue.send(&[changed("Message", r#"{"eventType":"OFFENDER_CHANGED","crn":"X999999"}"#)]).await;
    let running = consume_by(verifying(&world, TOPIC), config(&queue), no_breakers(), None, None).await;
    until_empty(&queue).await;
    queue.send(&messages(&world, 1)).await;
    queue
        .send(&[signed().to_string(), changed("TopicArn", "arn:aws:sns:eu-west-2:999999999999:theirs")])
        .await;
    let unreachable = "https://sns.eu-west-2.amazonaws.com/no-such-certificate.pem";
    let mut waits = signed();
    waits["MessageId"] = json!("22da6f7c-0000-4000-8000-000000000002");
    waits["SigningCertURL"] = json!(unreachable);
    queue.send(&[waits.to_string()]).await;
    until_empty(&queue).await;
    running.stop().await;
    assert_eq!(world.parked().await, ["InvalidSignature"; 3]);
    let accepted = "select count(*) from message_receipts
                    where disposition = 'changeFeed' and message_id = '22da6f7c-0000-4000-8000-000000000001'";
    assert_eq!(world.count(accepted).await, 1);
    let waiting = "select count(*) from waiting_messages where dependency = 'the certificates of SNS'";
    assert_eq!(world.count(waiting).await, 1);
    assert_eq!(queue.dead().await, 0);
    queue.remove().await;
    world.end().await;
}
