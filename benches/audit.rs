//! How fast a journal is filled, verified and replayed, and whether the memory stays flat.
//!
//! `DATABASE_URL=… cargo bench --bench audit` makes a database of its own on that server, fills it with `EVENTS` events
//! (a million by default) and drops it again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use manage_pom_cases_and_delius::{
    audit::{
        journal::{Journal, verify},
        replay,
    },
    case::{CaseEvent, Evidence, Fetched, NameSource, NomsNumber, Pom, PrisonCode, Provenance},
    database,
    event_store::{self, Cause},
};
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};

/// Events of one case.
const PER_CASE: usize = 50;

fn event(message: usize, noms: &NomsNumber, at: DateTime<Utc>) -> CaseEvent {
    let body = json!({
        "eventType": "offender-management.allocation.changed", "version": 1, "occurredAt": at,
        "description": "A POM allocation has changed",
        "detailUrl": format!("https://mpc.example/api/allocation/{noms}/primary_pom"),
        "additionalInformation": { "staffCode": message, "prisonId": "LEI", "eventTrigger": "user" },
        "personReference": { "identifiers": [{ "type": "NOMS", "value": noms }] },
    });
    let answer = json!({ "manager": { "code": message, "forename": "ADA", "surname": "BYRON", "email": null },
                         "prison": { "code": "LEI" } });
    CaseEvent::PomAllocated {
        provenance: Provenance {
            message_id: format!("message-{message}"),
            event_type: "offender-management.allocation.changed".to_owned(),
            occurred_at: at,
            received_at: at + TimeDelta::seconds(1),
            message: Evidence::of(body.to_string()),
            fetched: vec![Fetched {
                url: format!("https://mpc.example/api/allocation/{noms}/primary_pom"),
                status: 200,
                at: at + TimeDelta::seconds(2),
                answer: Evidence::of(answer.to_string()),
                staff: None,
            }],
            code_version: "0.1.0".to_owned(),
            under: None,
        },
        at,
        pom: Pom {
            prison: "LEI".parse::<PrisonCode>().unwrap(),
            staff_code: message as i64,
            forename: "ADA".to_owned(),
            surname: "BYRON".to_owned(),
            email: None,
        },
        named_by: NameSource::Answer,
        reflects: None,
        followed_by: None,
    }
}

/// The n-th NOMS number.
fn noms(n: usize) -> NomsNumber {
    let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap());
    let (digits, rest) = (n % 10_000, n / 10_000);
    format!("B{digits:04}{}{}", letter(rest / 26), letter(rest)).parse().unwrap()
}

async fn fill(pool: &PgPool, events: usize) {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    for case in 0..events.div_ceil(PER_CASE) {
        let noms = noms(case);
        let count = PER_CASE.min(events - case * PER_CASE);
        let batch: Vec<CaseEvent> = (0..count)
            .map(|index| {
                let message = case * PER_CASE + index;
                event(message, &noms, start + TimeDelta::minutes(message as i64))
            })
            .collect();
        event_store::append(pool, &noms, 0, &batch, Cause::NoMessage).await.unwrap();
    }
}

/// A figure of this process's memory in MiB: `VmRSS:` now, `VmHWM:` at its peak.
fn memory_mib(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|line| line.strip_prefix(figure));
    found.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn report(what: &str, events: u64, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    let rate = events as f64 / seconds;
    println!(
        "{what:<10} {events:>9} events {seconds:>8.1} s {rate:>9.0} events/s   peak memory {} MiB",
        memory_mib("VmHWM:")
    );
}

/// As the service does it, on connections like its own.
async fn record(service: &PgPool, events: usize) {
    println!("memory at the start: {} MiB", memory_mib("VmRSS:"));
    let start = Instant::now();
    fill(service, events).await;
    report("filled", events as u64, start);

    let start = Instant::now();
    let entered = Journal::new(service.clone()).catch_up().await.unwrap();
    report("journalled", entered, start);
}

/// As the reports do it, which read everything.
async fn measure(pool: &PgPool, events: usize) {
    let start = Instant::now();
    let intact = verify::verify(pool, &verify::VerifyRequest::default(), |_, _| {}).await.unwrap().unwrap();
    report("verified", intact.events, start);

    let start = Instant::now();
    let replayed = replay::all(pool, |_, _| {}).await.unwrap().unwrap();
    report("replayed", replayed.events, start);
    assert_eq!((intact.events, replayed.events), (events as u64, events as u64));
}

#[tokio::main]
async fn main() {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL of a server on which databases may be made");
    let events = std::env::var("EVENTS").ok().map_or(1_000_000, |events| events.parse().expect("a number"));
    let server: PgConnectOptions = url.parse().unwrap();
    let name = format!("audit_bench_{}", uuid::Uuid::now_v7().simple());
    let mut admin = PgConnection::connect_with(&server).await.unwrap();
    sqlx::query(&format!("create database {name}")).execute(&mut admin).await.unwrap();
    let server = server.database(&name);
    let service = PgPool::connect_with(database::indexed(server.clone())).await.unwrap();
    event_store::migrator().run(&service).await.unwrap();
    record(&service, events).await;
    service.close().await;
    let pool = PgPool::connect_with(server).await.unwrap();
    measure(&pool, events).await;
    pool.close().await;
    sqlx::query(&format!("drop database {name} with (force)")).execute(&mut admin).await.unwrap();
}
