//! Rows that start in the future: plans, which the present allocation replaces.

use super::{Memory, at, memory::ROC};
use crate::case::OutcomeName;

fn now_is(second: i64, rows: &str) -> Memory {
    let mut memory = Memory::with_poms(rows);
    memory.now = at(second);
    memory
}

#[test]
fn an_allocation_replaces_the_plans_and_takes_their_time() {
    for (before, after) in [
        ("ada@LEI[1,50) bob@LEI[50,)", "ada@LEI[1,5) cat@LEI[5,)"),
        ("ada@LEI[1,50) bob@LEI[50,70) dan@MDI[70,)", "ada@LEI[1,5) cat@LEI[5,)"),
        ("ada@LEI[1,50) bob@LEI[50,70)", "ada@LEI[1,5) cat@LEI[5,70)"),
        ("bob@LEI[50,)", "cat@LEI[5,)"),
        ("ada@LEI[1,50) cat@LEI[50,)", "ada@LEI[1,5) cat@LEI[5,)"),
    ] {
        let mut memory = now_is(10, before);
        memory.allocate(5, "cat@LEI");
        assert_eq!(memory.held(), after, "{before}");
        memory.assert_sound();
    }
}

#[test]
fn a_row_that_starts_this_second_has_begun() {
    let mut memory = now_is(50, "ada@LEI[1,50) bob@LEI[50,)");
    memory.allocate(5, "cat@LEI");
    assert_eq!(memory.held(), "ada@LEI[1,5) cat@LEI[5,50) bob@LEI[50,)");
    let mut memory = now_is(50, "bob@LEI[50,)");
    memory.allocate(5, "cat@LEI");
    assert_eq!(memory.held(), "cat@LEI[5,50) bob@LEI[50,)");
}

#[test]
fn a_row_of_this_very_second_is_no_plan() {
    let mut memory = now_is(5, "ada@LEI[5,)");
    assert_eq!(memory.allocate(5, "ada@LEI").changes, []);
}

#[test]
fn the_responsible_officer_of_a_plan_becomes_the_new_holder() {
    let mut memory = now_is(10, "ada@LEI[1,50) bob@LEI[50,)").with_officers("ada@LEI[1,50) bob@LEI[50,)");
    memory.allocate(5, "cat@LEI");
    assert_eq!(memory.responsible(), "ada@LEI[1,5) cat@LEI[5,)");
    memory.assert_sound();

    let mut memory = now_is(10, "ada@LEI[1,50) bob@LEI[50,)").with_officers("com[1,50) bob@LEI[50,)");
    let plan = memory.allocate(5, "cat@LEI");
    assert_eq!(memory.responsible(), "com[1,50) cat@LEI[50,)");
    assert_eq!(memory.contacts.len(), 1, "nobody took over responsibility now: {plan:?}");
    memory.assert_sound();
}

#[test]
fn a_planned_responsibility_is_brought_forward_where_nobody_is_responsible_until_then() {
    for (officers, after, announced) in [
        ("bob@LEI[50,)", "cat@LEI[5,)", true),
        ("ada@LEI[1,3) bob@LEI[50,)", "ada@LEI[1,3) cat@LEI[5,)", true),
        ("com[1,5) bob@LEI[50,)", "com[1,5) cat@LEI[5,)", true),
        // Somebody else is responsible until then, or for a part of the time.
        ("com[1,50) bob@LEI[50,)", "com[1,50) cat@LEI[50,)", false),
        ("com[1,9) bob@LEI[50,)", "com[1,9) cat@LEI[50,)", false),
        ("com[20,30) bob@LEI[50,)", "com[20,30) cat@LEI[50,)", false),
        // It ends: nobody planned who is responsible from then on.
        ("bob@LEI[50,60)", "cat@LEI[50,60)", false),
    ] {
        let mut memory = now_is(10, "ada@LEI[1,50) bob@LEI[50,)").with_officers(officers);
        memory.allocate(5, "cat@LEI");
        assert_eq!(memory.responsible(), after, "{officers}");
        let announcements: Vec<_> = memory.contacts.iter().filter(|contact| contact.type_id == ROC).collect();
        assert_eq!(announcements.len(), usize::from(announced), "{officers}");
        for contact in announcements {
            assert!(
                contact.notes.contains("Previous Details:") && contact.notes.contains("Byron, Bob"),
                "{}",
                contact.notes
            );
        }
        memory.assert_sound();
        assert_eq!(memory.allocate(5, "cat@LEI").changes, [], "{officers}");
    }
    let mut memory = now_is(10, "bob@LEI[50,)").with_officers("bob@LEI[50,)");
    memory.allocate(5, "cat@LEI");
    assert_eq!((memory.held(), memory.responsible()), ("cat@LEI[5,)".to_owned(), "cat@LEI[5,)".to_owned()));
}

#[test]
fn whoever_of_a_plan_is_responsible_from_this_second_on_takes_over_from_the_present_holder() {
    let mut memory = now_is(10, "ada@LEI[1,50) bob@LEI[50,)").with_officers("com[1,5) bob@LEI[5,)");
    memory.allocate(5, "cat@LEI");
    assert_eq!(memory.responsible(), "com[1,5) cat@LEI[5,)");
    let previous = memory.contacts[1].notes.split("Previous Details:\n").nth(1).unwrap();
    assert!(previous.contains("Responsible Officer: Byron, Ada ("), "nothing is brought forward: {previous}");
}

#[test]
fn an_allocation_to_the_present_holder_replaces_the_plans_too() {
    let mut memory = now_is(10, "ada@LEI[1,50) bob@LEI[50,)").with_officers("ada@LEI[1,50) bob@LEI[50,)");
    assert_eq!(memory.allocate(5, "ada@LEI").outcome, OutcomeName::NoPomChange);
    assert_eq!(memory.held(), "ada@LEI[1,)");
    assert!(memory.live()[0].active);
    assert_eq!(memory.responsible(), "ada@LEI[1,)");
    assert_eq!(memory.contacts, []);
    memory.assert_sound();
}

#[test]
fn a_deallocation_replaces_the_plans() {
    let mut memory = now_is(10, "ada@LEI[1,50) bob@MDI[50,)");
    memory.deallocate(5);
    assert_eq!(memory.held(), "ada@LEI[1,5) -@LEI[5,)");
}

#[test]
fn a_late_event_before_rows_that_have_begun_leaves_the_plans_alone() {
    let mut memory = now_is(10, "ada@LEI[1,5) bob@LEI[5,50) dan@LEI[50,)");
    memory.allocate(3, "cat@LEI");
    assert_eq!(memory.held(), "ada@LEI[1,3) cat@LEI[3,5) bob@LEI[5,50) dan@LEI[50,)");
    memory.assert_sound();
}

#[test]
fn an_event_ahead_of_our_clock_counts_from_its_own_time() {
    let mut memory = now_is(10, "ada@LEI[1,15) bob@LEI[15,)");
    memory.allocate(20, "cat@LEI");
    assert_eq!(memory.held(), "ada@LEI[1,15) bob@LEI[15,20) cat@LEI[20,)");
    let mut memory = now_is(10, "ada@LEI[1,30) bob@LEI[30,)");
    memory.allocate(20, "cat@LEI");
    assert_eq!(memory.held(), "ada@LEI[1,20) cat@LEI[20,)");
}
