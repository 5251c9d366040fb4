//! What Delius lacks is written once more.

use super::*;

fn reassert(writes: Vec<DeliusWrite>, inherited: Inherited) -> CaseCommand {
    CaseCommand::Reassert { writes, inherited, by: "op".into(), why: "why".into() }
}

fn reasserted(released: Vec<DeliusWrite>, inherited: Inherited) -> CaseEvent {
    CaseEvent::WritesReasserted { released, inherited, by: "op".into(), why: "why".into() }
}

/// The first two had been replaced already when their allocations were recorded. What is written again counts for its
/// second all the same.
fn three_holdings() -> Vec<CaseEvent> {
    vec![
        allocated("m1", 1, &ada(), NameSource::Directory),
        allocated("m2", 2, &mary(), NameSource::Directory),
        allocated("m3", 3, &ada(), NameSource::Answer),
    ]
}

async fn expect(given: Vec<CaseEvent>, command: CaseCommand, events: Vec<CaseEvent>) {
    World::default().harness().given(given).when_async(command).await.then_expect_events(events);
}

#[tokio::test]
async fn everything_recorded_from_the_first_lacking_write_on_is_written_again() {
    let none = Inherited::default;
    for (lacking, expected) in [
        (vec![hold(2, &mary())], vec![hold(2, &mary()), hold(3, &ada())]),
        (vec![hold(3, &ada())], vec![hold(3, &ada())]),
        (vec![hold(3, &ada()), hold(1, &ada())], vec![hold(1, &ada()), hold(2, &mary()), hold(3, &ada())]),
        // Dates have no place among the holdings, and come first.
        (vec![set_dates()], vec![set_dates()]),
        (vec![hold(3, &ada()), set_dates()], vec![set_dates(), hold(3, &ada())]),
        (vec![set_dates(), set_dates()], vec![set_dates()]),
    ] {
        expect(three_holdings(), reassert(lacking, none()), vec![reasserted(expected, none())]).await;
    }
}

#[tokio::test]
async fn a_holding_that_was_overtaken_in_its_second_is_written_once() {
    let lacking = DeliusWrite::AllocatePom { at: day(1), pom: pom_of(&ada()), overtaken: true };
    let expected = vec![lacking.clone(), hold(2, &mary()), hold(3, &ada())];
    let none = Inherited::default;
    expect(three_holdings(), reassert(vec![lacking], none()), vec![reasserted(expected, none())]).await;
}

#[tokio::test]
async fn what_another_number_gave_is_written_with_what_follows_it() {
    let earlier = Holding { at: day(2), pom: None, overtaken: false };
    let inherited = Inherited { holdings: vec![earlier.clone()], handover: None };
    let given =
        vec![allocated("m1", 1, &ada(), NameSource::Answer), allocated("m3", 3, &mary(), NameSource::Answer)];
    let event = reasserted(vec![earlier.into(), hold(3, &mary())], inherited.clone());
    expect(given.clone(), reassert(vec![], inherited.clone()), vec![event.clone()]).await;

    // From then on it is recorded: it follows what is written before it.
    let stream = given.into_iter().chain([event]).collect();
    let again = reasserted(
        vec![hold(1, &ada()), DeliusWrite::DeallocatePom { at: day(2), overtaken: false }, hold(3, &mary())],
        Inherited::default(),
    );
    expect(stream, reassert(vec![hold(1, &ada())], Inherited::default()), vec![again]).await;
}

#[tokio::test]
async fn dates_that_another_number_gave_are_recorded_where_none_are_and_written_by_whoever_lacks_them() {
    let dates = |month| HandoverAnswer::Dates {
        handover_date: NaiveDate::from_ymd_opt(2026, month, 1),
        handover_start_date: None,
    };
    let given = |month| Inherited { holdings: vec![], handover: Some(dates(month)) };
    let event = reasserted(vec![], given(9));
    expect(vec![], reassert(vec![], given(9)), vec![event.clone()]).await;

    let mut case = Case::default();
    case.apply_event(event);
    assert_eq!(case.legacy(), given(9));
    case.apply_event(reasserted(vec![], given(8)));
    assert_eq!(case.legacy(), given(9), "what is recorded already counts");
}

#[tokio::test]
async fn nothing_lacking_is_no_event() {
    expect(three_holdings(), reassert(vec![], Inherited::default()), vec![]).await;
}
