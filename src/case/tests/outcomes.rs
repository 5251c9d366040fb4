//! Outcomes of writes.

use super::*;

#[tokio::test]
async fn an_outcome_is_recorded_once() {
    let intent = DeliusWrite::DeallocatePom { at: day(1), overtaken: false };
    let given = vec![deallocated("m1", 1), refused(first(1), intent.clone(), OutcomeName::PersonNotFound)];
    let outcome = WriteOutcome {
        name: OutcomeName::NoPomChange,
        applied_at: day(6),
        changes: vec![],
        properties: Default::default(),
    };
    let again = CaseCommand::RecordOutcome { write: first(1), intent, attempt: 2, outcome };
    World::default().harness().given(given).when_async(again).await.then_expect_events(vec![]);
}

#[tokio::test]
async fn only_a_parked_write_can_be_skipped() {
    let skip = CaseCommand::SkipWrite { write: first(1), by: "op".into(), why: "why".into() };
    let reason = "only a parked write can be skipped";
    World::default()
        .harness()
        .given(vec![deallocated("m1", 1)])
        .when_async(skip.clone())
        .await
        .then_expect_error(CaseError::NotAllowed { write: first(1), reason });
    let parked = CaseEvent::DeliusWriteParked { write: first(1), attempts: 8, error: "odd".into() };
    let skipped = CaseEvent::DeliusWriteSkipped { write: first(1), by: "op".into(), why: "why".into() };
    World::default()
        .harness()
        .given(vec![deallocated("m1", 1), parked])
        .when_async(skip)
        .await
        .then_expect_events(vec![skipped]);
}

fn hold(on: u32, staff: &StaffMember) -> DeliusWrite {
    DeliusWrite::AllocatePom { at: day(on), pom: pom_of(staff), overtaken: false }
}

/// Ada was refused; Mary, recorded later, holds the case from the same second on.
fn refused_before_another_of_the_same_second() -> Vec<CaseEvent> {
    vec![
        allocated("m1", 1, &ada(), NameSource::Answer),
        refused(first(1), hold(1, &ada()), OutcomeName::PersonNotFound),
        allocated("m2", 1, &mary(), NameSource::Answer),
        allocated("m3", 3, &ada(), NameSource::Answer),
    ]
}

#[tokio::test]
async fn a_retried_write_does_not_override_the_later_event_of_the_same_second() {
    let (by, why) = (String::from("op"), String::from("why"));
    let retry = CaseCommand::RetryWrite { write: first(1), by: by.clone(), why: why.clone() };
    let released = vec![hold(1, &ada()), hold(1, &mary())];
    let expected = CaseEvent::DeliusWriteRetried { write: first(1), released, by, why };
    let given = refused_before_another_of_the_same_second();
    World::default().harness().given(given).when_async(retry).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn a_write_released_for_the_person_does_not_override_the_later_event_of_the_same_second() {
    let link = CaseCommand::LinkIdentifier { noms: noms(), crn: None, message: message("link", 4) };
    let provenance = message("link", 4).provenance(vec![fetched(None), fetched(None)]);
    // Mary counts for that second: Ada held the case for no time at all.
    let released = vec![hold(1, &mary()), hold(3, &ada())];
    let expected = vec![CaseEvent::IdentifierLinked { provenance, crn: None, new_person: false, released }];
    let world = World { allocation: allocated_now(ada()), ..World::default() };
    let given = refused_before_another_of_the_same_second();
    world.harness().given(given).when_async(link).await.then_expect_events(expected);
}

#[tokio::test]
async fn a_retried_write_that_is_the_later_event_of_its_second_is_followed_by_the_next_second() {
    let (by, why) = (String::from("op"), String::from("why"));
    let retry = CaseCommand::RetryWrite { write: first(2), by: by.clone(), why: why.clone() };
    let released = vec![hold(1, &mary()), hold(3, &ada())];
    let expected = CaseEvent::DeliusWriteRetried { write: first(2), released, by, why };
    let given = vec![
        allocated("m1", 1, &ada(), NameSource::Answer),
        allocated("m2", 1, &mary(), NameSource::Answer),
        refused(first(2), hold(1, &mary()), OutcomeName::PersonNotFound),
        allocated("m3", 3, &ada(), NameSource::Answer),
    ];
    World::default().harness().given(given).when_async(retry).await.then_expect_events(vec![expected]);
}
