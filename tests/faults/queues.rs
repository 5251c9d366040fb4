//! SQS at its worst: it delivers twice and out of order, loses deletes, refuses entries and throttles.

use crate::{
    databases::begun,
    ground::{Ground, until},
    invariants,
    service::Service,
    sqs_layer::{Faults, SqsLayer},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn duplicates_disorder_lost_deletes_and_refusals_of_sqs_change_nothing() {
    let ground = Ground::lay(4).await;
    let (mut stream, quiet) = begun(&ground, 51, 4).await;
    quiet.stop().await;
    let faults = Faults {
        duplicate: 0.3,
        shuffle: 0.6,
        lose_delete: 0.2,
        refuse_entry: 0.2,
        throttle: 0.1,
        expire: 0.3,
    };
    let layer = SqsLayer::start(&std::env::var("AWS_ENDPOINT_URL").unwrap(), faults, 51).await;
    let through = layer.url();
    let mut service = Service::start_calm(&ground, &layer, &[("AWS_ENDPOINT_URL", &through)]).await;
    for _ in 0..10 {
        ground.queue.send(&stream.next(&ground, 12)).await;
    }
    until("everything happened", async || {
        let done = layer.done();
        let all = [done.duplicates, done.shuffles, done.lost_deletes, done.refused_entries, done.throttled];
        all.into_iter().all(|times| times > 3)
            || invariants::is_drained(&ground, &stream).await && {
                ground.queue.send(&stream.next(&ground, 6)).await;
                false
            }
    })
    .await;
    println!("{:?}", layer.done());
    layer.calm();
    invariants::hold(&ground, &stream).await;
    assert!(service.is_running());
    service.stop().await;
    ground.end().await;
}
