//! Checkpoints reach whoever keeps them outside.

use manage_pom_cases_and_delius::audit::journal::{
    Journal,
    checkpoint::Checkpoint,
    publish::{CheckpointTopic, Publisher},
    verify::VerifyRequest,
};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    helpers::audit::{check_with, enter, tamper, three_cases},
    journal::evidence::signer,
    writes::outcome_topic::topic,
};

#[sqlx::test(migrations = "migrations/store")]
async fn a_checkpoint_that_came_by_the_topic_shows_a_log_that_was_cut_off_later(pool: PgPool) {
    three_cases(&pool).await;
    enter(&pool, &Journal::new(pool.clone()), 12).await;
    let (sns, arn, queue) = topic().await;
    let publisher = Publisher {
        signer: Some(signer().into()),
        topic: Some(CheckpointTopic { sns, arn }),
        ..Publisher::default()
    };
    let publishing = async {
        loop {
            if let Some(note) = publisher.publish_if_due(&pool).await.unwrap() {
                return note;
            }
        }
    };
    let note = tokio::time::timeout(std::time::Duration::from_secs(60), publishing)
        .await
        .expect("nobody else leads");

    let bodies = queue.take_bodies(1).await;
    let envelope: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(envelope["Message"], note, "as it was signed, byte for byte");
    let received = Checkpoint::verify(envelope["Message"].as_str().unwrap(), &[signer().verifier().clone()]);
    let request = VerifyRequest { kept_outside: vec![received.unwrap()], ..VerifyRequest::default() };
    assert_eq!(check_with(&pool, &request).await.unwrap().checkpoints, (1, 1));
    tamper(
        &pool,
        "delete from journal where position > 20; delete from checkpoints;
         delete from events e where not exists (select from journal j where j.source = 'event' and j.source_id = e.id);
         delete from message_receipts r
         where not exists (select from events e where e.metadata ->> 'messageId' = r.message_id)",
    )
    .await;
    assert_eq!(check_with(&pool, &request).await.unwrap_err().name(), "cut off");
}
