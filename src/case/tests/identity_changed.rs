//! A person gets another number.

use super::*;

pub(super) fn other() -> NomsNumber {
    "B1234BC".parse().unwrap()
}

fn change() -> IdentityChange {
    IdentityChange {
        from: PersonId::Noms(noms()),
        to: PersonId::Noms(other()),
        reason: IdentityReason::NumberReplaced,
        crn: None,
    }
}

/// The change of the third day, recorded in a stream of this role. Only the number that stays asks for the present.
pub(super) fn changed(role: IdentityRole, inherited: Inherited, released: Vec<DeliusWrite>) -> CaseEvent {
    let asked = if role == IdentityRole::Current { 2 } else { 0 };
    CaseEvent::IdentityChanged {
        provenance: message("change", 3).provenance(vec![fetched(None); asked]),
        change: change(),
        role,
        given_on: None,
        inherited,
        released,
    }
}

fn command(role: IdentityRole, inherited: Inherited) -> CaseCommand {
    CaseCommand::ChangeIdentity {
        noms: noms(),
        message: message("change", 3),
        change: change(),
        role,
        inherited,
    }
}

fn fact(on: u32, statement: IdentityStatement) -> IdentityFact {
    IdentityFact { at: day(on), statement }
}

fn replaced_on(on: u32) -> IdentityFact {
    fact(on, IdentityStatement::Replaced { from: noms(), to: other() })
}

fn ada_on_the_second_day() -> Holding {
    Holding { at: day(2), pom: Some(pom_of(&ada())), overtaken: false }
}

#[tokio::test]
async fn a_fact_of_a_replaced_number_belongs_to_the_number_that_the_person_has_now() {
    let given = || vec![changed(IdentityRole::Former, Inherited::default(), vec![])];
    let allocation = allocation_of(message("m1", 1), states(&ada()));
    let handover = CaseCommand::RecordHandover {
        noms: noms(),
        message: message("m1", 1),
        address: DetailAddress::OfCase,
        dry_run: false,
    };
    for command in [allocation, handover] {
        let world = World { identities: vec![replaced_on(3)], ..World::default() };
        let harness = world.harness().given(given());
        harness.when_async(command).await.then_expect_error(CaseError::Moved { to: other() });
    }
}

#[tokio::test]
async fn a_fact_of_a_number_that_is_in_use_is_recorded_under_it() {
    let given = vec![changed(IdentityRole::Current, Inherited::default(), vec![])];
    let world = World { allocation: allocated_now(ada()), ..World::default() };
    let expected = allocated("m4", 4, &ada(), NameSource::Answer);
    let command = allocation_of(message("m4", 4), states(&ada()));
    world.harness().given(given).when_async(command).await.then_expect_events(vec![expected]);

    // Whose number never changed needs no answer about identifiers.
    let world =
        World { allocation: allocated_now(ada()), identities: vec![replaced_on(3)], ..World::default() };
    let expected = allocated("m4", 4, &ada(), NameSource::Answer);
    let command = allocation_of(message("m4", 4), states(&ada()));
    world.harness().given_no_previous_events().when_async(command).await.then_expect_events(vec![expected]);
}

#[test]
fn a_moved_fact_says_which_number_its_message_named_first_and_asks_for_the_present_state() {
    let given = CaseCommand::RecordAllocation {
        noms: noms(),
        message: message("m1", 1),
        stated: states(&ada()),
        address: DetailAddress::Given("https://mpc.example/x".into()),
    };
    let third: NomsNumber = "C1234BC".parse().unwrap();
    let moved = given.moved_to(&other()).moved_to(&third);
    let CaseCommand::RecordAllocation { noms: to, message, address, .. } = moved else { unreachable!() };
    assert_eq!((to, message.under, address), (third, Some(noms()), DetailAddress::OfCase));
}

#[tokio::test]
async fn the_number_that_goes_and_a_number_that_is_only_named_write_nothing() {
    for role in [IdentityRole::Former, IdentityRole::Named] {
        let given = vec![allocated("m1", 1, &ada(), NameSource::Answer)];
        let world = World { allocation: allocated_now(mary()), ..World::default() };
        let expected = changed(role, Inherited::default(), vec![]);
        let command = command(role, Inherited::default());
        world.harness().given(given).when_async(command).await.then_expect_events(vec![expected]);
    }
}

#[tokio::test]
async fn a_number_that_somebody_else_got_since_says_from_when() {
    let crn = |number: u32| -> Crn { format!("X90000{number}").parse().unwrap() };
    let holds = |on, number| fact(on, IdentityStatement::Holds { crn: crn(number), noms: noms() });
    let mut expected = changed(IdentityRole::Former, Inherited::default(), vec![]);
    let CaseEvent::IdentityChanged { given_on, .. } = &mut expected else { unreachable!() };
    *given_on = Some(day(5));
    let world = World { identities: vec![holds(1, 1), holds(5, 2)], ..World::default() };
    let given =
        vec![allocated("m1", 1, &ada(), NameSource::Answer), allocated("m5", 5, &mary(), NameSource::Answer)];
    let command = command(IdentityRole::Former, Inherited::default());
    world.harness().given(given.clone()).when_async(command).await.then_expect_events(vec![expected.clone()]);

    let case = case_of(given.into_iter().chain([expected]));
    let mary_on_the_fifth = Holding { at: day(5), pom: Some(pom_of(&mary())), overtaken: false };
    assert_eq!(case.legacy().holdings, [mary_on_the_fifth], "what came before is the former person's");
}

#[tokio::test]
async fn the_number_that_stays_continues_with_what_the_former_one_had() {
    let inherited = Inherited { holdings: vec![ada_on_the_second_day()], handover: None };
    let given = vec![allocated("m1", 1, &mary(), NameSource::Answer)];
    let expected = changed(IdentityRole::Current, inherited.clone(), vec![hold(1, &mary()), hold(2, &ada())]);
    // Ada holds the case now, as is known of the former number: no news.
    let world = World { allocation: allocated_now(ada()), ..World::default() };
    let command = command(IdentityRole::Current, inherited.clone());
    world.harness().given(given.clone()).when_async(command).await.then_expect_events(vec![expected.clone()]);

    let case = case_of(given.into_iter().chain([expected]));
    let mary_on_the_first = Holding { at: day(1), pom: Some(pom_of(&mary())), overtaken: false };
    assert_eq!(case.legacy().holdings, [mary_on_the_first, ada_on_the_second_day()]);
}

#[tokio::test]
async fn what_the_present_answer_adds_to_what_was_inherited_is_news() {
    let inherited = Inherited { holdings: vec![ada_on_the_second_day()], handover: None };
    let released = vec![hold(2, &ada())];
    let expected = vec![
        changed(IdentityRole::Current, inherited.clone(), released),
        allocated("change", 3, &mary(), NameSource::Answer),
    ];
    let world = World { allocation: allocated_now(mary()), ..World::default() };
    let command = command(IdentityRole::Current, inherited);
    world.harness().given_no_previous_events().when_async(command).await.then_expect_events(expected);
}

/// A write of the first event was refused because of the person, then the identity changed.
fn refused_then_changed(role: IdentityRole) -> Vec<CaseEvent> {
    vec![
        allocated("m1", 1, &ada(), NameSource::Answer),
        refused(first(1), hold(1, &ada()), OutcomeName::PersonNotFound),
        changed(role, Inherited::default(), vec![]),
    ]
}

#[tokio::test]
async fn a_change_for_the_number_itself_releases_what_was_refused_because_of_the_person() {
    let reason = "only a refused or a parked write can be retried";
    for role in [IdentityRole::Former, IdentityRole::Current] {
        let harness = World::default().harness().given(refused_then_changed(role));
        let expected = CaseError::NotAllowed { write: first(1), reason };
        harness.when_async(retry_of(first(1))).await.then_expect_error(expected);
    }
    let retried = CaseEvent::DeliusWriteRetried {
        write: first(1),
        released: vec![hold(1, &ada())],
        by: "op".into(),
        why: "why".into(),
    };
    let harness = World::default().harness().given(refused_then_changed(IdentityRole::Named));
    harness.when_async(retry_of(first(1))).await.then_expect_events(vec![retried]);
}

#[tokio::test]
async fn a_refusal_recorded_after_a_change_for_the_number_itself_is_released_at_once() {
    for (role, events) in [(IdentityRole::Former, 2), (IdentityRole::Current, 2), (IdentityRole::Named, 1)] {
        let case = case_of([
            allocated("m1", 1, &ada(), NameSource::Answer),
            changed(role, Inherited::default(), vec![]),
        ]);
        let outcome = settled_as(first(1), hold(1, &ada()), OutcomeName::PersonNotFound);
        assert_eq!(decided(case, outcome).await.len(), events, "{role:?}");
    }
}
