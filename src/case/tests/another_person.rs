//! A number that was given to somebody else: what happened before is not this person's.

use super::*;

/// The number is the person's with `crn` from the fourth day on, and was somebody else's before.
fn linked(id: &str, new_person: bool, released: Vec<DeliusWrite>) -> CaseEvent {
    let provenance = message(id, 4).provenance(vec![fetched(None), fetched(None)]);
    CaseEvent::IdentifierLinked { provenance, crn: Some(crn(2)), new_person, released }
}

fn link(id: &str) -> CaseCommand {
    CaseCommand::LinkIdentifier { noms: noms(), crn: Some(crn(2)), message: message(id, 4) }
}

fn crn(number: u32) -> Crn {
    format!("X90000{number}").parse().unwrap()
}

fn former() -> CaseEvent {
    identity_changed::changed(IdentityRole::Former, Inherited::default(), vec![])
}

/// The first person had the number, and has another one since the second day.
fn replaced() -> Vec<IdentityFact> {
    let first = IdentityStatement::Holds { crn: crn(1), noms: noms() };
    let replaced = IdentityStatement::Replaced { from: noms(), to: identity_changed::other() };
    vec![IdentityFact { at: day(1), statement: first }, IdentityFact { at: day(2), statement: replaced }]
}

#[tokio::test]
async fn nothing_of_the_former_person_is_written_for_the_new_one() {
    let given = vec![
        allocated("m1", 1, &ada(), NameSource::Answer),
        handover::changed("h1", 1, false),
        former(),
        // Of this day and so of the new person.
        allocated("m4", 4, &mary(), NameSource::Answer),
    ];
    let dates = HandoverAnswer::Dates {
        handover_date: NaiveDate::from_ymd_opt(2026, 9, 1),
        handover_start_date: None,
    };
    let world = || World {
        allocation: allocated_now(mary()),
        handover: dates,
        identities: replaced(),
        ..World::default()
    };
    // The dates are news, though the former person had the same.
    let expected = vec![linked("link", true, vec![hold(4, &mary())]), handover::changed("link", 4, false)];
    world().harness().given(given.clone()).when_async(link("link")).await.then_expect_events(expected);
}

#[tokio::test]
async fn the_case_begins_anew_with_the_new_person() {
    let case = case_of([
        allocated("m1", 1, &ada(), NameSource::Answer),
        superseded("m2", 2, &mary()),
        superseded("m4", 4, &mary()),
        handover::changed("h1", 1, false),
        not_ready("n1", 3),
        linked("link", true, vec![]),
    ]);
    assert_eq!(case.legacy(), Inherited::default());
    assert!(!case.not_ready);
    let waiting: Vec<_> = case.unreflected.iter().map(|waiting| waiting.at).collect();
    assert_eq!(waiting, [day(4)], "what waits from this day on is the new person's");
}

#[tokio::test]
async fn a_link_of_a_number_that_was_replaced_since_asserts_nothing() {
    let given = vec![allocated("m1", 1, &ada(), NameSource::Answer), former()];
    let world = World { allocation: allocated_now(mary()), identities: replaced(), ..World::default() };
    let early = CaseCommand::LinkIdentifier { noms: noms(), crn: Some(crn(1)), message: message("link", 1) };
    let expected = CaseEvent::IdentifierLinked {
        provenance: message("link", 1).provenance(vec![]),
        crn: Some(crn(1)),
        new_person: false,
        released: vec![],
    };
    world.harness().given(given).when_async(early).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn a_number_that_was_never_part_of_a_change_is_linked_without_asking_who_had_it() {
    let given = vec![allocated("m1", 1, &ada(), NameSource::Answer)];
    let world = World { allocation: allocated_now(ada()), identities: replaced(), ..World::default() };
    let expected = linked("link", false, vec![hold(1, &ada())]);
    world.harness().given(given).when_async(link("link")).await.then_expect_events(vec![expected]);
}
