//! Events that arrive after later ones have been written.

use super::{Memory, at, memory::transfers};
use crate::case::OutcomeName;

#[test]
fn a_late_allocation_is_spliced_before_the_next_one() {
    for (before, second, after) in [
        // Before everything.
        ("bob@LEI[5,)", 3, "cat@LEI[3,5) bob@LEI[5,)"),
        // Splitting the open row, a closed one, and one before the last.
        ("ada@LEI[1,)", 3, "ada@LEI[1,3) cat@LEI[3,)"),
        ("ada@LEI[1,5) bob@LEI[5,)", 3, "ada@LEI[1,3) cat@LEI[3,5) bob@LEI[5,)"),
        ("ada@LEI[1,5) bob@LEI[5,9) dan@MDI[9,)", 3, "ada@LEI[1,3) cat@LEI[3,5) bob@LEI[5,9) dan@MDI[9,)"),
        ("ada@LEI[1,5) bob@LEI[5,9) dan@MDI[9,)", 7, "ada@LEI[1,5) bob@LEI[5,7) cat@LEI[7,9) dan@MDI[9,)"),
        // Where Delius has a gap, it stays: the new row ends where the row it splits ended.
        ("ada@LEI[1,4) bob@LEI[6,)", 3, "ada@LEI[1,3) cat@LEI[3,4) bob@LEI[6,)"),
        ("ada@LEI[1,4)", 3, "ada@LEI[1,3) cat@LEI[3,4)"),
        // Within the gap, it ends at the next row; after the last, it is open.
        ("ada@LEI[1,3) bob@LEI[6,)", 4, "ada@LEI[1,3) cat@LEI[4,6) bob@LEI[6,)"),
        ("ada@LEI[1,3)", 4, "ada@LEI[1,3) cat@LEI[4,)"),
    ] {
        let mut memory = Memory::with_poms(before);
        assert_eq!(memory.allocate(second, "cat@LEI").outcome, OutcomeName::PomAllocated);
        assert_eq!(memory.held(), after, "{before}");
        let new = memory.live().into_iter().find(|row| row.start == at(second)).unwrap();
        assert_eq!(new.active, new.end.is_none(), "{after}");
    }
}

#[test]
fn a_splice_leaves_reasons_and_contacts_of_the_rows_around_it_alone() {
    let mut memory = Memory::new();
    memory.allocate(1, "ada@LEI");
    memory.allocate(5, "bob@LEI");
    let (before, contacts) = (memory.person.poms.clone(), memory.contacts.clone());
    memory.allocate(3, "cat@MDI");
    let after: Vec<_> = memory.live().into_iter().cloned().collect();
    assert_eq!(after[0].reason, before[0].reason);
    assert_eq!(after[2], before[1], "the next row is not touched");
    assert_eq!(memory.contacts[..2], contacts[..]);
    assert_eq!(after[1].reason, transfers().external.reason);
    assert_eq!(memory.contacts[2].at, at(3));
}

#[test]
fn a_late_allocation_of_the_holder_of_that_time_changes_nothing() {
    let mut memory = Memory::with_poms("ada@LEI[1,5) bob@LEI[5,)");
    let plan = memory.allocate(3, "ada@LEI");
    assert_eq!((plan.outcome, plan.changes), (OutcomeName::NoPomChange, vec![]));
}

#[test]
fn an_event_that_had_nothing_to_do_is_written_when_it_is_asserted_again_after_a_late_one() {
    let mut memory = Memory::new();
    memory.allocate(1, "ada@LEI");
    assert_eq!(memory.allocate(5, "ada@LEI").outcome, OutcomeName::NoPomChange);
    memory.allocate(3, "bob@LEI");
    assert_eq!(memory.held(), "ada@LEI[1,3) bob@LEI[3,)");
    assert_eq!(memory.allocate(5, "ada@LEI").outcome, OutcomeName::PomAllocated);
    assert_eq!(memory.held(), "ada@LEI[1,3) bob@LEI[3,5) ada@LEI[5,)");
}

#[test]
fn the_holder_of_the_next_row_put_before_it_makes_one_period_when_that_is_asserted_again() {
    let mut memory = Memory::with_poms("ada@LEI[1,)").with_officers("ada@LEI[1,)");
    memory.allocate_with_email(5, "bob@LEI", Some("new@example.org"));
    memory.allocate_with_email(3, "bob@LEI", Some("old@example.org"));
    assert_eq!(memory.held(), "ada@LEI[1,3) bob@LEI[3,5) bob@LEI[5,)");
    let contacts = memory.contacts.len();
    let plan = memory.allocate_with_email(5, "bob@LEI", Some("new@example.org"));
    assert_eq!(plan.outcome, OutcomeName::NoPomChange);
    assert_eq!(memory.held(), "ada@LEI[1,3) bob@LEI[3,)");
    assert_eq!(memory.responsible(), "ada@LEI[1,3) bob@LEI[3,)");
    assert_eq!(memory.live()[1].email.as_deref(), Some("new@example.org"));
    assert_eq!(memory.contacts.len(), contacts);
    memory.assert_sound();
    assert_eq!(memory.allocate(5, "bob@LEI").changes, []);
}

#[test]
fn an_event_between_a_late_one_and_the_row_of_the_same_holder_is_not_lost() {
    let mut memory = Memory::new();
    memory.allocate(1, "ada@LEI");
    memory.allocate(3, "ada@LEI");
    memory.allocate(5, "bob@LEI");
    memory.allocate(2, "bob@LEI");
    memory.allocate(3, "ada@LEI");
    assert_eq!(memory.held(), "ada@LEI[1,2) bob@LEI[2,3) ada@LEI[3,5) bob@LEI[5,)");
}

#[test]
fn a_deallocation_moves_to_the_provider_that_a_late_event_put_before_it() {
    let mut memory = Memory::new();
    memory.allocate(1, "ada@LEI");
    memory.deallocate(5);
    memory.allocate(3, "bob@MDI");
    assert_eq!(memory.held(), "ada@LEI[1,3) bob@MDI[3,5) -@LEI[5,)");
    memory.deallocate(5);
    assert_eq!(memory.held(), "ada@LEI[1,3) bob@MDI[3,5) -@MDI[5,)");
    assert_eq!(memory.deallocate(5).unwrap().changes, []);
    memory.assert_sound();
}

#[test]
fn a_late_deallocation_ends_where_the_next_holder_starts() {
    let mut memory = Memory::with_poms("ada@LEI[1,5) bob@MDI[5,)");
    assert_eq!(memory.deallocate(3).unwrap().outcome, OutcomeName::PomDeallocated);
    assert_eq!(memory.held(), "ada@LEI[1,3) -@LEI[3,5) bob@MDI[5,)");
}

#[test]
fn a_deallocation_moves_to_another_provider_whatever_was_replaced_in_another_second() {
    let mut memory = Memory::with_poms("ada@LEI[1,)");
    memory.allocate(2, "bob@LEI");
    memory.allocate(2, "dan@LEI");
    memory.deallocate(5);
    memory.allocate(3, "cat@MDI");
    memory.deallocate(5);
    assert_eq!(memory.held(), "ada@LEI[1,2) dan@LEI[2,3) cat@MDI[3,5) -@MDI[5,)");
}
