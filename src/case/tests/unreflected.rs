//! Allocations that waited for the name behind their staff code.

use super::*;

#[tokio::test]
async fn what_waited_is_recorded_at_its_own_date_once_the_code_is_known() {
    let mut expected = allocated("m1", 1, &ada(), NameSource::Directory);
    let CaseEvent::PomAllocated { reflects, followed_by, .. } = &mut expected else { unreachable!() };
    *reflects = Some(1);
    *followed_by = Some(Holding { at: day(2), pom: Some(pom_of(&mary())), overtaken: false });
    let given = vec![superseded("m1", 1, &ada()), allocated("m2", 2, &mary(), NameSource::Answer)];
    let command = CaseCommand::ReflectAllocations { staff: ada() };
    World::default()
        .harness()
        .given(given.clone())
        .when_async(command.clone())
        .await
        .then_expect_events(vec![expected.clone()]);
    // And once only.
    let given = given.into_iter().chain([expected]).collect();
    World::default().harness().given(given).when_async(command).await.then_expect_events(vec![]);
}

#[tokio::test]
async fn another_code_reflects_nothing() {
    let command = CaseCommand::ReflectAllocations { staff: mary() };
    let given = vec![superseded("m1", 1, &ada())];
    World::default().harness().given(given).when_async(command).await.then_expect_events(vec![]);
}

#[test]
fn an_allocation_ends_that_the_case_is_not_ready_unless_it_was_recorded_before() {
    let mut reflected = allocated("m1", 1, &ada(), NameSource::Directory);
    let CaseEvent::PomAllocated { reflects, .. } = &mut reflected else { unreachable!() };
    *reflects = Some(1);
    let waiting = || superseded("m1", 1, &ada());
    for (events, expected) in [
        (vec![not_ready("m1", 1), allocated("m2", 2, &ada(), NameSource::Answer)], false),
        (vec![not_ready("m1", 1), deallocated("m2", 2)], false),
        (vec![not_ready("m0", 1), waiting()], false),
        (vec![waiting(), not_ready("m2", 2), reflected.clone()], true),
        (vec![waiting(), reflected], false),
    ] {
        assert_eq!(case_of(events.clone()).not_ready, expected, "{events:?}");
    }
}
