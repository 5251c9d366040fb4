//! Who holds the case: allocation, reallocation, deallocation, no change.

use super::{Memory, at, memory::transfers};
use crate::case::OutcomeName;

#[test]
fn the_first_allocation_opens_a_row_without_end() {
    let mut memory = Memory::new();
    let plan = memory.allocate_with_email(5, "ada@LEI", Some("ada@example.org"));
    assert_eq!(plan.outcome, OutcomeName::PomAllocated);
    assert_eq!(memory.held(), "ada@LEI[5,)");
    let row = &memory.person.poms[0];
    assert_eq!(row.email.as_deref(), Some("ada@example.org"));
    assert_eq!((row.active, row.soft_deleted, row.offender_id), (true, false, 7));
    assert_eq!(plan.properties["prisonId"], "LEI");
}

#[test]
fn reason_and_contact_type_say_where_the_case_came_from() {
    for (before, new, expected) in [
        ("", "ada@LEI", transfers().automatic),
        ("ada@LEI[1,)", "bob@LEI", transfers().internal),
        ("ada@LEI[1,)", "ada@MDI", transfers().external),
        ("-@LEI[1,)", "ada@LEI", transfers().internal),
        ("-@LEI[1,)", "ada@MDI", transfers().external),
        ("ada@LEI[1,)", "-@LEI", transfers().automatic),
        ("ada@LEI[1,3)", "bob@LEI", transfers().automatic),
        ("ada@LEI[1,5)", "bob@LEI", transfers().automatic),
        ("ada@LEI[1,5)", "ada@LEI", transfers().automatic),
    ] {
        let mut memory = Memory::with_poms(before);
        memory.allocate(5, new);
        let row = memory.live().into_iter().find(|row| row.start == at(5)).unwrap();
        assert_eq!(row.reason, expected.reason, "{before} → {new}");
        assert_eq!(memory.contacts.len(), 1);
        assert_eq!(memory.contacts[0].type_id, expected.contact_type_id, "{before} → {new}");
    }
}

#[test]
fn a_reallocation_closes_the_old_row_where_the_new_one_starts() {
    let mut memory = Memory::with_poms("ada@LEI[1,)");
    memory.allocate(5, "bob@LEI");
    assert_eq!(memory.held(), "ada@LEI[1,5) bob@LEI[5,)");
    assert_eq!(memory.live().iter().map(|row| row.active).collect::<Vec<_>>(), [false, true]);
    assert_eq!(memory.live()[0].version, 1);
    memory.assert_sound();
}

#[test]
fn the_same_holder_is_no_change_however_often_it_is_said() {
    let mut memory = Memory::new();
    memory.allocate(1, "ada@LEI");
    for second in [1, 5] {
        let plan = memory.allocate(second, "ada@LEI");
        assert_eq!((plan.outcome, plan.changes), (OutcomeName::NoPomChange, vec![]));
    }
    assert_eq!(memory.contacts.len(), 1);
}

#[test]
fn the_same_name_in_another_prison_is_another_holder() {
    let mut memory = Memory::new();
    memory.allocate(1, "ada@LEI");
    assert_eq!(memory.allocate(2, "ada@MDI").outcome, OutcomeName::PomAllocated);
    assert_eq!(memory.staff.len(), 2);
}

#[test]
fn only_a_new_email_address_is_refreshed_and_none_is_kept() {
    let mut memory = Memory::new();
    memory.allocate_with_email(1, "ada@LEI", Some("old@example.org"));
    for (given, kept, changes) in [
        (Some("new@example.org"), "new@example.org", 1),
        (Some("new@example.org"), "new@example.org", 0),
        (None, "new@example.org", 0),
    ] {
        let plan = memory.allocate_with_email(5, "ada@LEI", given);
        assert_eq!(plan.outcome, OutcomeName::NoPomChange);
        assert_eq!(plan.changes.len(), changes);
        assert_eq!(memory.live()[0].email.as_deref(), Some(kept));
    }
    assert_eq!(memory.held(), "ada@LEI[1,)");
    assert_eq!(memory.contacts.len(), 1);
}

#[test]
fn a_deallocation_gives_the_case_to_the_placeholder_of_the_provider_that_holds_it() {
    let mut memory = Memory::with_poms("ada@LEI[1,4) bob@MDI[4,)");
    let plan = memory.deallocate(5).unwrap();
    assert_eq!(plan.outcome, OutcomeName::PomDeallocated);
    assert_eq!(plan.properties["prisonId"], "MDI");
    assert_eq!(memory.held(), "ada@LEI[1,4) bob@MDI[4,5) -@MDI[5,)");
    memory.assert_sound();
}

#[test]
fn where_nobody_holds_the_case_a_deallocation_changes_nothing() {
    for before in ["", "ada@LEI[1,3)", "ada@LEI[1,5)", "ada@LEI[7,)"] {
        assert_eq!(Memory::with_poms(before).deallocate(5), None, "{before}");
    }
    let mut memory = Memory::with_poms("-@LEI[1,)");
    let plan = memory.deallocate(5).unwrap();
    assert_eq!((plan.outcome, plan.changes), (OutcomeName::NoPomChange, vec![]));
}

#[test]
fn rows_that_are_deleted_or_without_length_hold_nothing() {
    let mut memory = Memory::with_poms("ada@LEI[1,) bob@LEI[3,3) cat@LEI[8,8)");
    memory.person.poms[0].soft_deleted = true;
    memory.allocate(5, "ada@LEI");
    assert_eq!(memory.held(), "bob@LEI[3,3) ada@LEI[5,) cat@LEI[8,8)");
    assert_eq!(memory.contacts[0].type_id, transfers().automatic.contact_type_id);
}

#[test]
fn rows_that_overlap_are_all_closed_and_the_last_one_to_start_is_the_previous_holder() {
    let mut memory = Memory::with_poms("ada@LEI[1,) bob@MDI[3,)");
    memory.allocate(5, "cat@MDI");
    assert_eq!(memory.held(), "ada@LEI[1,5) bob@MDI[3,5) cat@MDI[5,)");
    assert_eq!(memory.live()[2].reason, transfers().internal.reason);
}

#[test]
fn staff_are_created_before_the_row_that_names_them() {
    let mut memory = Memory::new();
    let plan = memory.allocate(1, "ada@LEI");
    let tables: Vec<_> = plan
        .changes
        .iter()
        .map(|change| match change {
            super::super::change::Change::Insert(row) => row.table(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tables, ["staff", "staff_team", "prison_offender_manager", "contact"]);
}

#[test]
fn a_row_without_length_holds_nothing_and_ends_nothing() {
    let mut memory = Memory::with_poms("ada@LEI[5,5)");
    memory.allocate(3, "cat@LEI");
    assert_eq!(memory.held(), "cat@LEI[3,) ada@LEI[5,5)");
}

#[test]
fn an_address_of_more_bytes_than_the_column_holds_is_written_as_null_and_reported() {
    let mut memory = Memory::new();
    for (bytes, stored) in [(255, true), (256, false), (257, false)] {
        let address = "a".repeat(bytes);
        let plan = memory.allocate_with_email(1, "ada@LEI", Some(&address));
        assert_eq!(memory.live()[0].email.as_deref(), stored.then_some(address.as_str()), "{bytes}");
        let reported = plan.properties.get("emailAddress").map(String::as_str);
        assert_eq!(reported, (!stored).then_some("not stored: longer than 255 bytes"), "{bytes}");
    }
}

#[test]
fn a_plan_names_the_member_of_staff_whom_it_allocates_and_nobody_for_a_deallocation() {
    let mut memory = Memory::with_poms("ada@LEI[1,)");
    let ada = memory.live()[0].holder.officer.id;
    assert_eq!(memory.allocate(5, "ada@LEI").officer, Some(ada));
    assert_eq!(memory.deallocate(7).unwrap().officer, None);
}
