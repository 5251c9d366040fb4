//! The network between the service and each dependency is cut, refuses, is slow or swallows everything. The service
//! heals without a restart.

use std::time::{Duration, Instant};

use crate::{
    databases::begun,
    ground::{Doors, Ground, until},
    invariants,
    tcp_proxy::{Door, Mode},
};

type WhichDoor = fn(&Doors) -> &Door;

const DOORS: [(&str, WhichDoor); 4] = [
    ("the store", |doors| &doors.store),
    ("Delius", |doors| &doors.delius),
    ("SQS", |doors| &doors.sqs),
    ("Manage POM Cases", |doors| &doors.mpc),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_is_cut_again_and_again_and_the_service_goes_on() {
    let ground = Ground::lay(4).await;
    let (mut stream, mut service) = begun(&ground, 21, 4).await;
    for (name, door) in DOORS.into_iter().cycle().take(8) {
        ground.queue.send(&stream.next(&ground, 6)).await;
        let (door, before) = (door(&ground.doors), door(&ground.doors).suffered());
        until(name, async || {
            door.cut();
            door.suffered() > before
        })
        .await;
    }
    invariants::hold(&ground, &stream).await;
    assert!(service.is_running(), "healed without a restart");
    service.stop().await;
    ground.end().await;
}

/// One fault of one network, until the service has run into it so often.
async fn suffer(mode: Mode, times: u64, seed: u64) {
    let ground = Ground::lay(4).await;
    let (mut stream, mut service) = begun(&ground, seed, 4).await;
    for (name, door) in DOORS {
        let (door, before) = (door(&ground.doors), door(&ground.doors).suffered());
        ground.queue.send(&stream.next(&ground, 6)).await;
        door.set(mode);
        ground.queue.send(&stream.next(&ground, 6)).await;
        until(name, async || door.suffered() >= before + times).await;
        door.set(Mode::Pass);
        let healed = Instant::now();
        ground.queue.send(&stream.next(&ground, 3)).await;
        invariants::hold(&ground, &stream).await;
        println!("{mode:?} before {name}: all done {:.1} s after it ended", healed.elapsed().as_secs_f64());
        assert!(service.is_running(), "healed without a restart");
    }
    service.stop().await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn connections_are_refused_for_a_while() {
    suffer(Mode::Refuse, 5, 22).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn the_network_is_slow_for_a_while() {
    suffer(Mode::Delay(Duration::from_millis(700)), 30, 23).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn the_network_swallows_everything_for_a_while() {
    suffer(Mode::Swallow, 6, 24).await;
}
