//! The network between the service and each dependency is cut, refused, slow, or drops every byte. The service recovers
//! without a restart.

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

/// One fault of one network, until the service has met it this many times.
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
    // Well below the visibility timeout of the tests: SQS cannot hide a message that arrives later than that.
    suffer(Mode::Delay(Duration::from_millis(300)), 30, 23).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn the_network_swallows_everything_for_a_while() {
    suffer(Mode::Swallow, 6, 24).await;
}

/// The store stops answering in the middle of statements, for so long that every background task has met it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn what_works_in_the_background_goes_on_after_the_network_to_the_store_swallowed_everything() {
    let ground = Ground::lay(4).await;
    let (mut stream, mut service) = begun(&ground, 25, 4).await;
    let (door, before) = (&ground.doors.store, ground.doors.store.suffered());
    door.set(Mode::Delay(Duration::from_millis(700)));
    ground.queue.send(&stream.next(&ground, 6)).await;
    until("everything is being asked", async || door.suffered() > before + 40).await;
    door.set(Mode::Swallow);
    for said in [
        "journal step failed",
        "could not reflect allocations",
        "could not report the change feed's lag",
        "could not claim from the outbox",
    ] {
        until(said, async || service.log().contains(said)).await;
    }
    ground.doors.store.set(Mode::Pass);
    invariants::hold(&ground, &stream).await;
    until("the change feed is reported again", async || {
        let of_late =
            "select count(*) from change_feed_heartbeat where polled_at > now() - interval '3 seconds'";
        ground.count(of_late).await == 1
    })
    .await;
    assert!(service.is_running(), "healed without a restart");
    service.stop().await;
    ground.end().await;
}
