//! Handover dates between Manage POM Cases, what is recorded, and Delius.

use super::*;

#[test]
fn handover_dates_are_compared_between_all_three() {
    let blank = Dates::default();
    let dated = Dates { start: day(1), handover: day(2) };
    let other = Dates { start: day(1), handover: day(3) };
    let now = Some(None);
    let then = Some(Some(at("01T09:00")));
    // MPC, recorded, Delius → differences and repair.
    for (what, mpc, known, held, expected) in [
        ("all agree", Some(dated), Some(dated), dated, (vec![], None)),
        ("blank everywhere", Some(blank), Some(blank), blank, (vec![], None)),
        ("right before this service came", Some(dated), None, dated, (vec![], None)),
        ("a lost message", Some(other), Some(dated), dated, (vec!["NewsOfDates"], now)),
        ("a lost first message", Some(dated), None, blank, (vec!["OtherDates"], now)),
        ("Delius lacks the dates", Some(dated), Some(dated), blank, (vec!["OtherDates"], then)),
        ("Delius has dates too many", Some(blank), Some(blank), dated, (vec!["OtherDates"], then)),
        ("a handover that is gone", None, Some(dated), dated, (vec!["NoHandover"], now)),
        (
            "gone, and Delius lacks the dates",
            None,
            Some(dated),
            blank,
            (vec!["NoHandover", "OtherDates"], now),
        ),
        ("no handover, and blank dates on record", None, Some(blank), blank, (vec![], None)),
        ("nothing anywhere", None, None, dated, (vec![], None)),
    ] {
        let handover = mpc.map_or(HandoverAnswer::NotFound, |dates: Dates| HandoverAnswer::Dates {
            handover_date: dates.handover,
            handover_start_date: dates.start,
        });
        let events: Vec<CaseEvent> =
            known.iter().map(|known: &Dates| dates("01T09:00", known.start, known.handover)).collect();
        let delius =
            Holdings { handover_start_date: held.start, handover_date: held.handover, ..delius(None) };
        let mpc = Mpc { allocation: AllocationAnswer::NotReady, handover };
        let recorded = recorded(&events);
        let seen = Seen { mpc, recorded, ledgers: Ledgers::default(), delius: Some(delius) };
        assert_eq!(summary(&compare(&seen)), expected, "{what}");
    }
}

#[test]
fn a_handover_whose_end_is_on_record_is_no_difference_and_repairs_nothing() {
    let gone = CaseEvent::HandoverNotFound { provenance: provenance(at("02T09:00")) };
    let events = [dates("01T09:00", day(1), day(2)), gone];
    let mut seen = seen(AllocationAnswer::NotReady, &events, None);
    let holds = |start, handover| {
        Some(Holdings { handover_start_date: start, handover_date: handover, ..delius(None) })
    };
    seen.delius = holds(day(1), day(2));
    assert_eq!(compare(&seen), in_agreement());
    seen.delius = holds(None, None);
    assert_eq!(compare(&seen), in_agreement(), "they never arrived and are expected no more");
    seen.delius = holds(day(1), None);
    let verdict = compare(&seen);
    assert_eq!((summary(&verdict), verdict.notes), ((vec!["OtherDates"], None), vec![Note::NoHandover]));
    seen.mpc.handover = HandoverAnswer::Dates { handover_start_date: day(1), handover_date: day(2) };
    assert_eq!(summary(&compare(&seen)).0, ["NewsOfDates", "OtherDates"], "found again");
    seen.mpc.handover = HandoverAnswer::NotFound;

    let again = [events.to_vec(), vec![dates("03T09:00", day(1), day(3))]].concat();
    seen.recorded = recorded(&again);
    assert_eq!(summary(&compare(&seen)).0, ["NoHandover", "OtherDates"], "what was recorded later counts");
}

#[test]
fn dates_without_a_place_in_delius_are_told_and_are_no_difference() {
    let events = [dates("01T09:00", day(1), day(2))];
    let mut seen = seen(AllocationAnswer::NotReady, &events, None);
    seen.mpc.handover = HandoverAnswer::Dates { handover_date: day(2), handover_start_date: day(1) };
    seen.delius = Some(Holdings { live_custodies: 2, ..delius(None) });
    let verdict = compare(&seen);
    assert_eq!(verdict.differences, []);
    assert_eq!(verdict.notes, [Note::DatesDoNotApply { live_custodies: 2 }]);
}
