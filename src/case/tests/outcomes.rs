//! What came of writes.

use super::*;

#[tokio::test]
async fn an_outcome_is_recorded_once() {
    let intent = DeliusWrite::DeallocatePom { at: day(1) };
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
