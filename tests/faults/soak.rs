//! A stream with random faults: `make soak MINUTES=20`; `SEED=…` repeats a run.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    clocks::shifted,
    databases::begun,
    ground::{Ground, within},
    invariants,
    service::Service,
    sqs_layer::{Faults, SqsLayer},
    stand_ins::{Answer, Breakdown},
    stream::allocation,
    tcp_proxy::{Door, Mode},
};

const CASES: usize = 40;
/// More than are worked on at once.
const FOR_GOOD: i64 = 25;

#[derive(Default)]
struct Tally {
    kills: u64,
    outages: u64,
    pauses: u64,
    bad_cases: u64,
    wrong_clocks: u64,
    recoveries: Vec<Duration>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "as long as wanted: make soak MINUTES=20"]
async fn soak() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.trim().parse::<f64>().ok());
    let minutes = number("MINUTES").unwrap_or(2.0);
    let seed = number("SEED").map_or_else(|| fastrand::u64(..1_000_000), |seed| seed as u64);
    println!("soak: {minutes} minutes, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let ground = Ground::lay(CASES).await;
    let (mut stream, first) = begun(&ground, seed, CASES).await;
    first.stop().await;
    let faults = Faults {
        duplicate: 0.05,
        shuffle: 0.2,
        lose_delete: 0.02,
        refuse_entry: 0.02,
        throttle: 0.01,
        expire: 0.02,
    };
    let upstream = format!("http://{}", ground.doors.sqs.address);
    let layer = SqsLayer::start(&upstream, faults, seed).await;
    let mut service = start(&ground, &layer, 0).await;
    fail_for_good(&ground).await;
    let (mut tally, memory_at_start) = (Tally::default(), service.memory_kib());
    let (begun, mut told) = (Instant::now(), Instant::now());
    while begun.elapsed() < Duration::from_secs_f64(minutes * 60.0) {
        let burst = random.usize(5..30);
        ground.queue.send(&stream.next(&ground, burst)).await;
        match random.u8(..10) {
            0 | 1 => {
                service.kill().await;
                tally.kills += 1;
                let wrong = [0, -10, 10][random.usize(..3)];
                tally.wrong_clocks += u64::from(wrong != 0 && shifted(wrong).is_some());
                service = start(&ground, &layer, wrong).await;
            }
            2 => {
                service.signal(Signal::STOP);
                tally.pauses += 1;
                tokio::time::sleep(Duration::from_millis(random.u64(2500..5000))).await;
                service.signal(Signal::CONT);
            }
            3..=5 => {
                tally.outages += 1;
                outage(&ground, &mut random).await;
            }
            6 => {
                tally.outages += 1;
                breakdown(&ground, &mut random).await;
            }
            7 => {
                tally.bad_cases += 1;
                bad_cases(&ground, tally.bad_cases, &mut random).await;
            }
            _ => {}
        }
        // Recovery time: from the end of the fault until no work is left.
        let healed = Instant::now();
        if within(Duration::from_secs(120), async || invariants::is_drained(&ground, &stream).await).await {
            tally.recoveries.push(healed.elapsed());
        }
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            let (elapsed, messages) = (begun.elapsed().as_secs(), stream.sent.len());
            println!(
                "soak: {elapsed} s, {messages} messages, {} kills, {} outages",
                tally.kills, tally.outages
            );
        }
    }
    layer.calm();
    invariants::drained(&ground, &stream).await;
    let mut findings = invariants::check(&ground, &stream).await;
    let for_good =
        ground.count("select count(*) from waiting_messages where message_id like 'for-good-%'").await;
    if for_good != FOR_GOOD {
        findings.others.push(format!("{for_good} of {FOR_GOOD} cases that fail for good wait"));
    }
    let lost = findings.lost.len();
    let memory_at_end = service.memory_kib();
    let duplicates =
        ground.count("select count(*) from message_receipts where disposition = 'duplicate'").await;
    let lags = lags(&ground).await;
    let ms = |duration: Duration| format!("{} ms", duration.as_millis());
    let rows: Vec<(&str, String)> = vec![
        ("minutes", format!("{:.1}", begun.elapsed().as_secs_f64() / 60.0)),
        ("seed", seed.to_string()),
        ("messages", stream.sent.len().to_string()),
        ("sent more than once", stream.repeated.to_string()),
        ("duplicates recognised", duplicates.to_string()),
        ("delivered twice by SQS", layer.done().duplicates.to_string()),
        ("deletes lost by SQS", layer.done().lost_deletes.to_string()),
        (
            "writes to Delius",
            ground.count("select count(*) from outbox where state = 'done'").await.to_string(),
        ),
        ("kills (kill -9)", tally.kills.to_string()),
        ("pauses (SIGSTOP beyond the lease)", tally.pauses.to_string()),
        ("outages of a dependency", tally.outages.to_string()),
        ("starts with a clock ten minutes wrong", tally.wrong_clocks.to_string()),
        ("times that single cases failed", tally.bad_cases.to_string()),
        ("cases that fail for good, and wait", for_good.to_string()),
        ("dead letters", ground.queue.dead().await.to_string()),
        ("lost", lost.to_string()),
        ("doubled", findings.doubled.len().to_string()),
        ("out of order", findings.out_of_order.len().to_string()),
        ("other deviations", findings.others.len().to_string()),
        ("recovery p50", ms(percentile(&tally.recoveries, 0.5))),
        ("recovery p99", ms(percentile(&tally.recoveries, 0.99))),
        ("end-to-end lag p50", ms(percentile(&lags, 0.5))),
        ("end-to-end lag p99", ms(percentile(&lags, 0.99))),
        ("memory at start, of the first process", format!("{} MiB", memory_at_start / 1024)),
        ("memory at end, of the last process", format!("{} MiB", memory_at_end / 1024)),
    ];
    println!("\n| soak | |\n| --- | --- |");
    for (name, value) in rows {
        println!("| {name} | {value} |");
    }
    assert!(findings.is_empty(), "{findings:#?}");
    service.stop().await;
    ground.end().await;
}

/// A process whose clock is wrong by so many minutes, where a library can shift it.
async fn start(ground: &Ground, layer: &SqsLayer, wrong: i64) -> Service {
    let clock = if wrong == 0 { None } else { shifted(wrong) }.unwrap_or_default();
    let endpoint = ("AWS_ENDPOINT_URL", layer.url());
    let environment: Vec<_> = std::iter::once(endpoint).chain(clock).collect();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Service::start_calm(ground, layer, &environment).await
}

/// Manage POM Cases answers 500 for some cases from the first minute to the last.
async fn fail_for_good(ground: &Ground) {
    let at = "2026-01-01T09:00:00Z".parse().unwrap();
    let bodies = (0..FOR_GOOD).map(|number| {
        let noms = format!("E{number:04}EE");
        ground.mpc.mpc().allocation(&noms, Answer::with(500, ""));
        allocation(ground, &format!("for-good-{number}"), &noms, at, Some((1, "LEI")))
    });
    ground.queue.send(&bodies.collect::<Vec<_>>()).await;
}

/// One proxy fails in one way for a while.
async fn outage(ground: &Ground, random: &mut fastrand::Rng) {
    let doors = &ground.doors;
    let doors: [&Door; 4] = [&doors.store, &doors.delius, &doors.sqs, &doors.mpc];
    let modes = [Mode::Refuse, Mode::Refuse, Mode::Delay(Duration::from_millis(300)), Mode::Swallow];
    let door = doors[random.usize(..doors.len())];
    door.set(modes[random.usize(..modes.len())]);
    tokio::time::sleep(Duration::from_millis(random.u64(500..4000))).await;
    door.set(Mode::Pass);
}

/// Manage POM Cases answers everybody with something that is no answer.
async fn breakdown(ground: &Ground, random: &mut fastrand::Rng) {
    let kinds =
        [Breakdown::ServerError, Breakdown::Maintenance, Breakdown::Forbidden, Breakdown::TooManyRequests];
    ground.mpc.mpc().break_down(Some(kinds[random.usize(..kinds.len())]));
    tokio::time::sleep(Duration::from_millis(random.u64(500..4000))).await;
    ground.mpc.mpc().break_down(None);
}

/// Manage POM Cases fails for a few cases of their own while it answers all others.
async fn bad_cases(ground: &Ground, round: u64, random: &mut fastrand::Rng) {
    let bad: Vec<String> =
        (0..random.u64(1..30)).map(|number| format!("D{number:04}D{}", letter(round))).collect();
    let at = "2026-01-01T09:00:00Z".parse().unwrap();
    let body = |noms: &String| allocation(ground, &format!("bad-{round}-{noms}"), noms, at, Some((1, "LEI")));
    for noms in &bad {
        ground.mpc.mpc().allocation(noms, Answer::with(500, ""));
    }
    ground.queue.send(&bad.iter().map(body).collect::<Vec<_>>()).await;
    tokio::time::sleep(Duration::from_millis(random.u64(500..4000))).await;
    for noms in &bad {
        ground.mpc.mpc().allocation(noms, Answer::not_found("Not ready for allocation"));
    }
}

fn letter(round: u64) -> char {
    char::from(b'A' + u8::try_from(round % 26).unwrap_or_default())
}

/// Time from the receipt of a message until its last write is in Delius. Processes with a wrong clock are left out.
async fn lags(ground: &Ground) -> Vec<Duration> {
    let received: Vec<(uuid::Uuid, chrono::DateTime<chrono::Utc>)> = sqlx::query_as(
        "select o.id, r.received_at from outbox o
         join events v on v.aggregate_id = o.case_id and v.sequence = o.sequence
         join message_receipts r on r.message_id = v.metadata ->> 'messageId' and r.disposition = 'recorded'
         where abs(extract(epoch from v.recorded_at - r.received_at)) < 300",
    )
    .fetch_all(&ground.store)
    .await
    .unwrap();
    let applied: Vec<(uuid::Uuid, chrono::DateTime<chrono::Utc>)> = sqlx::query_as(
        "select write_id::uuid, (outcome::jsonb ->> 'appliedAt')::timestamptz from pom_cases_write_ledger",
    )
    .fetch_all(&ground.delius)
    .await
    .unwrap();
    let applied: BTreeMap<_, _> = applied.into_iter().collect();
    let lag = |(id, received): &(uuid::Uuid, chrono::DateTime<chrono::Utc>)| {
        (*applied.get(id)? - *received).to_std().ok()
    };
    received.iter().filter_map(lag).collect()
}

fn percentile(durations: &[Duration], part: f64) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort();
    sorted
        .get(((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
