//! Reconciliation with real parts: differences between Manage POM Cases, our record and Delius are found and repaired.

use serde_json::Value;
use sqlx::PgPool;

use crate::{
    helpers::{
        command::{self, Ended},
        world::{CRN, NOMS, World},
    },
    stand_ins::Answer,
};

const MORNING: &str = "2026-07-01T09:00:00Z";

fn ada(world: &World) {
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", Some("ada@example.org"), "LEI"));
}

fn mary(world: &World) {
    world.mpc.mpc().allocation(NOMS, Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
}

async fn reconcile(world: &World, arguments: &[&str]) -> Ended {
    let all: Vec<&str> =
        ["reconcile", "--patience", "0", "--by", "op"].iter().chain(arguments).copied().collect();
    command::run(world, &all).await
}

async fn allocated(store: PgPool) -> World {
    let world = World::on(store).await;
    ada(&world);
    world.mpc.mpc().handover(NOMS, Answer::handover(NOMS, Some("2026-09-02"), Some("2026-09-01")));
    world.apply(&world.allocation("m1", MORNING, 1)).await;
    world.apply(&world.handover("m2", MORNING)).await;
    world
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_case_in_agreement_says_so_and_nothing_is_recorded_by_looking(store: PgPool) {
    let world = allocated(store).await;
    let events = world.events(NOMS).await;
    for id in [NOMS, CRN] {
        let ended = reconcile(&world, &[id, "--fix"]).await;
        assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
        assert_eq!(ended.lines(), [format!("{NOMS}  in agreement")]);
    }
    assert_eq!(world.events(NOMS).await, events);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_lost_message_is_found_and_repaired_by_the_path_of_an_event(store: PgPool) {
    let world = allocated(store).await;
    // Mary took over and the dates changed, and no message about either arrived.
    mary(&world);
    world.mpc.mpc().handover(NOMS, Answer::handover(NOMS, Some("2026-10-02"), None));
    let ended = reconcile(&world, &[NOMS]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("Manage POM Cases says staff 2 in LEI, recorded is staff 1"), "{}", ended.out);
    assert!(ended.out.contains("handover: Manage POM Cases says start blank and handover 2026-10-02"));
    assert_eq!(world.poms(NOMS).await.len(), 1, "looking changes nothing");

    let fixed = reconcile(&world, &[NOMS, "--fix"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    assert_eq!(fixed.lines().last().copied(), Some("A1234BC  in agreement now"));
    let poms = world.poms(NOMS).await;
    assert!(poms[1].ends_with("open N03POM Somerville"), "{poms:?}");
    assert_eq!(world.key_dates(NOMS).await, ["POM2=2026-10-02"]);
    let sources: Vec<String> = world
        .history(NOMS)
        .await
        .iter()
        .filter_map(|event| Some(event.provenance()?.message_id.clone()))
        .collect();
    assert_eq!(sources.iter().filter(|id| id.starts_with("reconcile:")).count(), 2, "{sources:?}");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_delius_lost_is_written_again_at_its_own_date(store: PgPool) {
    let world = allocated(store).await;
    sqlx::raw_sql("update prison_offender_manager set soft_deleted = 1; delete from key_date")
        .execute(&world.delius)
        .await
        .unwrap();
    let ended = reconcile(&world, &[NOMS]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("recorded is staff 1 in LEI since 2026-07-01 10:00:00, Delius holds nobody"));
    let fixed = reconcile(&world, &[NOMS, "--fix"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    assert_eq!(world.poms(NOMS).await, ["01.10:00:00 - open N03POM Byron"], "at the recorded time");
    assert_eq!(world.key_dates(NOMS).await, ["POM1=2026-09-01", "POM2=2026-09-02"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_lost_deallocation_is_repaired(store: PgPool) {
    let world = allocated(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::not_found("Not allocated"));
    assert_eq!(reconcile(&world, &[NOMS]).await.code, Some(1));
    let fixed = reconcile(&world, &[NOMS, "--fix"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    assert!(world.poms(NOMS).await[1].ends_with("open N03ALL Staff"));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_difference_that_cannot_be_repaired_stays_one(store: PgPool) {
    let world = allocated(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(3, "EMMY", "NOETHER", None, "XXX"));
    let fixed = reconcile(&world, &[NOMS, "--fix"]).await;
    assert_eq!(fixed.code, Some(1), "{}", fixed.out);
    assert!(fixed.out.contains("still different after the repair"), "{}", fixed.out);
    assert_eq!(world.outcomes(NOMS).await.last(), Some(&"UnknownPrison"));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn all_goes_through_recorded_cases_and_everybody_in_custody(store: PgPool) {
    let world = allocated(store).await;
    // A recorded case that Delius does not know, with an allocation that waits for a name.
    world.mpc.mpc().allocation("A9999ZZ", Answer::not_found("Not allocated"));
    let unknown = world.allocation("m3", MORNING, 77).to_string().replace(NOMS, "A9999ZZ");
    world.accept(&serde_json::from_str::<Value>(&unknown).unwrap()).await;
    // Somebody in custody about whom no message ever arrived.
    sqlx::raw_sql(
        "with person as (
             insert into offender (crn, noms_number) values ('X200001', 'A2001AA') returning offender_id),
         sentence as (insert into event (offender_id) select offender_id from person returning event_id),
         disposal as (insert into disposal (event_id) select event_id from sentence returning disposal_id)
         insert into custody (disposal_id, prisoner_number) select disposal_id, 'A2001AA' from disposal",
    )
    .execute(&world.delius)
    .await
    .unwrap();
    world.mpc.mpc().allocation("A2001AA", Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));

    let ended = reconcile(&world, &["--all", "--rate", "1000"]).await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("A9999ZZ  (listed as unreflected: staff 77 in LEI"), "{}", ended.out);
    let summary =
        "3 cases compared: 1 differ, 0 repaired, 0 not compared; 1 allocations listed as unreflected";
    assert_eq!(ended.lines().last().copied(), Some(summary), "{}", ended.out);

    let fixed = reconcile(&world, &["--all", "--fix", "--rate", "1000"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    assert!(world.poms("A2001AA").await[0].ends_with("open N03POM Somerville"));
    let rest = reconcile(&world, &["--all", "--after", "A2001AA", "--rate", "1000"]).await;
    assert!(rest.out.contains("1 cases compared: 0 differ"), "{}", rest.out);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_case_whose_answer_cannot_be_understood_is_told_and_the_others_are_compared(store: PgPool) {
    let world = allocated(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::with(200, "<html>"));
    let ended = reconcile(&world, &["--all", "--rate", "1000"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("A1234BC  NOT COMPARED: "), "{}", ended.out);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_row_ended_by_hand_is_continued_from_where_it_was_ended_and_a_second_run_agrees(store: PgPool) {
    let world = allocated(store).await;
    mary(&world);
    world.apply(&world.allocation("m3", "2026-07-05T09:00:00Z", 2)).await;
    sqlx::raw_sql(
        "update prison_offender_manager set end_date = '2026-07-03 10:00:00', active_flag = 0
         where allocation_date = '2026-07-01 10:00:00'",
    )
    .execute(&world.delius)
    .await
    .unwrap();
    let ended = reconcile(&world, &[NOMS]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(
        ended.out.contains(
            "from 2026-07-03 10:00:00 to 2026-07-05 10:00:00 recorded is staff 1 in LEI, Delius holds nobody"
        ),
        "{}",
        ended.out
    );
    let fixed = reconcile(&world, &[NOMS, "--fix", "--why", "ended by mistake"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    let poms = world.poms(NOMS).await;
    assert_eq!(
        poms,
        [
            "01.10:00:00 - 03.10:00:00 N03POM Byron",
            "03.10:00:00 - 05.10:00:00 N03POM Byron",
            "05.10:00:00 - open N03POM Somerville",
        ]
    );
    let again = reconcile(&world, &[NOMS, "--fix"]).await;
    assert_eq!((again.code, again.lines()), (Some(0), vec!["A1234BC  in agreement"]));
    assert_eq!(world.poms(NOMS).await, poms);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn somebody_put_in_place_by_hand_gives_way_to_what_was_recorded(store: PgPool) {
    let world = allocated(store).await;
    sqlx::raw_sql(
        "update prison_offender_manager set end_date = '2026-07-03 10:00:00', active_flag = 0;
         insert into prison_offender_manager (offender_id, allocation_date, allocation_reason_id, allocation_staff_id,
             allocation_team_id, probation_area_id, active_flag)
         select offender_id, '2026-07-03 10:00:00', allocation_reason_id,
             (select staff_id from staff where officer_code = 'N03ALLU'), allocation_team_id, probation_area_id, 1
         from prison_offender_manager",
    )
    .execute(&world.delius)
    .await
    .unwrap();
    assert_eq!(reconcile(&world, &[NOMS]).await.code, Some(1));
    let fixed = reconcile(&world, &[NOMS, "--fix"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    let poms = world.poms(NOMS).await;
    assert!(poms.iter().all(|row| row.ends_with("Byron")), "{poms:?}");
    assert_eq!(reconcile(&world, &[NOMS]).await.code, Some(0));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_difference_that_somebody_accepted_does_not_fail_later_runs(store: PgPool) {
    let world = allocated(store).await;
    sqlx::raw_sql("update prison_offender_manager set soft_deleted = 1")
        .execute(&world.delius)
        .await
        .unwrap();
    assert_eq!(reconcile(&world, &["--all", "--rate", "1000"]).await.code, Some(1));
    let accepted =
        command::run(&world, &["reconcile", "accept", NOMS, "--by", "op", "--why", "deleted on purpose"])
            .await;
    assert_eq!(accepted.code, Some(0), "{}{}", accepted.out, accepted.err);
    let again = reconcile(&world, &["--all", "--rate", "1000"]).await;
    assert_eq!(again.code, Some(0), "{}{}", again.out, again.err);
    assert_eq!(world.count("select count(*) from reconcile_runs").await, 2);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_person_whom_delius_does_not_know_is_a_kind_of_its_own(store: PgPool) {
    let world = allocated(store).await;
    sqlx::raw_sql("update offender set noms_number = null").execute(&world.delius).await.unwrap();
    let only_compared = reconcile(&world, &["--all", "--rate", "1000", "--json"]).await;
    assert_eq!(only_compared.code, Some(1));
    let report: Value = serde_json::from_str(&only_compared.out).unwrap();
    assert_eq!(report["summary"]["kinds"]["personUnknown"], 1, "{report:#}");
    let fixed = reconcile(&world, &["--all", "--rate", "1000", "--fix"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_delius_that_lost_its_last_commits_gets_the_whole_timeline_again(store: PgPool) {
    let world = allocated(store).await;
    mary(&world);
    world.apply(&world.allocation("m3", "2026-07-05T09:00:00Z", 2)).await;
    let before = (world.poms(NOMS).await, world.key_dates(NOMS).await);
    // Rows and ledger go back together, as a restore takes them.
    sqlx::raw_sql(
        "delete from responsible_officer; delete from contact; delete from prison_offender_manager;
         delete from key_date; delete from pom_cases_write_ledger",
    )
    .execute(&world.delius)
    .await
    .unwrap();
    let fixed = reconcile(&world, &[NOMS, "--fix", "--why", "Delius was restored"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    assert_eq!((world.poms(NOMS).await, world.key_dates(NOMS).await), before);
    assert_eq!(reconcile(&world, &[NOMS]).await.code, Some(0));
    world.end().await;
}

/// Removes what Delius holds of the case, as if it had never been written.
async fn forget_rows(world: &World) {
    sqlx::raw_sql(
        "delete from responsible_officer; delete from contact; delete from prison_offender_manager;
         delete from pom_cases_write_ledger",
    )
    .execute(&world.delius)
    .await
    .unwrap();
}

/// The rows are repaired to what they were, and a second run agrees.
async fn repaired_to(world: &World, rows: &[&str]) {
    assert_eq!(world.poms(NOMS).await, rows);
    forget_rows(world).await;
    let fixed = reconcile(world, &[NOMS, "--fix"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    assert_eq!(world.poms(NOMS).await, rows);
    let again = reconcile(world, &[NOMS]).await;
    assert_eq!((again.code, again.lines()), (Some(0), vec!["A1234BC  in agreement"]));
}

#[sqlx::test(migrations = "migrations/store")]
async fn in_the_hour_that_comes_twice_the_rows_keep_the_order_of_what_happened(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    world.apply(&world.allocation("m1", "2025-10-26T00:40:00Z", 1)).await;
    mary(&world);
    // By the clock it is twenty minutes earlier.
    world.apply(&world.allocation("m2", "2025-10-26T01:20:00Z", 2)).await;
    repaired_to(&world, &["26.01:40:00 - open N03POM Somerville"]).await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn in_the_hour_that_comes_twice_a_late_event_of_the_first_pass_stays_before_the_second(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    world.apply(&world.allocation("m0", "2025-10-25T09:00:00Z", 1)).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(3, "EMMY", "NOETHER", None, "LEI"));
    world.apply(&world.allocation("m2", "2025-10-26T01:20:00Z", 3)).await;
    mary(&world);
    world.apply(&world.allocation("m1", "2025-10-26T00:40:00Z", 2)).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(3, "EMMY", "NOETHER", None, "LEI"));
    let poms = world.poms(NOMS).await;
    assert!(poms.last().unwrap().ends_with("open N03POM Noether"), "{poms:?}");
    assert_eq!(reconcile(&world, &[NOMS, "--fix"]).await.code, Some(0));
    repaired_to(&world, &["25.10:00:00 - 26.01:40:00 N03POM Byron", "26.01:40:00 - open N03POM Noether"])
        .await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn within_one_second_the_rows_keep_the_order_of_what_happened(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    world.apply(&world.allocation("m1", MORNING, 1)).await;
    mary(&world);
    world.apply(&world.allocation("m2", MORNING, 2)).await;
    repaired_to(&world, &["01.10:00:00 - open N03POM Somerville"]).await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_store_that_forgot_its_last_events_learns_them_from_the_ledger_at_their_own_dates(store: PgPool) {
    let world = allocated(store).await;
    mary(&world);
    world.apply(&world.allocation("m3", "2026-07-03T09:00:00Z", 2)).await;
    world.apply(&world.allocation("m4", "2026-07-05T09:00:00Z", 1)).await;
    ada(&world);
    let before = world.poms(NOMS).await;
    // As after a restore: the events of the last two messages, their writes and receipts never were.
    sqlx::raw_sql(
        "set session_replication_role = replica;
         delete from message_receipts where message_id in ('m3', 'm4');
         delete from outbox where (case_id, sequence) in (
             select aggregate_id, sequence from events where metadata ->> 'messageId' in ('m3', 'm4'));
         delete from events where sequence >= (select min(sequence) from events where metadata ->> 'messageId' = 'm3');
         set session_replication_role = origin",
    )
    .execute(&world.store)
    .await
    .unwrap();
    let found = reconcile(&world, &[NOMS]).await;
    assert_eq!(found.code, Some(1), "{}", found.out);
    assert!(found.out.contains("2 writes of ours that are not on record"), "{}", found.out);
    let fixed = reconcile(&world, &[NOMS, "--fix", "--why", "the store was restored"]).await;
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.out, fixed.err);
    assert_eq!(world.poms(NOMS).await, before, "Delius was right");
    let again = reconcile(&world, &[NOMS]).await;
    assert_eq!((again.code, again.lines()), (Some(0), vec!["A1234BC  in agreement"]));
    let history = command::run(&world, &["history", NOMS, "--by", "op"]).await;
    assert!(history.out.contains("SOMERVILLE"), "{}", history.out);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_was_erased_does_not_come_back_from_the_ledger(store: PgPool) {
    let world = allocated(store).await;
    let why = ["--by", "op", "--why", "requested", "--yes"];
    let erased = command::run(&world, &[&["erasure", "apply", NOMS][..], &why].concat()).await;
    assert_eq!(erased.code, Some(0), "{}{}", erased.out, erased.err);
    assert_eq!(world.count_in_delius("select count(*) from pom_cases_write_ledger").await, 2);
    reconcile(&world, &[NOMS, "--fix"]).await;
    assert_eq!(world.count("select count(*) from events").await, 0);
    world.end().await;
}
