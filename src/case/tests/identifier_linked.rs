//! A case that gets its NOMS number late.

use super::*;

fn link() -> CaseCommand {
    CaseCommand::LinkIdentifier { noms: noms(), message: message("link", 4) }
}

fn linked(released: Vec<DeliusWrite>) -> CaseEvent {
    let provenance = message("link", 4).provenance(vec![fetched(None), fetched(None)]);
    CaseEvent::IdentifierLinked { provenance, released }
}

fn hold(on: u32, staff: &StaffMember) -> DeliusWrite {
    DeliusWrite::AllocatePom { at: day(on), pom: pom_of(staff) }
}

#[tokio::test]
async fn writes_refused_for_want_of_the_person_are_released_at_their_own_dates() {
    let given = vec![
        allocated("m2", 2, &mary(), NameSource::Answer),
        refused(first(1), hold(2, &mary()), OutcomeName::PersonNotFound),
        allocated("m1", 1, &ada(), NameSource::Directory),
        refused(first(3), hold(1, &ada()), OutcomeName::PersonNotFound),
    ];
    let world = World { allocation: allocated_now(mary()), ..World::default() };
    let expected = linked(vec![hold(1, &ada()), hold(2, &mary())]);
    world.harness().given(given).when_async(link()).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn what_was_refused_for_another_reason_stays_refused() {
    let given = vec![
        allocated("m1", 1, &ada(), NameSource::Answer),
        refused(first(1), hold(1, &ada()), OutcomeName::UnknownPrison),
    ];
    let world = World { allocation: allocated_now(ada()), ..World::default() };
    world.harness().given(given).when_async(link()).await.then_expect_events(vec![linked(vec![])]);
}

#[tokio::test]
async fn the_present_state_is_added_only_where_it_differs() {
    let same = World { allocation: allocated_now(ada()), ..World::default() };
    let given = vec![allocated("m1", 1, &ada(), NameSource::Answer)];
    same.harness().given(given.clone()).when_async(link()).await.then_expect_events(vec![linked(vec![])]);
    let differs = World { allocation: allocated_now(mary()), ..World::default() };
    differs
        .harness()
        .given(given.clone())
        .when_async(link())
        .await
        .then_expect_events(vec![linked(vec![]), allocated("link", 4, &mary(), NameSource::Answer)]);
    let removed = World::default();
    let expected = vec![linked(vec![]), deallocated("link", 4)];
    removed.harness().given(given).when_async(link()).await.then_expect_events(expected);
}

#[tokio::test]
async fn both_allocation_and_dates_are_fetched_for_a_case_without_history() {
    let handover_date = NaiveDate::from_ymd_opt(2026, 9, 1);
    let handover = HandoverAnswer::Dates { handover_date, handover_start_date: None };
    let world = World { allocation: allocated_now(ada()), handover, ..World::default() };
    world.harness().given_no_previous_events().when_async(link()).await.then_expect_events(vec![
        linked(vec![]),
        allocated("link", 4, &ada(), NameSource::Answer),
        handover::changed("link", 4, false),
    ]);
}

#[tokio::test]
async fn a_late_link_does_not_put_todays_pom_before_what_is_known() {
    let given = vec![allocated("m5", 5, &ada(), NameSource::Answer)];
    let world = World { allocation: allocated_now(mary()), ..World::default() };
    let mut expected = allocated("link", 4, &mary(), NameSource::Answer);
    let CaseEvent::PomAllocated { at, .. } = &mut expected else { unreachable!() };
    *at = fetched(None).at;
    let events = vec![linked(vec![]), expected];
    world.harness().given(given).when_async(link()).await.then_expect_events(events);
}
