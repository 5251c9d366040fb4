//! The bulk refresh, started twice at once and killed in the middle.

use crate::{
    ground::{Ground, noms, teaching_noms, until},
    queue::Queue,
    service::{Ended, Service, command, run},
    stand_ins::Answer,
    stream::STAFF,
};

const CASES: usize = 20;
const EVERYBODY: i64 = (CASES + STAFF.len()) as i64;

const REFUSED: &str = "another process works on this bulk run";

async fn everybody_has_dates() -> Ground {
    let ground = Ground::lay(CASES).await;
    for noms in (0..CASES).map(noms).chain((0..STAFF.len()).map(teaching_noms)) {
        let answer = Answer::handover(&noms, Some("2027-03-01"), Some("2027-02-01"));
        ground.mpc.mpc().handover(&noms, answer);
    }
    ground
}

fn refresh(ground: &Ground, rate: &str, environment: &[(&str, &str)]) -> tokio::process::Command {
    let mut command = command(ground, &["handovers", "refresh", "--all", "--rate", rate]);
    command.envs(environment.iter().copied());
    command
}

/// Runs it, once the database session of a killed process is gone.
async fn refreshed(ground: &Ground, environment: &[(&str, &str)]) -> Ended {
    let mut ended = None;
    until("the turn of the one that was killed is over", async || {
        let last = run(ground, &mut refresh(ground, "1000", environment)).await;
        let refused = last.err.contains(REFUSED);
        ended = Some(last);
        !refused
    })
    .await;
    ended.unwrap()
}

/// Checks that each case has one event, one write and one pair of key dates, and that there was one run.
async fn everybody_once(ground: &Ground) {
    let events = "select aggregate_id || ' ' || event_type || ' ' || count(*) from events
                  where metadata ->> 'messageId' like 'bulk:%' group by aggregate_id, event_type order by 1";
    let events: Vec<String> = sqlx::query_scalar(events).fetch_all(&ground.store).await.unwrap();
    let people = (0..STAFF.len()).map(teaching_noms).chain((0..CASES).map(noms));
    assert_eq!(events, people.map(|noms| format!("{noms} HandoverDatesChanged 1")).collect::<Vec<_>>());
    let in_delius =
        async |sql: &str| -> i64 { sqlx::query_scalar(sql).fetch_one(&ground.delius).await.unwrap() };
    assert_eq!(in_delius("select count(*) from key_date").await, 2 * EVERYBODY);
    assert_eq!(
        in_delius("select count(*) from key_date where row_version = 0 and soft_deleted = 0").await,
        2 * EVERYBODY
    );
    assert_eq!(in_delius("select count(*) from pom_cases_write_ledger").await, EVERYBODY);
    assert_eq!(ground.count("select count(*) from outbox where state = 'done'").await, EVERYBODY);
    assert_eq!(ground.count("select count(*) from outbox").await, EVERYBODY);
    let outcomes = "select count(*) from events where event_type = 'DeliusUpdated'";
    assert_eq!(ground.count(outcomes).await, EVERYBODY);
    let run = "select handed_over from bulk_runs where finished_at is not null and not_accepted = 0";
    let runs: Vec<i64> = sqlx::query_scalar(run).fetch_all(&ground.store).await.unwrap();
    assert_eq!((runs, ground.count("select count(*) from bulk_runs").await), (vec![EVERYBODY], 1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn of_two_runs_at_once_one_works_and_killed_twice_it_is_resumed_and_does_nothing_twice() {
    let ground = everybody_has_dates().await;
    let mut first = refresh(&ground, "2", &[]).spawn().unwrap();
    until("the run is in the middle", async || ground.count("select count(*) from events").await > 4).await;
    let second = run(&ground, &mut refresh(&ground, "1000", &[])).await;
    assert_eq!(second.code, Some(1), "{}", second.out);
    assert!(second.err.contains(REFUSED), "{}", second.err);
    first.kill().await.unwrap();

    let killed = refreshed(&ground, &[("FAILPOINTS", "outcome_recorded=2*off->return")]).await;
    assert_eq!(killed.code, None, "killed by a signal: {}", killed.out);
    assert!(killed.out.contains("resuming the run"), "{}", killed.out);
    let last = refreshed(&ground, &[]).await;
    assert_eq!(last.code, Some(0), "{}", last.out);
    assert!(last.out.contains(&format!("{EVERYBODY}  KeyDateCreated")), "{}", last.out);
    everybody_once(&ground).await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_through_a_queue_survives_the_death_of_its_sender_and_of_a_service() {
    let ground = everybody_has_dates().await;
    let bulk = Queue::make(1000).await;
    let queue = [("BULK_QUEUE_URL", bulk.url.as_str())];
    let (one, two) = (Service::start(&ground, &queue).await, Service::start(&ground, &queue).await);
    let mut sender = refresh(&ground, "30", &queue).spawn().unwrap();
    until("some are handed over", async || {
        ground.count("select coalesce(max(handed_over), 0) from bulk_runs").await > 5
    })
    .await;
    sender.kill().await.unwrap();
    one.kill().await;
    let resumed = refreshed(&ground, &queue).await;
    assert_eq!(resumed.code, Some(0), "{}", resumed.out);
    assert!(resumed.out.contains("resuming the run"), "{}", resumed.out);
    assert!(resumed.out.contains(&format!("{EVERYBODY}  KeyDateCreated")), "{}", resumed.out);
    everybody_once(&ground).await;
    two.stop().await;
    bulk.remove().await;
    ground.end().await;
}
