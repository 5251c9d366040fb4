//! Messages end to end: accepted once, recorded with their provenance, applied to Delius, or parked.

use manage_pom_cases_and_delius::{
    breakers::MPC,
    case::{AddressedWrite, CaseEvent, DeliusWrite, WriteRef, sha256_hex},
    delius::Delius,
    ingest::{Disposition, NotAccepted},
    outbox::{
        projector, table,
        view::{self, Select},
    },
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::world::{CRN, NOMS, World, delivery, envelope, offender_event},
    stand_ins::{Answer, Breakdown},
};

const MORNING: &str = "2026-07-01T09:00:00Z";

fn ada(world: &World) {
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
}

fn mary(world: &World) {
    world.mpc.mpc().allocation(NOMS, Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_allocation_is_recorded_with_its_provenance_and_applied(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    let message = world.allocation("m1", MORNING, 1);
    world.apply(&message).await;

    assert_eq!(world.events(NOMS).await, ["PomAllocated", "DeliusUpdated"]);
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    // Europe/London in summer.
    assert_eq!(world.poms(NOMS).await, ["01.10:00:00 - open N03POM Byron"]);
    let history = world.history(NOMS).await;
    let CaseEvent::PomAllocated { provenance, .. } = &history[0] else { panic!("{history:?}") };
    assert_eq!(provenance.message_id, "m1");
    assert_eq!(provenance.message.body, message.to_string());
    assert_eq!(provenance.message.sha256, sha256_hex(message.to_string().as_bytes()));
    assert_eq!(provenance.fetched[0].status, 200);
    assert!(provenance.fetched[0].answer.body.contains("BYRON"));
    assert_eq!(provenance.fetched[0].answer.sha256, sha256_hex(provenance.fetched[0].answer.body.as_bytes()));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_second_delivery_changes_nothing_and_is_counted(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    let message = world.allocation("m1", MORNING, 1);
    world.apply(&message).await;
    let rows = "select count(*) from contact";
    let contacts = world.count_in_delius(rows).await;
    assert_eq!(world.apply(&message).await, Disposition::Duplicate);
    assert_eq!(world.count_in_delius(rows).await, contacts);
    assert_eq!(world.events(NOMS).await, ["PomAllocated", "DeliusUpdated"]);
    let receipts = "select count(*) from message_receipts where message_id = 'm1' and disposition = ";
    assert_eq!(world.count(&format!("{receipts} 'recorded'")).await, 1);
    assert_eq!(world.count(&format!("{receipts} 'duplicate'")).await, 1);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_deallocation_puts_the_placeholder_in_place(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    world.apply(&world.allocation("m1", MORNING, 1)).await;
    world.mpc.mpc().allocation(NOMS, Answer::not_found("Not allocated"));
    world.apply(&world.allocation("m2", "2026-07-02T09:00:00Z", Value::Null)).await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated", "PomDeallocated"]);
    let expected = ["01.10:00:00 - 02.10:00:00 N03POM Byron", "02.10:00:00 - open N03ALL Staff"];
    assert_eq!(world.poms(NOMS).await, expected);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn handover_dates_are_created_updated_left_and_deleted(store: PgPool) {
    let world = World::on(store).await;
    let answers = [
        (Answer::handover(NOMS, Some("2026-09-01"), Some("2026-08-01")), "KeyDateCreated"),
        (Answer::handover(NOMS, Some("2026-09-02"), Some("2026-08-01")), "KeyDateUpdated"),
        (Answer::handover(NOMS, Some("2026-09-02"), Some("2026-08-01")), "NoKeyDateChange"),
        (Answer::handover(NOMS, Some("2026-09-02"), None), "KeyDateDeleted"),
    ];
    for (number, (answer, _)) in answers.iter().enumerate() {
        world.mpc.mpc().handover(NOMS, answer.clone());
        world.apply(&world.handover(&format!("m{number}"), MORNING)).await;
    }
    let expected: Vec<&str> = answers.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(world.outcomes(NOMS).await, expected);
    assert_eq!(world.key_dates(NOMS).await, ["POM2=2026-09-02"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_dry_run_writes_nothing_and_says_what_it_would_do(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().handover(NOMS, Answer::handover(NOMS, Some("2026-09-01"), None));
    let bulk = "pom-handover-dates.internal.bulk-update";
    world.apply(&envelope("m1", bulk, MORNING, None, &json!({ "dryRun": true }))).await;
    assert_eq!(world.outcomes(NOMS).await, ["DryRunKeyDateCreated"]);
    assert!(world.key_dates(NOMS).await.is_empty());
    assert_eq!(world.count_in_delius("select count(*) from pom_cases_write_ledger").await, 0);
    world.apply(&envelope("m2", bulk, MORNING, None, &json!({}))).await;
    assert_eq!(world.key_dates(NOMS).await, ["POM2=2026-09-01"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_superseded_allocation_is_written_at_its_own_date_once_its_code_is_known(store: PgPool) {
    let world = World::on(store).await;
    mary(&world);
    world.apply(&world.allocation("m1", MORNING, 1)).await;
    world.apply(&world.allocation("m2", "2026-07-02T09:00:00Z", 2)).await;
    assert_eq!(world.events(NOMS).await[..2], ["AllocationSuperseded", "PomAllocated"]);
    assert_eq!(world.poms(NOMS).await, ["02.10:00:00 - open N03POM Somerville"]);
    assert_eq!(world.count("select count(*) from unreflected_allocations").await, 1);

    // The code becomes known by another case.
    world.mpc.mpc().allocation("A9999ZZ", Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    let other = world.allocation("m3", MORNING, 1).to_string().replace(NOMS, "A9999ZZ");
    world.ingest.accept(&delivery(other)).await.unwrap();
    world.drain().await;
    let expected = ["01.10:00:00 - 02.10:00:00 N03POM Byron", "02.10:00:00 - open N03POM Somerville"];
    assert_eq!(world.poms(NOMS).await, expected);
    assert_eq!(world.count("select count(*) from unreflected_allocations").await, 0);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_case_that_gets_its_noms_number_late_has_everything_written_at_its_own_date(store: PgPool) {
    let world = World::on(store).await;
    sqlx::query("update offender set noms_number = null").execute(&world.delius).await.unwrap();
    ada(&world);
    world.mpc.mpc().handover(NOMS, Answer::handover(NOMS, Some("2026-09-01"), None));
    world.apply(&world.allocation("m1", MORNING, 1)).await;
    world.apply(&world.handover("m2", MORNING)).await;
    assert_eq!(world.outcomes(NOMS).await, ["PersonNotFound", "PersonNotFound"]);
    let refused = async || {
        let every = Select { case: None, reason: None, state: None, since: None, limit: 10 };
        let listed = view::refused(&world.store, &every).await.unwrap().len();
        (table::refused_count(&world.store).await.unwrap(), listed)
    };
    assert_eq!(refused().await, (2, 2));

    sqlx::query("update offender set noms_number = $1").bind(NOMS).execute(&world.delius).await.unwrap();
    let linked = "probation-case.prison-identifier.added";
    world.apply(&envelope("m3", linked, "2026-07-03T09:00:00Z", None, &Value::Null)).await;
    assert_eq!(world.poms(NOMS).await, ["01.10:00:00 - open N03POM Byron"]);
    assert_eq!(world.key_dates(NOMS).await, ["POM2=2026-09-01"]);
    assert_eq!(refused().await, (0, 0), "made again, and applied");
    let events = world.events(NOMS).await;
    assert_eq!(
        events.iter().filter(|name| **name == "PomAllocated").count(),
        1,
        "the same state adds no event"
    );
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_refusal_that_the_link_overtakes_is_written_all_the_same(store: PgPool) {
    let world = World::on(store).await;
    sqlx::query("update offender set noms_number = null").execute(&world.delius).await.unwrap();
    ada(&world);
    world.accept(&world.allocation("m1", MORNING, 1)).await;
    // Delius refuses, and the process dies before it can record that.
    let (noms, CaseEvent::PomAllocated { at, pom, .. }) =
        (NOMS.parse().unwrap(), world.history(NOMS).await.remove(0))
    else {
        panic!("an allocation is recorded")
    };
    let write = DeliusWrite::AllocatePom { at, pom, overtaken: false };
    let id = projector::write_id(&noms, WriteRef { sequence: 1, ordinal: 0 }, &write);
    let write = AddressedWrite { id, noms, write };
    let refused = Delius::new(world.delius.clone()).apply(&write).await.unwrap();
    assert_eq!(refused.name.as_str(), "PersonNotFound");

    sqlx::query("update offender set noms_number = $1").bind(NOMS).execute(&world.delius).await.unwrap();
    let linked = "probation-case.prison-identifier.added";
    world.apply(&envelope("m2", linked, "2026-07-03T09:00:00Z", None, &Value::Null)).await;
    assert_eq!(world.poms(NOMS).await, ["01.10:00:00 - open N03POM Byron"]);
    assert_eq!(world.outcomes(NOMS).await, ["PersonNotFound", "PomAllocated", "NoPomChange"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_changed_sentence_fetches_the_dates_where_they_can_fit(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().handover(NOMS, Answer::handover(NOMS, Some("2026-09-01"), None));
    world.apply(&offender_event("SENTENCE_CHANGED", CRN)).await;
    assert_eq!(world.key_dates(NOMS).await, ["POM2=2026-09-01"]);

    sqlx::query("update custody set soft_deleted = 1").execute(&world.delius).await.unwrap();
    let mut again = offender_event("SENTENCE_CHANGED", CRN);
    again["sourceId"] = json!(8);
    world.apply(&again).await;
    assert_eq!(world.events(NOMS).await.last(), Some(&"MessageNotApplicable"));

    let unknown = world.accept(&offender_event("SENTENCE_CHANGED", "X999999")).await;
    assert!(matches!(unknown, Disposition::NotApplicable(_)), "{unknown:?}");
    let recorded = "select count(*) from message_receipts where disposition = 'notApplicable'";
    assert_eq!(world.count(recorded).await, 1);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_cannot_become_events_is_parked_with_its_bytes(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    let foreign = envelope(
        "m1",
        "offender-management.allocation.changed",
        MORNING,
        Some("https://mpc.example/api/allocation/A1234BC/primary_pom"),
        &Value::Null,
    );
    world.accept(&foreign).await;
    world.accept(&envelope("m2", "prisoner.released", MORNING, None, &Value::Null)).await;
    world.mpc.mpc().handover(NOMS, Answer::handover("A9999ZZ", Some("2026-09-01"), None));
    world.accept(&world.handover("m3", MORNING)).await;
    world.mpc.mpc().handover(NOMS, Answer::with(200, "<html>"));
    let asked_again = |id: &str| delivery(world.handover(id, MORNING).to_string());
    world.ingest.accept_now(&asked_again("m4")).await.unwrap();
    world.mpc.mpc().handover(NOMS, Answer::redirect("https://elsewhere.example/"));
    world.ingest.accept_now(&asked_again("m5")).await.unwrap();
    world.ingest.accept(&delivery(&b"\xff\x00 not a message"[..])).await.unwrap();

    let expected = [
        "ForeignDetailUrl",
        "UnhandledEventType",
        "IdentifierMismatch",
        "InvalidDetail",
        "UnexpectedStatus",
        "InvalidMessage",
    ];
    assert_eq!(world.parked().await, expected);
    let body: Vec<u8> =
        sqlx::query_scalar("select body from parked_messages where reason = 'InvalidMessage'")
            .fetch_one(&world.store)
            .await
            .unwrap();
    assert_eq!(body, b"\xff\x00 not a message");
    assert_eq!(
        world.mpc.mpc().calls("/api/allocation/A1234BC/primary_pom"),
        0,
        "a foreign URL is never fetched"
    );
    assert!(world.events(NOMS).await.is_empty());
    // Delivered again, it stays parked once.
    assert_eq!(world.accept(&foreign).await, Disposition::Duplicate);
    assert_eq!(world.parked().await.len(), expected.len());
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_undocumented_404_is_asked_for_again_and_then_parked(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::page(404));
    let message = world.allocation("m1", MORNING, 1);
    let error = world.try_accept(&message).await.unwrap_err();
    assert!(matches!(error, NotAccepted::Undocumented { dependency: Some(MPC), .. }), "{error}");
    assert!(world.parked().await.is_empty());
    world.ingest.accept_now(&delivery(message.to_string())).await.unwrap();
    assert_eq!(world.parked().await, ["DetailNotFound"]);
    assert!(world.events(NOMS).await.is_empty(), "a fault is no deallocation");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn while_mpc_is_down_a_message_stays_where_it_is(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    let message = world.allocation("m1", MORNING, 1);
    world.mpc.mpc().break_down(Some(Breakdown::ServerError));
    let error = world.try_accept(&message).await.unwrap_err();
    assert!(matches!(error, NotAccepted::Unavailable { dependency: MPC, .. }), "{error}");
    assert!(world.parked().await.is_empty());
    world.mpc.mpc().break_down(None);
    world.apply(&message).await;
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_revoked_token_is_renewed_once(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    world.apply(&world.allocation("m1", MORNING, 1)).await;
    assert_eq!(world.mpc.auth().token_calls(), 1);
    world.mpc.auth().revoke_tokens();
    world.apply(&world.allocation("m2", "2026-07-02T09:00:00Z", 1)).await;
    assert_eq!(world.mpc.auth().token_calls(), 2, "kept while it is good, renewed when it is refused");
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated", "NoPomChange"]);
    world.end().await;
}
