//! Two processes need the same new member of staff at the same moment.

use manage_pom_cases_and_delius::audit::journal::verify::{VerifyRequest, verify};

use crate::{
    ground::{Ground, noms, until},
    service::Service,
    stand_ins::Answer,
    stream::{STAFF, allocation},
};

const CASES: usize = 20;

/// Surnames that differ only in the last letter.
fn namesake(case: usize) -> String {
    format!("QUILLFEATHER-{}", char::from(b'A' + u8::try_from(case).unwrap()))
}

/// One message per case, about a POM whom Manage POM Cases names in its answer.
async fn send(ground: &Ground, prison: &str, at: &str, pom: impl Fn(usize) -> (i64, String)) {
    let message = |case: usize| {
        let (code, surname) = pom(case);
        let answer = Answer::allocated(code, STAFF[0].1, &surname, None, prison);
        ground.mpc.mpc().allocation(&noms(case), answer);
        let (id, at) = (format!("{prison}-{case}"), at.parse().unwrap());
        allocation(ground, &id, &noms(case), at, Some((code, prison)))
    };
    let messages: Vec<String> = (0..CASES).map(message).collect();
    ground.queue.send(&messages).await;
}

/// Starts twenty writes, ten in each process, and releases them on the provider at the same moment.
async fn applied_at_once(ground: &Ground, writes: i64) {
    let mut gate = ground.delius.begin().await.unwrap();
    sqlx::query("select from offender for update").execute(&mut *gate).await.unwrap();
    let (one, two) = tokio::join!(relay(ground), relay(ground));
    until("all writes wait for their persons", async || {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&ground.delius).await.unwrap();
        waiting == CASES as i64
    })
    .await;
    gate.commit().await.unwrap();
    until("all writes are applied and journalled", async || {
        ground.count("select count(*) from outbox where state = 'done'").await == writes
            && ground.count("select (select count(*) from events) - (select count(*) from journal where source = 'event')").await
                == 0
    })
    .await;
    one.stop().await;
    two.stop().await;
}

/// A process that takes exactly half of the writes.
async fn relay(ground: &Ground) -> Service {
    let half = (CASES / 2).to_string();
    let patient = [("DELIUS_WRITE_SECONDS", "60"), ("LEASE_SECONDS", "90")];
    Service::start_as(
        ground,
        "relay",
        &[[("RELAY_CONCURRENCY", half.as_str())].as_slice(), &patient].concat(),
    )
    .await
}

async fn in_delius(ground: &Ground, sql: &str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&ground.delius).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_first_allocations_of_one_new_name_from_two_processes_create_one_member_of_staff() {
    let ground = Ground::lay(CASES).await;
    let ingest = Service::start_as(&ground, "ingest", &[]).await;
    let recorded = async |count: i64| {
        until("every message is recorded", async || {
            ground.count("select count(*) from outbox").await == count
        })
        .await;
    };
    send(&ground, "LEI", "2026-03-01T09:00:00Z", |_| (1, STAFF[0].2.to_owned())).await;
    recorded(20).await;
    applied_at_once(&ground, 20).await;
    let staff = "select officer_code || ' ' || upper(surname) || ' ' || count(member.staff_id)
                 from staff left join staff_team member using (staff_id)
                 where officer_code not like '%U' group by staff_id order by officer_code";
    assert_eq!(in_delius(&ground, staff).await, ["N03A000 QUILLFEATHER 1"]);
    let poms = "select s.officer_code || ' ' || count(*) from prison_offender_manager p
                join staff s on s.staff_id = p.allocation_staff_id where p.soft_deleted = 0 group by s.officer_code";
    assert_eq!(in_delius(&ground, poms).await, ["N03A000 20"]);

    // Different new names in the other prison: as many codes, without a gap.
    send(&ground, "MDI", "2026-03-02T09:00:00Z", |case| (100 + case as i64, namesake(case))).await;
    recorded(40).await;
    applied_at_once(&ground, 40).await;
    let codes = "select officer_code from staff where officer_code ~ '^N04A[0-9]' order by 1";
    let expected: Vec<String> = (0..CASES).map(|code| format!("N04A{code:03}")).collect();
    assert_eq!(in_delius(&ground, codes).await, expected);
    let names = "select upper(surname) from staff where officer_code ~ '^N04A[0-9]' order by 1";
    assert_eq!(in_delius(&ground, names).await, (0..CASES).map(namesake).collect::<Vec<_>>());

    assert!(verify(&ground.store, &VerifyRequest::default(), |_, _| {}).await.unwrap().is_ok());
    ingest.stop().await;
    ground.end().await;
}
