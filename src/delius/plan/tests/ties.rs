//! Events of the same second: the later one of the stream wins, and no row without length remains.

use super::{Memory, at, memory::transfers};
use crate::case::OutcomeName;

#[test]
fn the_later_event_of_a_second_replaces_the_row_of_the_earlier_one() {
    let mut memory = Memory::with_poms("ada@LEI[1,)");
    memory.allocate(5, "bob@LEI");
    assert_eq!(memory.allocate(5, "cat@MDI").outcome, OutcomeName::PomAllocated);
    assert_eq!(memory.held(), "ada@LEI[1,5) cat@MDI[5,)");
    let replaced = memory.person.poms.iter().find(|row| row.soft_deleted).unwrap();
    assert_eq!((replaced.start, replaced.end), (at(5), None), "kept as it was");
    memory.assert_sound();
}

#[test]
fn the_previous_holder_is_the_one_before_that_second() {
    let mut memory = Memory::with_poms("ada@LEI[1,)");
    memory.allocate(5, "bob@MDI");
    memory.allocate(5, "cat@MDI");
    assert_eq!(memory.live()[1].reason, transfers().external.reason);
    assert!(memory.contacts[1].notes.ends_with("From Officer: Byron, Ada"), "{}", memory.contacts[1].notes);

    let mut memory = Memory::new();
    memory.allocate(5, "bob@MDI");
    memory.allocate(5, "cat@MDI");
    assert_eq!(memory.live()[0].reason, transfers().automatic.reason);
    assert_eq!(memory.held(), "cat@MDI[5,)");
}

#[test]
fn the_holder_before_that_second_just_goes_on_when_it_gets_the_case_back() {
    let mut memory = Memory::with_poms("ada@LEI[1,)").with_officers("ada@LEI[1,)");
    memory.allocate(5, "bob@LEI");
    let plan = memory.allocate_with_email(5, "ada@LEI", Some("ada@example.org"));
    assert_eq!(plan.outcome, OutcomeName::PomAllocated);
    assert_eq!(memory.held(), "ada@LEI[1,)");
    assert_eq!(memory.responsible(), "ada@LEI[1,)");
    assert!(memory.live()[0].active);
    assert_eq!(memory.live()[0].email.as_deref(), Some("ada@example.org"));
    let notes = &memory.contacts[memory.contacts.len() - 2].notes;
    assert!(notes.ends_with("From Officer: Byron, Bob"), "the log says whom it was taken back from: {notes}");
    let new = memory.contacts.last().unwrap().notes.split("\n\n").next().unwrap();
    assert!(new.ends_with("Allocation Reason: Internal Transfer"), "the reason of this change: {new}");
    memory.assert_sound();
}

#[test]
fn a_tie_in_the_middle_of_the_history_keeps_what_follows() {
    let mut memory = Memory::with_poms("ada@LEI[1,5) bob@LEI[5,9) cat@LEI[9,)");
    memory.allocate(5, "dan@MDI");
    assert_eq!(memory.held(), "ada@LEI[1,5) dan@MDI[5,9) cat@LEI[9,)");
    memory.assert_sound();
}

#[test]
fn allocated_and_deallocated_in_one_second_is_deallocated() {
    let mut memory = Memory::new();
    memory.allocate(5, "ada@LEI");
    assert_eq!(memory.deallocate(5).unwrap().outcome, OutcomeName::PomDeallocated);
    assert_eq!(memory.held(), "-@LEI[5,)");
    assert_eq!(memory.deallocate(5).unwrap().outcome, OutcomeName::NoPomChange);
    memory.allocate(5, "ada@LEI");
    assert_eq!(memory.held(), "ada@LEI[5,)");
}

#[test]
fn allocated_deallocated_and_allocated_within_a_second_ends_with_the_last_in_whatever_order() {
    // The answers to the first two messages name Bob already: they are overtaken, and Bob is asserted again after them.
    let [ada, nobody, bob] = [Some("ada@LEI"), None, Some("bob@LEI")];
    for order in [
        [ada, nobody, bob],
        [ada, bob, nobody],
        [nobody, ada, bob],
        [nobody, bob, ada],
        [bob, ada, nobody],
        [bob, nobody, ada],
    ] {
        let mut memory = Memory::with_poms("zoe@LEI[1,)").with_officers("zoe@LEI[1,)");
        let mut bob_came = false;
        for who in order {
            bob_came |= who == bob;
            match who {
                Some(who) => drop(memory.allocate(5, who)),
                None => drop(memory.deallocate(5)),
            }
            if bob_came && who != bob {
                memory.allocate(5, "bob@LEI");
            }
            memory.assert_sound();
        }
        assert_eq!(memory.held(), "zoe@LEI[1,5) bob@LEI[5,)", "{order:?}");
        assert_eq!(memory.responsible(), "zoe@LEI[1,5) bob@LEI[5,)", "{order:?}");
    }
}

#[test]
fn a_deallocation_in_the_second_of_an_allocation_elsewhere_is_of_that_provider() {
    let mut memory = Memory::with_poms("ada@LEI[1,)");
    memory.allocate(5, "bob@MDI");
    memory.deallocate(5);
    assert_eq!(memory.held(), "ada@LEI[1,5) -@MDI[5,)");
    // A late event before it does not change that when the deallocation is asserted again.
    memory.allocate(3, "cat@WWI");
    assert_eq!(memory.deallocate(5).unwrap().outcome, OutcomeName::NoPomChange);
    assert_eq!(memory.held(), "ada@LEI[1,3) cat@WWI[3,5) -@MDI[5,)");
}

#[test]
fn the_responsibility_of_a_replaced_row_is_pointed_at_the_new_one() {
    let mut memory = Memory::with_poms("ada@LEI[1,)").with_officers("ada@LEI[1,)");
    memory.allocate(5, "bob@LEI");
    let rows = memory.person.officers.len();
    memory.allocate(5, "cat@LEI");
    assert_eq!(memory.responsible(), "ada@LEI[1,5) cat@LEI[5,)");
    assert_eq!(memory.person.officers.len(), rows);
    memory.assert_sound();
}

#[test]
fn whoever_goes_on_in_a_row_that_overlapped_keeps_the_responsibility_as_it_was() {
    // Not made by us: two rows hold the case at once.
    let mut memory = Memory::with_poms("ada@LEI[1,) bob@LEI[5,)").with_officers("ada@LEI[1,)");
    let officers = memory.person.officers.clone();
    memory.allocate(5, "ada@LEI");
    assert_eq!(memory.held(), "ada@LEI[1,)");
    assert_eq!(memory.person.officers, officers);
}
