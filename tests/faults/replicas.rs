//! Two replicas of the read API, each with its own memory cache.

use crate::{
    caller::{CRN, Caller, set_tier},
    ground::{Ground, noms, until},
    service::Service,
    stand_ins::Answer,
    stream::{STAFF, allocation, changed},
};

/// Waits until the replica serves this tier from its cache.
async fn keeps(caller: &Caller, replica: &Service, tier: &str) {
    let api = replica.api_url();
    until("the record is kept", async || {
        let answered = caller.ask(&api, CRN).await.unwrap();
        answered.claims(tier) && answered.kept
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_one_process_receives_drops_the_record_in_both() {
    let ground = Ground::lay(1).await;
    let caller = Caller::of(&ground);
    set_tier(&ground, "A1").await;
    let one = Service::start_as(&ground, "api,ingest", &[]).await;
    let two = Service::start_as(&ground, "api", &[]).await;
    for (round, (old, new)) in [("A1", "B2"), ("B2", "C3")].into_iter().enumerate() {
        for replica in [&one, &two] {
            keeps(&caller, replica, old).await;
        }
        set_tier(&ground, new).await;
        ground.queue.send(&[changed(&format!("change-{round}"), CRN)]).await;
        for replica in [&one, &two] {
            let api = replica.api_url();
            until("the new value is served", async || caller.ask(&api, CRN).await.unwrap().claims(new)).await;
        }
    }
    one.stop().await;
    two.stop().await;
    ground.end().await;
}

/// Our own writes drop no record, because no record contains anything that we write.
#[tokio::test(flavor = "multi_thread")]
async fn no_write_of_ours_changes_a_record_that_is_kept() {
    let ground = Ground::lay(1).await;
    let caller = Caller::of(&ground);
    set_tier(&ground, "A1").await;
    let service = Service::start_as(&ground, "api,ingest,relay", &[]).await;
    let noms = noms(0);
    let crn = "select crn from offender where noms_number = $1";
    let crn: String = sqlx::query_scalar(crn).bind(&noms).fetch_one(&ground.delius).await.unwrap();
    assert_eq!(crn, CRN);
    keeps(&caller, &service, "A1").await;
    let before = caller.ask(&service.api_url(), CRN).await.unwrap();

    ground.mpc.mpc().handover(&noms, Answer::handover(&noms, Some("2027-03-01"), Some("2027-02-01")));
    let (code, forename, surname) = STAFF[0];
    ground.mpc.mpc().allocation(&noms, Answer::allocated(code, forename, surname, None, "LEI"));
    let at = "2026-03-01T09:00:00Z".parse().unwrap();
    ground.queue.send(&[allocation(&ground, "m-1", &noms, at, Some((code, "LEI")))]).await;
    ground.queue.send(&[crate::stream::handover(&ground, "m-2", &noms)]).await;
    until("both are applied", async || {
        ground.count("select count(*) from outbox where state = 'done'").await == 2
    })
    .await;
    let written = "select (select count(*) from prison_offender_manager) + (select count(*) from key_date)
                        + (select count(*) from contact)";
    let written: i64 = sqlx::query_scalar(written).fetch_one(&ground.delius).await.unwrap();
    assert_eq!(written, 4);
    let after = caller.ask_delius(&service.api_url(), CRN).await.unwrap();
    assert_eq!(after.body, before.body);
    service.stop().await;
    ground.end().await;
}
