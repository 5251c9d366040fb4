//! What cannot be accepted now waits in the store: with the real queue's three receives nothing is in the dead-letter
//! queue after an outage of any kind, and one bad case delays nobody.

use std::time::Duration;

use crate::{
    databases::begun,
    ground::{Ground, until, within},
    invariants,
    service::Service,
    stand_ins::{Answer, Breakdown},
    stream::{allocation, sentence_changed},
};

const WAITING: &str = "select count(*) from waiting_messages";

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_three_receives_leaves_nothing_in_the_dead_letter_queue() {
    for breakdown in [Breakdown::Unavailable, Breakdown::Maintenance, Breakdown::Forbidden] {
        let ground = Ground::lay(4).await;
        let (mut stream, mut service) = begun(&ground, 61, 4).await;
        ground.mpc.mpc().break_down(Some(breakdown));
        ground.queue.send(&stream.next(&ground, 12)).await;
        until("everything waits in the store", async || {
            ground.queue.counts().await == (0, 0) && ground.count(WAITING).await > 0
        })
        .await;
        let asked = ground.mpc.mpc().all_calls().len();
        until("it is probed many times", async || ground.mpc.mpc().all_calls().len() > asked + 10).await;
        ground.mpc.mpc().break_down(None);
        invariants::hold(&ground, &stream).await;
        assert!(service.is_running(), "healed without a restart");
        service.stop().await;
        ground.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_that_fail_for_good_delay_no_other_case() {
    const BAD: usize = 20;
    let ground = Ground::lay(4).await;
    let (mut stream, service) = begun(&ground, 62, 4).await;
    // More than are worked on at once, and nothing good in between that would show that the others are well.
    let bad: Vec<String> = (0..BAD).map(|number| format!("C{number:04}CC")).collect();
    for noms in &bad {
        ground.mpc.mpc().allocation(noms, Answer::with(500, ""));
    }
    let at = "2026-01-01T09:00:00Z".parse().unwrap();
    let body = |noms: &String| allocation(&ground, &format!("bad-{noms}"), noms, at, Some((1, "LEI")));
    let bodies: Vec<String> = bad.iter().map(body).collect();
    ground.queue.send(&bodies).await;
    until("the bad ones wait", async || ground.count(WAITING).await == BAD as i64).await;
    for _ in 0..5 {
        ground.queue.send(&stream.next(&ground, 4)).await;
        let done = async || invariants::is_recorded(&ground, &stream).await;
        assert!(within(Duration::from_secs(30), done).await, "the good ones wait for the bad ones");
    }
    assert_eq!(ground.count(WAITING).await, BAD as i64);
    assert_eq!(ground.queue.dead().await, 0);
    // Somebody corrects them: they are accepted without anybody's decision.
    for noms in &bad {
        ground.mpc.mpc().allocation(noms, Answer::not_found("Not ready for allocation"));
    }
    until("nothing waits", async || ground.count(WAITING).await == 0).await;
    service.stop().await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_is_killed_in_the_middle_of_an_outage_and_nothing_is_lost() {
    let ground = Ground::lay(4).await;
    let (mut stream, first) = begun(&ground, 63, 4).await;
    let second = Service::start(&ground, &[]).await;
    ground.mpc.mpc().break_down(Some(Breakdown::Hang));
    ground.queue.send(&stream.next(&ground, 24)).await;
    until("messages are in flight", async || ground.queue.counts().await.1 > 0).await;
    first.kill().await;
    second.kill().await;
    ground.mpc.mpc().break_down(Some(Breakdown::ServerError));
    let service = Service::start(&ground, &[]).await;
    until("everything waits in the store", async || {
        ground.queue.counts().await == (0, 0) && ground.count(WAITING).await > 0
    })
    .await;
    ground.mpc.mpc().break_down(None);
    invariants::hold(&ground, &stream).await;
    service.stop().await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delius_does_not_exist_for_a_while_and_nothing_is_parked() {
    let ground = Ground::lay(4).await;
    let (mut stream, mut service) = begun(&ground, 64, 4).await;
    ground.hide_delius(true).await;
    ground.queue.send(&stream.next(&ground, 12)).await;
    ground.queue.send(&[sentence_changed("sentence-1", "X000001")]).await;
    until("the writes wait", async || {
        ground.count("select count(*) from outbox where state = 'pending'").await > 0
            && ground.queue.counts().await == (0, 0)
    })
    .await;
    until("it is noticed", async || service.log().contains("the dependency is down")).await;
    ground.hide_delius(false).await;
    invariants::hold(&ground, &stream).await;
    let sentence = "select count(*) from message_receipts where event_type = 'SENTENCE_CHANGED'";
    until("the changed sentence is recorded", async || ground.count(sentence).await > 0).await;
    assert!(service.is_running(), "healed without a restart");
    service.stop().await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_widened_and_databases_are_read_only_under_warm_connections() {
    let ground = Ground::lay(4).await;
    let (mut stream, mut service) = begun(&ground, 65, 4).await;
    for statement in [
        "alter table staff alter column surname type varchar(60)",
        "alter table team alter column description type varchar(120)",
        "alter table prison_offender_manager alter column email_address type varchar(600)",
    ] {
        sqlx::query(statement).execute(&ground.delius).await.unwrap();
        ground.queue.send(&stream.next(&ground, 8)).await;
        invariants::hold(&ground, &stream).await;
    }
    for pool in [&ground.store, &ground.delius] {
        let name = pool.connect_options().get_database().unwrap().to_owned();
        let set = async |value: &str| {
            let statement = format!("alter database {name} set default_transaction_read_only = {value}");
            let mut connection = ground.admin().await;
            sqlx::query(&statement).execute(&mut connection).await.unwrap();
            // The connections of the service begin anew, as after a fail-over.
            let cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1
                       and application_name = 'manage-pom-cases-and-delius'";
            sqlx::query(cut).bind(&name).execute(&mut connection).await.unwrap();
        };
        set("on").await;
        ground.queue.send(&stream.next(&ground, 8)).await;
        until("it is noticed", async || {
            service.log().contains("25006") || service.log().contains("read-only")
        })
        .await;
        // Existing connections stay read-only: only those that are opened from now on can write.
        let mut connection = ground.admin().await;
        let reset = format!("alter database {name} reset default_transaction_read_only");
        sqlx::query(&reset).execute(&mut connection).await.unwrap();
        invariants::hold(&ground, &stream).await;
    }
    assert!(service.is_running(), "healed without a restart");
    service.stop().await;
    ground.end().await;
}
