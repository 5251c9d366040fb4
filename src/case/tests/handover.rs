//! Handover dates.

use super::*;

fn dates() -> HandoverAnswer {
    let handover_date = NaiveDate::from_ymd_opt(2026, 9, 1);
    HandoverAnswer::Dates { handover_date, handover_start_date: None }
}

pub(super) fn changed(id: &str, on: u32, dry_run: bool) -> CaseEvent {
    CaseEvent::HandoverDatesChanged {
        provenance: message(id, on).provenance(vec![fetched(None)]),
        handover_date: NaiveDate::from_ymd_opt(2026, 9, 1),
        handover_start_date: None,
        dry_run,
    }
}

fn command(dry_run: bool) -> CaseCommand {
    let address = DetailAddress::OfCase;
    CaseCommand::RecordHandover { noms: noms(), message: message("m1", 1), address, dry_run }
}

#[tokio::test]
async fn the_answer_is_recorded_with_its_dry_run_flag() {
    for dry_run in [false, true] {
        let world = World { handover: dates(), ..World::default() };
        let harness = world.harness().given_no_previous_events();
        harness.when_async(command(dry_run)).await.then_expect_events(vec![changed("m1", 1, dry_run)]);
    }
}

#[tokio::test]
async fn no_handover_is_recorded_and_writes_nothing() {
    let provenance = message("m1", 1).provenance(vec![fetched(None)]);
    let expected = CaseEvent::HandoverNotFound { provenance };
    let harness = World::default().harness().given_no_previous_events();
    harness.when_async(command(false)).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn a_refused_date_is_not_retried_over_a_newer_one() {
    let dates_of = |month| DeliusWrite::SetHandoverDates {
        handover_date: NaiveDate::from_ymd_opt(2026, month, 1),
        handover_start_date: None,
        dry_run: false,
    };
    let none_now =
        CaseEvent::HandoverNotFound { provenance: message("m2", 2).provenance(vec![fetched(None)]) };
    for (intent, later) in [(dates_of(8), changed("m2", 2, false)), (dates_of(9), none_now)] {
        let given = vec![
            changed("m1", 1, false),
            refused(first(1), intent, OutcomeName::NoActiveCustodialSentence),
            later,
        ];
        let retry = CaseCommand::RetryWrite { write: first(1), by: "op".into(), why: "why".into() };
        let reason =
            "another answer on the handover dates has been recorded since; it must not be overwritten";
        World::default()
            .harness()
            .given(given)
            .when_async(retry)
            .await
            .then_expect_error(CaseError::NotAllowed { write: first(1), reason });
    }
}
