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

async fn state_after(name: OutcomeName, changes: Vec<RowChange>) -> WriteState {
    let intent = DeliusWrite::DeallocatePom { at: day(1), overtaken: false };
    let mut outcome = result(first(1), intent.clone(), name).outcome;
    outcome.changes = changes;
    let command = CaseCommand::RecordOutcome { write: first(1), intent, attempt: 1, outcome };
    let events = decided(case_of([deallocated("m1", 1)]), command).await;
    assert_eq!(events.len(), 1);
    WriteStates::of([(2, &events[0])]).state(first(1))
}

#[tokio::test]
async fn a_write_is_an_update_where_rows_changed_and_it_was_no_dry_run() {
    let row = || RowChange {
        table: "key_date".into(),
        row_id: "1".into(),
        action: RowAction::Insert,
        row_version: 0,
        columns: Default::default(),
    };
    for (name, changes, expected) in [
        (OutcomeName::KeyDateCreated, vec![row()], WriteState::Applied),
        (OutcomeName::NoKeyDateChange, vec![], WriteState::Unchanged),
        // A dry run says which rows it would change.
        (OutcomeName::DryRunKeyDateCreated, vec![row()], WriteState::Unchanged),
        (OutcomeName::DryRunNoKeyDateChange, vec![], WriteState::Unchanged),
        (OutcomeName::UnknownPrison, vec![], WriteState::Refused),
    ] {
        assert_eq!(state_after(name, changes).await, expected, "{name:?}");
    }
}

#[tokio::test]
async fn only_a_pending_write_is_parked() {
    let park = || CaseCommand::ParkWrite { write: first(1), attempts: 8, error: "odd".into() };
    let parked = CaseEvent::DeliusWriteParked { write: first(1), attempts: 8, error: "odd".into() };
    let given = vec![deallocated("m1", 1)];
    let harness = World::default().harness().given(given.clone());
    harness.when_async(park()).await.then_expect_events(vec![parked.clone()]);
    let given = given.into_iter().chain([parked]).collect();
    World::default().harness().given(given).when_async(park()).await.then_expect_events(vec![]);
}

#[tokio::test]
async fn a_parked_write_is_retried_in_its_old_place() {
    let parked = CaseEvent::DeliusWriteParked { write: first(1), attempts: 8, error: "odd".into() };
    let (by, why) = (String::from("op"), String::from("why"));
    let expected = CaseEvent::DeliusWriteRetried { write: first(1), released: vec![], by, why };
    let given = vec![deallocated("m1", 1), parked];
    let harness = World::default().harness().given(given);
    harness.when_async(retry_of(first(1))).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn what_is_not_refused_or_was_a_dry_run_or_was_retried_already_is_not_retried() {
    let neither = "only a refused or a parked write can be retried";
    let dry_run = DeliusWrite::SetHandoverDates {
        handover_date: NaiveDate::from_ymd_opt(2026, 9, 1),
        handover_start_date: None,
        dry_run: true,
    };
    let refusal = |intent| refused(first(1), intent, OutcomeName::NoActiveCustodialSentence);
    let retried = CaseEvent::DeliusWriteRetried {
        write: first(1),
        released: vec![hold(1, &ada())],
        by: "op".into(),
        why: "why".into(),
    };
    for (given, reason) in [
        (vec![allocated("m1", 1, &ada(), NameSource::Answer)], neither),
        (
            vec![handover::changed("m1", 1, true), refusal(dry_run)],
            "it was a dry run; make another one instead",
        ),
        (vec![allocated("m1", 1, &ada(), NameSource::Answer), refusal(hold(1, &ada())), retried], neither),
        // Another write was refused.
        (
            vec![
                allocated("m1", 1, &ada(), NameSource::Answer),
                deallocated("m2", 2),
                refused(first(2), hold(1, &ada()), OutcomeName::UnknownPrison),
            ],
            neither,
        ),
    ] {
        let harness = World::default().harness().given(given);
        let expected = CaseError::NotAllowed { write: first(1), reason };
        harness.when_async(retry_of(first(1))).await.then_expect_error(expected);
    }
}

#[tokio::test]
async fn a_retry_of_one_write_leaves_the_other_refusals() {
    let retried = CaseEvent::DeliusWriteRetried {
        write: first(1),
        released: vec![hold(1, &ada())],
        by: "op".into(),
        why: "why".into(),
    };
    let case = case_of([
        allocated("m1", 1, &ada(), NameSource::Answer),
        allocated("m2", 2, &mary(), NameSource::Answer),
        refused(first(1), hold(1, &ada()), OutcomeName::UnknownPrison),
        refused(first(2), hold(2, &mary()), OutcomeName::UnknownPrison),
        retried,
    ]);
    assert_eq!(case.refused.iter().map(|refused| refused.write).collect::<Vec<_>>(), [first(2)]);
}

#[test]
fn a_write_names_the_pom_that_it_allocates_and_its_outcome_the_staff_id() {
    assert_eq!(hold(1, &ada()).pom(), Some(&pom_of(&ada())));
    assert_eq!(DeliusWrite::DeallocatePom { at: day(1), overtaken: false }.pom(), None);
    assert_eq!(set_dates().pom(), None);

    let mut outcome = result(first(1), hold(1, &ada()), OutcomeName::PomAllocated).outcome;
    outcome.set_staff_id(None);
    assert_eq!((outcome.staff_id(), outcome.properties.len()), (None, 0));
    outcome.set_staff_id(Some(55));
    assert_eq!(outcome.staff_id(), Some(55));
    assert_eq!(outcome.properties["staffId"], "55");
}
