//! A case that gets its NOMS number late.

use super::*;

fn link() -> CaseCommand {
    CaseCommand::LinkIdentifier { noms: noms(), crn: None, message: message("link", 4) }
}

fn linked(released: Vec<DeliusWrite>) -> CaseEvent {
    let provenance = message("link", 4).provenance(vec![fetched(None), fetched(None)]);
    CaseEvent::IdentifierLinked { provenance, crn: None, new_person: false, released }
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
    let again = || linked(vec![hold(1, &ada())]);
    same.harness().given(given.clone()).when_async(link()).await.then_expect_events(vec![again()]);
    let differs = World { allocation: allocated_now(mary()), ..World::default() };
    differs
        .harness()
        .given(given.clone())
        .when_async(link())
        .await
        .then_expect_events(vec![again(), allocated("link", 4, &mary(), NameSource::Answer)]);
    let removed = World::default();
    let expected = vec![again(), deallocated("link", 4)];
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
    let events = vec![linked(vec![hold(5, &ada())]), expected];
    world.harness().given(given).when_async(link()).await.then_expect_events(events);
}

#[tokio::test]
async fn what_differs_from_the_last_fact_of_the_same_second_is_recorded_in_that_second() {
    let given = vec![allocated("m4", 4, &ada(), NameSource::Answer)];
    let world = World { allocation: allocated_now(mary()), ..World::default() };
    let expected = vec![linked(vec![hold(4, &ada())]), allocated("link", 4, &mary(), NameSource::Answer)];
    world.harness().given(given).when_async(link()).await.then_expect_events(expected);
}

fn dates_on(day: u32) -> HandoverAnswer {
    HandoverAnswer::Dates { handover_date: NaiveDate::from_ymd_opt(2026, 9, day), handover_start_date: None }
}

fn not_found(id: &str, on: u32) -> CaseEvent {
    CaseEvent::HandoverNotFound { provenance: message(id, on).provenance(vec![fetched(None)]) }
}

#[tokio::test]
async fn a_refusal_that_is_recorded_after_the_link_is_released_at_once() {
    let given = vec![
        allocated("m1", 1, &ada(), NameSource::Answer),
        allocated("m2", 2, &mary(), NameSource::Answer),
        linked(vec![]),
    ];
    let command = settled_as(first(1), hold(1, &ada()), OutcomeName::PersonNotFound);
    let expected = vec![
        refused(first(1), hold(1, &ada()), OutcomeName::PersonNotFound),
        CaseEvent::DeliusWriteRetried {
            write: first(1),
            released: vec![hold(1, &ada()), hold(2, &mary())],
            by: RELEASED_BY.into(),
            why: "the case got its NOMS number in Delius after the write was derived".into(),
        },
    ];
    let mut stream = given.clone();
    stream.extend(expected.clone());
    World::default().harness().given(given).when_async(command).await.then_expect_events(expected);

    // Once: what was written again after the link is refused for good.
    let again = settled_as(first(5), hold(1, &ada()), OutcomeName::PersonNotFound);
    let refused_again = refused(first(5), hold(1, &ada()), OutcomeName::PersonNotFound);
    World::default().harness().given(stream).when_async(again).await.then_expect_events(vec![refused_again]);
}

#[tokio::test]
async fn a_refusal_of_what_the_link_itself_released_stays_a_refusal() {
    let given = vec![allocated("m1", 1, &ada(), NameSource::Answer), linked(vec![hold(1, &ada())])];
    let command = settled_as(first(2), hold(1, &ada()), OutcomeName::PersonNotFound);
    let expected = refused(first(2), hold(1, &ada()), OutcomeName::PersonNotFound);
    World::default().harness().given(given).when_async(command).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn a_refusal_after_the_link_for_another_reason_stays_a_refusal() {
    let given = vec![allocated("m1", 1, &ada(), NameSource::Answer), linked(vec![])];
    let command = settled_as(first(1), hold(1, &ada()), OutcomeName::UnknownPrison);
    let expected = refused(first(1), hold(1, &ada()), OutcomeName::UnknownPrison);
    World::default().harness().given(given).when_async(command).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn dates_whose_refusal_is_recorded_after_the_link_are_released_only_while_they_are_the_last() {
    let command = || settled_as(first(1), set_dates(), OutcomeName::PersonNotFound);
    let refusal = || refused(first(1), set_dates(), OutcomeName::PersonNotFound);
    let given = vec![handover::changed("m1", 1, false), linked(vec![])];
    let retried = CaseEvent::DeliusWriteRetried {
        write: first(1),
        released: vec![set_dates()],
        by: RELEASED_BY.into(),
        why: "the case got its NOMS number in Delius after the write was derived".into(),
    };
    let events = vec![refusal(), retried];
    World::default().harness().given(given).when_async(command()).await.then_expect_events(events);
    let outdated = vec![handover::changed("m1", 1, false), linked(vec![]), not_found("link", 4)];
    World::default()
        .harness()
        .given(outdated)
        .when_async(command())
        .await
        .then_expect_events(vec![refusal()]);
}

#[tokio::test]
async fn refused_dates_are_not_released_against_an_answer_that_says_there_are_none() {
    let given =
        vec![handover::changed("m1", 1, false), refused(first(1), set_dates(), OutcomeName::PersonNotFound)];
    let expected = vec![linked(vec![]), not_found("link", 4)];
    World::default().harness().given(given.clone()).when_async(link()).await.then_expect_events(expected);
    let confirmed = World { handover: dates_on(1), ..World::default() };
    let expected = vec![linked(vec![set_dates()])];
    confirmed.harness().given(given).when_async(link()).await.then_expect_events(expected);
}

#[tokio::test]
async fn dates_that_are_not_found_are_recorded_once() {
    let given = vec![handover::changed("m1", 1, false), linked(vec![]), not_found("m2", 2)];
    World::default()
        .harness()
        .given(given.clone())
        .when_async(link_again())
        .await
        .then_expect_events(vec![linked_again(vec![])]);
    // Found again they are news, even if they are those of before.
    let found = World { handover: dates_on(1), ..World::default() };
    let expected = vec![linked_again(vec![]), handover::changed("again", 5, false)];
    found.harness().given(given).when_async(link_again()).await.then_expect_events(expected);
}

fn link_again() -> CaseCommand {
    CaseCommand::LinkIdentifier { noms: noms(), crn: None, message: message("again", 5) }
}

fn linked_again(released: Vec<DeliusWrite>) -> CaseEvent {
    let provenance = message("again", 5).provenance(vec![fetched(None), fetched(None)]);
    CaseEvent::IdentifierLinked { provenance, crn: None, new_person: false, released }
}

#[tokio::test]
async fn a_case_that_is_not_ready_any_more_says_so_once() {
    let world = || World { allocation: AllocationAnswer::NotReady, ..World::default() };
    let given = vec![allocated("m1", 1, &ada(), NameSource::Answer)];
    let expected = vec![linked(vec![hold(1, &ada())]), not_ready("link", 4)];
    let mut stream = given.clone();
    stream.extend(expected.clone());
    world().harness().given(given).when_async(link()).await.then_expect_events(expected);
    world()
        .harness()
        .given(stream)
        .when_async(link_again())
        .await
        .then_expect_events(vec![linked_again(vec![hold(1, &ada())])]);
}

#[tokio::test]
async fn writes_refused_because_two_persons_had_the_number_are_released_too() {
    let given = vec![
        allocated("m1", 1, &ada(), NameSource::Answer),
        refused(first(1), hold(1, &ada()), OutcomeName::DuplicatePerson),
    ];
    let world = World { allocation: allocated_now(ada()), ..World::default() };
    let expected = linked(vec![hold(1, &ada())]);
    world.harness().given(given).when_async(link()).await.then_expect_events(vec![expected]);
}
