//! Replicas of the API on real databases, also when a database is cut off.

use std::time::Duration;

use manage_pom_cases_and_delius::case_records::invalidate;
use reqwest::{Method, StatusCode, header};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::helpers::{
    api::{Replica, Settings, delius_beside, feed_is_current, from_delius, stand_ins, until},
    people::{person, run},
    severable::Severable,
    world::{CRN, NOMS, World, offender_event},
};

async fn set_tier(delius: &PgPool, description: &str) {
    let id = format!(
        "UPDATE offender SET current_tier = (SELECT standard_reference_list_id FROM r_standard_reference_list
                                              WHERE code_description = '{description}')"
    );
    run(delius, &id).await;
}

async fn tier(replica: &Replica) -> String {
    tier_of(replica, "X000001").await
}

async fn tier_of(replica: &Replica, crn: &str) -> String {
    let (_, body) = replica.get_json(&format!("/case-records/{crn}")).await;
    body["currentTier"].as_str().unwrap_or("none").to_owned()
}

/// A pool to the same database over a connection that can be severed.
async fn through(severable: &Severable, pool: &PgPool) -> PgPool {
    let options = (*pool.connect_options()).clone().host("127.0.0.1").port(severable.port());
    let limit = Duration::from_millis(500);
    PgPoolOptions::new().acquire_timeout(limit).max_connections(4).connect_with(options).await.unwrap()
}

async fn severable(pool: &PgPool) -> Severable {
    let options = pool.connect_options();
    Severable::to(options.get_host(), options.get_port()).await
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_change_is_served_new_by_both_replicas_as_soon_as_its_message_was_accepted(store: PgPool) {
    let world = World::on(store).await;
    let (store, delius) = (&world.store, &world.delius);
    set_tier(delius, "A1").await;
    let one = Replica::start(store, from_delius(delius), &world.mpc, Settings::default()).await;
    let two = Replica::start(store, from_delius(delius), &world.mpc, Settings::default()).await;
    feed_is_current(store).await;
    for replica in [&one, &two] {
        replica.trusts_its_memory().await;
        assert_eq!(tier_of(replica, CRN).await, "A1");
        let again = replica.get(&format!("/case-records/{CRN}")).await;
        assert!(again.headers().contains_key(header::AGE), "kept by now");
        assert!(!again.headers().contains_key(header::WARNING));
    }

    set_tier(delius, "B2").await;
    world.accept(&offender_event("OFFENDER_MANAGEMENT_TIER_CALCULATION_REQUIRED", CRN)).await;
    for replica in [&one, &two] {
        until("the new value is served", || async { tier_of(replica, CRN).await == "B2" }).await;
    }
    for replica in [one, two] {
        replica.stop.cancel();
    }
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_noms_number_that_moved_is_not_answered_with_whoever_had_it_before(store: PgPool) {
    let world = World::on(store).await;
    let (store, delius) = (&world.store, &world.delius);
    let replica = Replica::start(store, from_delius(delius), &world.mpc, Settings::default()).await;
    feed_is_current(store).await;
    replica.trusts_its_memory().await;
    let by_noms = || async { replica.get_json(&format!("/case-records/{NOMS}")).await.1["crn"].clone() };
    assert_eq!(by_noms().await, CRN);

    // Only the message about the person who got the number arrives.
    person(delius, "X000002", Some(NOMS)).await;
    run(delius, &format!("UPDATE offender SET noms_number = NULL WHERE crn = '{CRN}'")).await;
    let mut message = offender_event("OFFENDER_CHANGED", "X000002");
    message["nomsNumber"] = NOMS.into();
    world.accept(&message).await;
    until("the new holder is served", || async { by_noms().await == "X000002" }).await;
    replica.stop.cancel();
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn with_delius_stopped_kept_records_are_served_as_stale_and_others_503_until_it_is_back(store: PgPool) {
    let (auth, delius) = (stand_ins().await, delius_beside(&store).await);
    person(&delius, "X000001", Some("A0001AA")).await;
    person(&delius, "X000002", None).await;
    set_tier(&delius, "A1").await;
    let line = severable(&delius).await;
    let far = through(&line, &delius).await;
    let settings = Settings::default();
    let replica = Replica::start(&store, from_delius(&far), &auth, settings).await;
    assert_eq!(tier(&replica).await, "A1");

    line.sever();
    let stale = replica.get("/case-records/X000001").await;
    assert_eq!(stale.status(), StatusCode::OK);
    assert!(stale.headers().contains_key(header::AGE));
    assert!(stale.headers()[header::WARNING].to_str().unwrap().starts_with("110 "));
    for path in ["/case-records/X000002", "/case-records/X000002/risks/mappa", "/case-records/X999999"] {
        let unknown = replica.get(path).await;
        assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(unknown.headers().contains_key(header::RETRY_AFTER));
    }
    let batch = |body: &'static str| replica.request(Method::POST, "/case-records").body(body).send();
    let stale = batch(r#"["X000001"]"#).await.unwrap();
    assert_eq!(stale.status(), StatusCode::OK);
    assert!(stale.headers().contains_key(header::WARNING));
    assert_eq!(batch(r#"["X000001", "X000002"]"#).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);

    set_tier(&delius, "C3").await;
    line.mend();
    until("the new value is served, without a restart", || async { tier(&replica).await == "C3" }).await;
    assert_eq!(replica.get("/case-records/X000002").await.status(), StatusCode::OK);
    assert_eq!(replica.get("/case-records/X999999").await.status(), StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "migrations/store")]
async fn with_our_store_cut_off_reads_go_through_and_nothing_from_memory_is_served(store: PgPool) {
    let (auth, delius) = (stand_ins().await, delius_beside(&store).await);
    person(&delius, "X000001", Some("A0001AA")).await;
    set_tier(&delius, "A1").await;
    let line = severable(&store).await;
    let far = through(&line, &store).await;
    let replica = Replica::start(&far, from_delius(&delius), &auth, Settings::default()).await;
    feed_is_current(&store).await;
    replica.trusts_its_memory().await;
    assert_eq!(tier(&replica).await, "A1");
    assert!(replica.get("/case-records/X000001").await.headers().contains_key(header::AGE));

    line.sever();
    until("the break is noticed", || async { !replica.records.receives_invalidations() }).await;
    set_tier(&delius, "B2").await;
    invalidate(&store, &["X000001".parse().unwrap()]).await.unwrap();
    assert_eq!(tier(&replica).await, "B2", "the invalidation could not be heard, and does not have to be");

    line.mend();
    replica.trusts_its_memory().await;
    assert_eq!(tier(&replica).await, "B2");
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_openly_readable_figures_count_reads_by_where_the_answer_came_from(store: PgPool) {
    let (auth, delius) = (stand_ins().await, delius_beside(&store).await);
    person(&delius, "X000001", None).await;
    let replica = Replica::start(&store, from_delius(&delius), &auth, Settings::default()).await;
    replica.get("/case-records/X000001").await;
    let figures = replica.bare(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(figures.status(), StatusCode::OK);
    assert!(figures.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
    let figures = figures.text().await.unwrap();
    for (name, labels) in [
        ("case_record_reads_total{", r#"from="delius"}"#),
        ("http_requests_total{", r#"route="/case-records/{id}",method="GET",status="200"}"#),
        ("http_connections{", "}"),
    ] {
        let is_there = figures.lines().any(|line| line.starts_with(name) && line.contains(labels));
        assert!(is_there, "{name}{labels} is not in\n{figures}");
    }
}
