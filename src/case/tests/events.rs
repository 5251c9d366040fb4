//! The questions that every event answers.

use cqrs_es::DomainEvent;

use super::*;

fn decision(released: Vec<DeliusWrite>) -> CaseEvent {
    CaseEvent::DeliusWriteRetried { write: first(1), released, by: "op".into(), why: "odd".into() }
}

fn of_write(variant: fn(WriteResult) -> CaseEvent, name: OutcomeName) -> CaseEvent {
    variant(result(first(1), hold(1, &ada()), name))
}

fn reasserted() -> CaseEvent {
    let inherited = Inherited::default();
    CaseEvent::WritesReasserted { released: vec![], inherited, by: "op".into(), why: "odd".into() }
}

fn parked() -> CaseEvent {
    CaseEvent::DeliusWriteParked { write: first(1), attempts: 8, error: "odd".into() }
}

fn skipped() -> CaseEvent {
    CaseEvent::DeliusWriteSkipped { write: first(1), by: "op".into(), why: "odd".into() }
}

fn linked() -> CaseEvent {
    let provenance = message("m4", 4).provenance(vec![]);
    CaseEvent::IdentifierLinked { provenance, crn: None, new_person: false, released: vec![] }
}

fn not_found() -> CaseEvent {
    CaseEvent::HandoverNotFound { provenance: message("m4", 4).provenance(vec![]) }
}

fn not_applicable() -> CaseEvent {
    let provenance = message("m4", 4).provenance(vec![]);
    CaseEvent::MessageNotApplicable { provenance, reason: "none".into() }
}

/// The event that waited for the name, recorded at last.
fn reflected(sequence: u64) -> CaseEvent {
    let mut event = allocated("m1", 1, &ada(), NameSource::Directory);
    let CaseEvent::PomAllocated { reflects, .. } = &mut event else { unreachable!() };
    *reflects = Some(sequence);
    event
}

/// One event of each kind, with its name and the day of its valid time.
fn every_kind() -> Vec<(CaseEvent, &'static str, Option<u32>)> {
    vec![
        (allocated("m1", 1, &ada(), NameSource::Answer), "PomAllocated", Some(1)),
        (deallocated("m1", 1), "PomDeallocated", Some(1)),
        (not_ready("m2", 2), "AllocationNotReady", Some(2)),
        (superseded("m1", 1, &ada()), "AllocationSuperseded", Some(1)),
        (handover::changed("m3", 3, false), "HandoverDatesChanged", Some(3)),
        (not_found(), "HandoverNotFound", Some(4)),
        (not_applicable(), "MessageNotApplicable", Some(4)),
        (linked(), "IdentifierLinked", Some(4)),
        (
            identity_changed::changed(IdentityRole::Named, Inherited::default(), vec![]),
            "IdentityChanged",
            Some(3),
        ),
        (of_write(CaseEvent::DeliusUpdated, OutcomeName::PomAllocated), "DeliusUpdated", None),
        (of_write(CaseEvent::DeliusUnchanged, OutcomeName::NoPomChange), "DeliusUnchanged", None),
        (of_write(CaseEvent::DeliusWriteRefused, OutcomeName::UnknownTeam), "DeliusWriteRefused", None),
        (parked(), "DeliusWriteParked", None),
        (decision(vec![]), "DeliusWriteRetried", None),
        (reasserted(), "WritesReasserted", None),
        (skipped(), "DeliusWriteSkipped", None),
    ]
}

#[test]
fn an_event_has_the_name_by_which_it_is_stored_and_what_came_by_a_message_has_its_time() {
    for (event, name, on) in every_kind() {
        assert_eq!((event.name(), event.event_type().as_str()), (name, name));
        assert_eq!(event.event_version(), "1.0.0");
        assert_eq!(serde_json::to_value(&event).unwrap()["event"], name);
        assert_eq!(event.valid_at(), on.map(day), "{name}");
        assert_eq!(event.provenance().map(|from| from.occurred_at), on.map(day), "{name}");
    }
}

#[test]
fn what_only_some_events_answer_the_others_do_not() {
    for (event, name, _) in every_kind() {
        let decides = ["DeliusWriteRetried", "WritesReasserted", "DeliusWriteSkipped"].contains(&name);
        assert_eq!(event.decision(), decides.then_some(("op", "odd")), "{name}");
        let settled = ["DeliusUpdated", "DeliusUnchanged", "DeliusWriteRefused"].contains(&name);
        assert_eq!(event.write_result().is_some(), settled, "{name}");
        let holder = ["PomAllocated", "PomDeallocated", "AllocationSuperseded"].contains(&name);
        assert_eq!(event.states_holder(), holder, "{name}");
        assert_eq!(event.stated_holding().is_some(), holder && name != "AllocationSuperseded", "{name}");
        let not_ready = (name == "AllocationNotReady").then_some("NotReadyToAllocate");
        assert_eq!(event.outcome(), not_ready, "{name}");
        let not_found = (name == "HandoverNotFound").then_some("HandoverNotFound");
        assert_eq!(event.telemetry(), not_ready.or(not_found), "{name}");
        let dates = ["HandoverDatesChanged", "HandoverNotFound"].contains(&name);
        assert_eq!(event.handover().is_some(), dates, "{name}");
    }
    assert_eq!(not_found().handover(), Some((day(4), HandoverAnswer::NotFound)));
    assert_eq!(handover::changed("m1", 1, true).handover(), None, "a dry run records no answer");
}

#[test]
fn a_superseded_allocation_waits_for_the_name_until_an_event_reflects_it() {
    for (event, name, _) in every_kind() {
        let waits = (name == "AllocationSuperseded").then_some(NameWait::Begins { staff_code: 1 });
        assert_eq!(event.waits_for_name(), waits, "{name}");
    }
    assert_eq!(reflected(7).waits_for_name(), Some(NameWait::Ends { reflects: 7 }));
}

#[test]
fn renumbering_moves_every_reference_to_another_event() {
    let moved = |mut event: CaseEvent| {
        event.renumber(&|sequence| sequence + 10);
        event
    };
    assert_eq!(moved(reflected(7)), reflected(17));
    for (event, name, _) in every_kind() {
        let write = event.write_change().map(|(write, _)| write);
        let expected = write.map(|write| WriteRef { sequence: write.sequence + 10, ..write });
        let event = moved(event);
        assert_eq!(event.write_change().map(|(write, _)| write), expected, "{name}");
    }
}

#[test]
fn the_state_of_a_write_follows_from_the_events_after_it() {
    let progress = |state, attempt| WriteProgress { state, attempt, recorded_by: 2 };
    for (event, expected, row, is_final) in [
        (
            of_write(CaseEvent::DeliusUpdated, OutcomeName::PomAllocated),
            progress(WriteState::Applied, 1),
            "done",
            true,
        ),
        (
            of_write(CaseEvent::DeliusUnchanged, OutcomeName::NoPomChange),
            progress(WriteState::Unchanged, 1),
            "done",
            true,
        ),
        (
            of_write(CaseEvent::DeliusWriteRefused, OutcomeName::UnknownTeam),
            progress(WriteState::Refused, 1),
            "done",
            true,
        ),
        (parked(), progress(WriteState::Parked, 8), "parked", false),
        (decision(vec![]), progress(WriteState::Pending, 0), "pending", false),
        (skipped(), progress(WriteState::Skipped, 0), "skipped", true),
    ] {
        let states = WriteStates::of([(2, &event)]);
        assert_eq!(states.get(first(1)), Some(expected), "{}", event.name());
        assert_eq!(states.state(first(1)), expected.state);
        assert_eq!((expected.state.of_row(), expected.state.is_final()), (row, is_final));
        assert_eq!((states.get(first(2)), states.state(first(2))), (None, WriteState::Pending));
        let stored = serde_json::to_string(&states).unwrap();
        assert_eq!(serde_json::from_str::<WriteStates>(&stored).unwrap(), states);
    }
    // What is made again under the event stays refused itself.
    let refusal = of_write(CaseEvent::DeliusWriteRefused, OutcomeName::UnknownTeam);
    let states = WriteStates::of([(2, &refusal), (3, &decision(vec![hold(1, &ada())]))]);
    assert_eq!(states.state(first(1)), WriteState::Refused);
}
