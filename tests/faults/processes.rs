//! Processes that are paused, doubled and stopped with SIGTERM.

use std::time::Duration;

use rustix::process::Signal;

use crate::{
    databases::begun,
    ground::{Ground, until},
    invariants,
    service::Service,
    stream::Stream,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_work_and_nothing_happens_twice() {
    let ground = Ground::lay(4).await;
    let mut stream = Stream::new(31, 4);
    let (one, two) = (Service::start(&ground, &[]).await, Service::start(&ground, &[]).await);
    ground.queue.send(&stream.teach(&ground)).await;
    invariants::drained(&ground, &stream).await;
    for _ in 0..6 {
        ground.queue.send(&stream.next(&ground, 12)).await;
    }
    invariants::hold(&ground, &stream).await;
    one.stop().await;
    two.stop().await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_in_the_middle_it_gives_back_what_it_has_and_ends_well() {
    let ground = Ground::lay(3).await;
    let (mut stream, service) = begun(&ground, 32, 3).await;
    ground.queue.send(&stream.next(&ground, 30)).await;
    until("work has begun", async || ground.count("select count(*) from message_receipts").await > 8).await;
    service.stop().await;
    let (_, in_hand) = ground.queue.counts().await;
    assert_eq!(in_hand, 0, "nothing stays hidden");
    let leased =
        ground.count("select count(*) from outbox where state = 'pending' and lease_until > now()").await;
    assert_eq!(leased, 0, "nothing stays leased");
    let service = Service::start(&ground, &[]).await;
    invariants::hold(&ground, &stream).await;
    service.stop().await;
    ground.end().await;
}

/// Pauses a process with `SIGSTOP` while it works, lets another one take over, and resumes it.
async fn paused(seed: u64) {
    let ground = Ground::lay(4).await;
    let (mut stream, mut sleeper) = begun(&ground, seed, 4).await;
    ground.queue.send(&stream.next(&ground, 24)).await;
    let leased = "select count(*) from outbox where state = 'pending' and lease_until > now()";
    until("it has claimed", async || ground.count(leased).await > 0).await;
    sleeper.signal(Signal::STOP);
    let other = Service::start(&ground, &[]).await;
    // The leases expire, and the locks and messages of the paused process become free.
    invariants::drained(&ground, &stream).await;
    let (dead, receipts) = (ground.queue.dead().await, "select count(*) from message_receipts");
    let before = ground.count(receipts).await;
    sleeper.signal(Signal::CONT);
    until("it has woken up", async || sleeper.log().len() > 1).await;
    ground.queue.send(&stream.next(&ground, 12)).await;
    until("both go on", async || ground.count(receipts).await >= before + 12).await;
    invariants::hold(&ground, &stream).await;
    assert!(sleeper.is_running());
    assert_eq!(dead, 0);
    sleeper.stop().await;
    other.stop().await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn a_process_that_sleeps_beyond_its_leases_and_wakes_up_writes_nothing_twice() {
    for seed in 33..37 {
        paused(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn processes_come_and_go_as_in_a_rolling_deployment() {
    let ground = Ground::lay(4).await;
    let (mut stream, mut old) = begun(&ground, 41, 4).await;
    for round in 0..6 {
        ground.queue.send(&stream.next(&ground, 10)).await;
        let new = Service::start(&ground, &[]).await;
        if round % 2 == 0 {
            old.stop().await
        } else {
            old.kill().await
        }
        old = new;
    }
    invariants::hold(&ground, &stream).await;
    // An idle process stops at once and not after the whole drain time.
    let stopped = tokio::time::timeout(Duration::from_secs(30), old.stop()).await;
    assert!(stopped.is_ok());
    ground.end().await;
}
