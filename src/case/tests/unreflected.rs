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
