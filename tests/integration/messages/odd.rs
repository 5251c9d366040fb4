//! Messages and answers that are not as they should be: each ends as events or parked, and keeps nobody else waiting.

use manage_pom_cases_and_delius::{
    audit::{history, render::Format, replay::decisions::decide_again},
    case::CaseEvent,
    ingest::{Delivery, Disposition, NotAccepted},
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::world::{CRN, NOMS, World, delivery, envelope, offender_event},
    stand_ins::Answer,
};

const MORNING: &str = "2026-07-01T09:00:00Z";
const ADDED: &str = "probation-case.prison-identifier.added";

/// How many cached records of the one person were dropped.
async fn dropped(world: &World) -> i64 {
    world.count(&format!("select count(*) from case_records where crn = '{CRN}' and facts is null")).await
}

async fn forget_drops(world: &World) {
    sqlx::query("delete from case_records").execute(&world.store).await.unwrap();
}

/// An event without its envelope, as raw delivery brings it.
fn bare(message: &Value) -> Value {
    serde_json::from_str(message["Message"].as_str().unwrap()).unwrap()
}

fn without_noms(message: &Value) -> Value {
    let mut event = bare(message);
    event["personReference"] = json!({ "identifiers": [{ "type": "CRN", "value": CRN }] });
    let mut message = message.clone();
    message["Message"] = json!(event.to_string());
    message
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_message_that_is_parked_outdates_the_cached_record_all_the_same(store: PgPool) {
    let world = World::on(store).await;
    world.accept(&envelope("m0", ADDED, "yesterday", None, &Value::Null)).await;
    assert_eq!((world.parked().await, dropped(&world).await), (vec!["InvalidMessage".into()], 1));

    forget_drops(&world).await;
    world.accept(&envelope("m1", ADDED, "yesterday", None, &Value::Null)).await;
    assert_eq!((world.parked().await.len(), dropped(&world).await), (2, 1));

    forget_drops(&world).await;
    let malformed = envelope("m2", ADDED, MORNING, None, &Value::Null).to_string().replace(NOMS, "1234567");
    world.ingest.accept(&delivery(malformed)).await.unwrap();
    let handled = (world.parked().await.len(), dropped(&world).await);
    assert_eq!(handled, (2, 1), "the CRN is enough, and its record is dropped too");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_link_that_names_only_the_crn_finds_the_noms_number_in_delius(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    let added = without_noms(&envelope("m1", ADDED, MORNING, None, &Value::Null));
    world.apply(&added).await;
    assert_eq!(world.events(NOMS).await[..2], ["IdentifierLinked", "PomAllocated"]);
    assert_eq!(world.poms(NOMS).await, ["01.10:00:00 - open N03POM Byron"]);
    assert_eq!(dropped(&world).await, 1);
    assert_eq!(world.accept(&added).await, Disposition::Duplicate);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_link_without_a_noms_number_anywhere_is_tried_again_and_then_parked(store: PgPool) {
    let world = World::on(store).await;
    sqlx::query("update offender set noms_number = null").execute(&world.delius).await.unwrap();
    let added = without_noms(&envelope("m1", ADDED, MORNING, None, &Value::Null));
    let error = world.try_accept(&added).await.unwrap_err();
    assert!(matches!(error, NotAccepted::Undocumented { dependency: None, .. }), "{error}");
    world.ingest.accept_now(&delivery(added.to_string())).await.unwrap();
    assert_eq!(world.parked().await, ["MissingIdentifier"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_message_that_comes_again_is_a_duplicate_though_its_crn_has_another_noms_number_now(store: PgPool) {
    let world = World::on(store).await;
    let sentence = offender_event("SENTENCE_CHANGED", CRN);
    world.apply(&sentence).await;
    assert_eq!(world.events(NOMS).await, ["HandoverNotFound"]);
    sqlx::query("update offender set noms_number = 'A9999ZZ'").execute(&world.delius).await.unwrap();
    assert_eq!(world.accept(&sentence).await, Disposition::Duplicate);
    assert!(world.events("A9999ZZ").await.is_empty());
    let counted = format!(
        "select count(*) from message_receipts where disposition = 'duplicate' and case_id = '{NOMS}'"
    );
    assert_eq!(world.count(&counted).await, 1);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn equal_events_without_an_envelope_are_told_apart_by_their_id_in_the_queue(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    let body = bare(&world.allocation("m1", MORNING, 1)).to_string();
    let raw = |id: &str| Delivery { sqs_id: Some(id.into()), ..delivery(body.clone()) };
    for (id, again) in [("7a1c", false), ("7a1d", false), ("7a1c", true)] {
        let disposition = world.ingest.accept(&raw(id)).await.unwrap();
        assert_eq!(disposition == Disposition::Duplicate, again, "{id}: {disposition:?}");
    }
    world.drain().await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated", "NoPomChange"]);

    // The chain leads from the entry to the message under that id.
    let file = history::load(&world.store, &NOMS.parse().unwrap()).await.unwrap().unwrap();
    let explained = history::explain(&file, 2).unwrap().render(Format::Table).unwrap().unwrap();
    assert!(explained.contains("SQS message   7a1d"), "{explained}");
    assert!(explained.contains("recorded, delivery 1"), "{explained}");
    let events: Vec<CaseEvent> = world.history(NOMS).await;
    decide_again(&NOMS.parse().unwrap(), &events).await.unwrap();
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_status_that_nobody_documents_is_parked_under_its_own_name(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::page(403));
    let message = world.allocation("m1", MORNING, 1);
    world.ingest.accept_now(&delivery(message.to_string())).await.unwrap();
    assert_eq!(world.parked().await, ["UnexpectedStatus"]);
    // What an operator retries is asked for once.
    let asked = world.mpc.mpc().all_calls().len();
    let retried = world.ingest.retry(&delivery(message.to_string()), "m1").await.unwrap();
    assert_eq!(world.mpc.mpc().all_calls().len(), asked + 1);
    assert!(matches!(retried, Disposition::Parked(_)), "{retried:?}");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_delius_has_no_room_for_never_blocks_a_case(store: PgPool) {
    let world = World::on(store).await;
    let email = |length: usize| format!("{}@b.c", "a".repeat(length - 4));
    let answer = |name: &str, email: &str| Answer::allocated(1, name, name, Some(email), "LEI");
    world.mpc.mpc().allocation(NOMS, answer("ADA", &email(501)));
    world.apply(&world.allocation("m1", MORNING, 1)).await;
    assert_eq!(world.parked().await, ["InvalidDetail"]);

    // As long as may be; a longer name is cut, and found again under what it was cut to.
    let long = "B".repeat(100);
    world.mpc.mpc().allocation(NOMS, answer(&long, &email(500)));
    world.apply(&world.allocation("m2", "2026-07-02T09:00:00Z", 1)).await;
    world.apply(&world.allocation("m3", "2026-07-03T09:00:00Z", 1)).await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated", "NoPomChange"]);
    let unkept = "select count(*) from prison_offender_manager where email_address is null";
    assert_eq!(world.count_in_delius(unkept).await, 1);
    let cut = "select count(*) from staff where length(surname) = 35 and length(forename) = 35";
    assert_eq!(world.count_in_delius(cut).await, 1);

    // Prison codes as long as the column, and longer than any.
    for (id, prison) in [("m4", "LONGER"), ("m5", "TOOLONG")] {
        world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, prison));
        let unstated = json!({ "eventTrigger": "user" });
        let url = format!("{}/api/allocation/{NOMS}/primary_pom", world.mpc.mpc_url());
        let event_type = "offender-management.allocation.changed";
        world.apply(&envelope(id, event_type, "2026-07-04T09:00:00Z", Some(&url), &unstated)).await;
    }
    assert_eq!(world.outcomes(NOMS).await.last(), Some(&"UnknownPrison"));
    assert_eq!(world.parked().await, ["InvalidDetail", "InvalidDetail"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_redirect_is_followed_only_to_the_same_person(store: PgPool) {
    let world = World::on(store).await;
    let other = "/api/allocation/A9999ZZ/primary_pom";
    world.mpc.mpc().answer(other, Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
    world.mpc.mpc().answer("/welcome", Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
    let elsewhere = format!("{}{other}", world.mpc.mpc_url());
    for (id, target) in [("m1", other), ("m2", &elsewhere)] {
        world.mpc.mpc().allocation(NOMS, Answer::redirect(target));
        world.accept(&world.allocation(id, MORNING, 1)).await;
    }
    assert_eq!(world.parked().await, ["IdentifierMismatch", "IdentifierMismatch"]);
    // A maintenance or sign-in page names nobody: it says nothing about the message, which is tried again.
    let own = format!("/api/allocation/{NOMS}/primary_pom");
    for target in ["/api/../welcome", "https://sign-in.example/", &own] {
        world.mpc.mpc().allocation(NOMS, Answer::redirect(target));
        let error = world.try_accept(&world.allocation("m3", MORNING, 1)).await.unwrap_err();
        assert!(matches!(error, NotAccepted::Undocumented { .. }), "{error}");
    }
    assert_eq!(world.mpc.mpc().calls("/welcome"), 0, "nor is a page that names nobody");
    assert_eq!(world.mpc.mpc().calls(other), 0, "nobody else's detail is fetched");

    let moved = format!("/api/v2/allocation/{NOMS}");
    world.mpc.mpc().allocation(NOMS, Answer::redirect(&moved));
    world.mpc.mpc().answer(&moved, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    world.apply(&world.allocation("m5", MORNING, 1)).await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_case_that_cannot_be_read_does_not_keep_others_from_being_reflected(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::not_found("Not allocated"));
    world.accept(&world.allocation("m1", MORNING, 1)).await;
    assert_eq!(world.events(NOMS).await, ["AllocationSuperseded"]);
    sqlx::raw_sql(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         select 'case', id, 1, 'AllocationSuperseded', '1.0.0', '{}', '{}' from unnest('{A0000AA,Z9999ZZ}'::text[]) id;
         insert into unreflected_allocations values ('A0000AA', 1, 1), ('Z9999ZZ', 1, 1);
         insert into staff_directory values (1, 'ADA', 'BYRON', null, now())",
    )
    .execute(&world.store)
    .await
    .unwrap();
    world.drain().await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    world.end().await;
}
