//! `kill -9` at every boundary of a message's life, and a start after it.

use std::time::Instant;

use crate::{
    ground::{Ground, until},
    invariants,
    service::Service,
    stream::Stream,
};

/// The failpoints, in the order in which a message reaches them.
const POINTS: [&str; 14] = [
    "received",
    "fetched",
    "appending",
    "appended",
    "accepted",
    "deleted",
    "claimed",
    "planned",
    "delius_written",
    "delius_committed",
    "outcome_recorded",
    "finished",
    "journalling",
    "journalled",
];

/// Sends a stream, kills the service at each failpoint and starts it again.
async fn die_at(points: &[&str], times_before: u32, seed: u64) {
    const CASES: usize = 4;
    let ground = Ground::lay(CASES).await;
    let mut stream = Stream::new(seed, CASES);
    let service = Service::start(&ground, &[]).await;
    ground.queue.send(&stream.teach(&ground)).await;
    invariants::drained(&ground, &stream).await;
    service.stop().await;
    for point in points {
        let failpoint = format!("{point}={times_before}*off->return");
        let mut service = Service::start(&ground, &[("FAILPOINTS", &failpoint)]).await;
        // Messages are received, deleted and claimed in batches, so a point may be passed less often than messages come.
        for _ in 0..10 {
            ground.queue.send(&stream.next(&ground, 12)).await;
            until("it dies, or has nothing left to do", async || {
                !service.is_running() || invariants::is_idle(&ground).await
            })
            .await;
            if !service.is_running() {
                break;
            }
        }
        let status = service.ended().await;
        assert_eq!(status.code(), None, "{point}: killed by a signal: {}", service.log());
        assert!(service.log().contains(&format!("failpoint {point}: kill -9")), "{}", service.log());

        let (restarted, service) = (Instant::now(), Service::start(&ground, &[]).await);
        let burst = stream.next(&ground, 4);
        ground.queue.send(&burst).await;
        invariants::hold(&ground, &stream).await;
        println!(
            "killed at {point}: all done {:.1} s after the restart began",
            restarted.elapsed().as_secs_f64()
        );
        service.stop().await;
    }
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_where_a_commit_has_no_witness_nothing_is_lost_or_doubled() {
    die_at(&["appending", "accepted", "delius_committed", "outcome_recorded"], 1, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn killed_at_every_point_the_first_time_nothing_is_lost_or_doubled() {
    die_at(&POINTS, 0, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn killed_at_every_point_in_the_middle_of_a_burst_nothing_is_lost_or_doubled() {
    die_at(&POINTS, 3, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn killed_on_every_start_it_still_gets_on() {
    const CASES: usize = 3;
    let ground = Ground::lay(CASES).await;
    let mut stream = Stream::new(4, CASES);
    let service = Service::start(&ground, &[]).await;
    ground.queue.send(&stream.teach(&ground)).await;
    invariants::drained(&ground, &stream).await;
    service.stop().await;
    ground.queue.send(&stream.next(&ground, 30)).await;
    for point in POINTS.iter().cycle().take(2 * POINTS.len()) {
        // If the failpoint is not reached again, the service lives on and finishes the work.
        let failpoint = format!("{point}=1*off->return");
        let mut service = Service::start(&ground, &[("FAILPOINTS", &failpoint)]).await;
        until("it dies, or has nothing left to do", async || {
            !service.is_running() || invariants::is_idle(&ground).await
        })
        .await;
        if service.is_running() {
            service.kill().await;
        }
    }
    // Whatever took the process with it three times is a dead letter by now, and an operator sends it again.
    let service = Service::start(&ground, &[]).await;
    ground.queue.send(&ground.queue.take_dead().await).await;
    invariants::hold(&ground, &stream).await;
    service.stop().await;
    ground.end().await;
}
