//! What a message against the answer means.

use super::*;

async fn expect(stated: StatedAllocation, world: World, event: CaseEvent) {
    let command = allocation_of(message("m1", 1), stated);
    world.harness().given_no_previous_events().when_async(command).await.then_expect_events(vec![event]);
}

#[tokio::test]
async fn a_message_that_states_nothing_is_recorded_from_the_answer() {
    let world = World { allocation: allocated_now(ada()), ..World::default() };
    expect(StatedAllocation::Unstated, world, allocated("m1", 1, &ada(), NameSource::Answer)).await;
    expect(StatedAllocation::Unstated, World::default(), deallocated("m1", 1)).await;
}

#[tokio::test]
async fn a_stated_code_that_the_answer_confirms_takes_name_and_email_from_the_answer() {
    let with_mail = StaffMember { email: Some("ada.byron@example.org".into()), ..ada() };
    // The prison is that of the message, even where the person has moved since.
    let moved = AllocationAnswer::Allocated { staff: with_mail.clone(), prison: "MDI".parse().unwrap() };
    let world = World { allocation: moved, ..World::default() };
    expect(states(&ada()), world, allocated("m1", 1, &with_mail, NameSource::Answer)).await;
}

#[tokio::test]
async fn a_stated_code_that_is_replaced_already_is_named_by_the_directory() {
    for allocation in [allocated_now(mary()), AllocationAnswer::NotAllocated] {
        let world = World { allocation, staff: vec![ada()], ..World::default() };
        expect(states(&ada()), world, allocated("m1", 1, &ada(), NameSource::Directory)).await;
    }
}

#[tokio::test]
async fn a_stated_code_that_nobody_ever_named_waits_as_superseded() {
    for allocation in [allocated_now(mary()), AllocationAnswer::NotAllocated] {
        let world = World { allocation, ..World::default() };
        expect(states(&ada()), world, superseded("m1", 1, &ada())).await;
    }
}

#[tokio::test]
async fn a_stated_removal_needs_no_confirmation() {
    for allocation in [allocated_now(ada()), AllocationAnswer::NotAllocated] {
        let world = World { allocation, ..World::default() };
        expect(StatedAllocation::Deallocated, world, deallocated("m1", 1)).await;
    }
}

#[tokio::test]
async fn not_ready_is_recorded_whatever_the_message_states() {
    for stated in [StatedAllocation::Unstated, states(&ada()), StatedAllocation::Deallocated] {
        let provenance = message("m1", 1).provenance(vec![fetched(None)]);
        let world = World { allocation: AllocationAnswer::NotReady, ..World::default() };
        expect(stated, world, CaseEvent::AllocationNotReady { provenance, at: day(1) }).await;
    }
}

#[tokio::test]
async fn what_happens_within_one_second_is_held_from_its_start() {
    let mut within = message("m1", 1);
    within.occurred_at += chrono::TimeDelta::milliseconds(999);
    let world = World { allocation: allocated_now(ada()), ..World::default() };
    let mut expected = allocated("m1", 1, &ada(), NameSource::Answer);
    let CaseEvent::PomAllocated { provenance, .. } = &mut expected else { unreachable!() };
    provenance.occurred_at = within.occurred_at;
    let command = allocation_of(within, states(&ada()));
    world.harness().given_no_previous_events().when_async(command).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn a_second_delivery_changes_nothing() {
    let world = World { allocation: allocated_now(ada()), ..World::default() };
    world
        .harness()
        .given(vec![allocated("m1", 1, &ada(), NameSource::Answer)])
        .when_async(allocation_of(message("m1", 1), states(&ada())))
        .await
        .then_expect_events(vec![]);
}

#[tokio::test]
async fn a_late_allocation_knows_the_holding_that_follows_it() {
    let world = World { allocation: allocated_now(ada()), staff: vec![mary()], ..World::default() };
    let given =
        vec![allocated("m1", 1, &ada(), NameSource::Answer), allocated("m3", 3, &ada(), NameSource::Answer)];
    let mut expected = allocated("m2", 2, &mary(), NameSource::Directory);
    let CaseEvent::PomAllocated { followed_by, .. } = &mut expected else { unreachable!() };
    *followed_by = Some(Holding { at: day(3), pom: Some(pom_of(&ada())), overtaken: false });
    world
        .harness()
        .given(given)
        .when_async(allocation_of(message("m2", 2), states(&mary())))
        .await
        .then_expect_events(vec![expected]);
}

#[tokio::test]
async fn an_unavailable_answer_records_nothing() {
    let down = FetchError::Unavailable { dependency: crate::breakers::MPC, reason: "500".into() };
    let told = Arc::new(Told {
        allocation: Mutex::new(Err(down.clone())),
        handover: Mutex::new(Ok(HandoverAnswer::NotFound)),
        staff: vec![],
    });
    TestFramework::<Case>::with(CaseServices {
        mpc: told.clone(),
        staff: told,
        identities: Arc::new(NoIdentityChanges),
    })
    .given_no_previous_events()
    .when_async(allocation_of(message("m1", 1), states(&ada())))
    .await
    .then_expect_error(CaseError::Fetch(down));
}

#[tokio::test]
async fn what_is_overtaken_in_its_second_is_followed_by_the_other_fact_of_that_second() {
    let of_the_same_second = Holding { at: day(1), pom: Some(pom_of(&mary())), overtaken: false };
    for (answer, follower) in [
        (allocated_now(mary()), Some(of_the_same_second.clone())),
        (AllocationAnswer::NotAllocated, Some(of_the_same_second)),
        (allocated_now(ada()), None),
    ] {
        let named_by = if follower.is_some() { NameSource::Directory } else { NameSource::Answer };
        let mut expected = allocated("m2", 1, &ada(), named_by);
        let CaseEvent::PomAllocated { followed_by, .. } = &mut expected else { unreachable!() };
        *followed_by = follower;
        let world = World { allocation: answer, staff: vec![ada()], ..World::default() };
        let given = vec![allocated("m1", 1, &mary(), NameSource::Answer)];
        let command = allocation_of(message("m2", 1), states(&ada()));
        world.harness().given(given).when_async(command).await.then_expect_events(vec![expected]);
    }
}

#[test]
fn only_an_allocation_names_a_member_of_staff() {
    assert_eq!(allocated_now(ada()).staff(), Some(&ada()));
    assert_eq!(AllocationAnswer::NotAllocated.staff(), None);
    assert_eq!(AllocationAnswer::NotReady.staff(), None);
}

#[test]
fn equal_undocumented_answers_are_counted_under_one_short_text() {
    let reason = "it redirects more than three times";
    for (answer, kind) in [
        (UndocumentedAnswer::Status(403), "403"),
        (UndocumentedAnswer::Redirect { status: 302, reason }, "302"),
        (UndocumentedAnswer::BareNotFound, "404"),
        (UndocumentedAnswer::Body { reason: "the body is not UTF-8".into() }, "undocumented body"),
    ] {
        assert_eq!(answer.kind(), kind);
    }
}
