//! The contacts in the person's log, word for word.

use super::{
    Memory, at,
    memory::{ROC, transfers},
};

#[test]
fn a_first_transfer_names_reason_and_date() {
    let mut memory = Memory::new();
    memory.allocate(5, "ada@LEI");
    let contact = &memory.contacts[0];
    assert_eq!(contact.notes, "Transfer Reason: Automatic Transfer\nTransfer Date: 01/07/2026");
    let row = memory.live()[0];
    assert_eq!(contact.at, at(5));
    assert_eq!(contact.type_id, transfers().automatic.contact_type_id);
    assert_eq!((contact.provider_id, contact.team_id), (row.holder.provider.id, row.holder.team.id));
    assert_eq!(contact.offender_id, 7);
}

#[test]
fn a_later_transfer_names_where_the_case_came_from() {
    let mut memory = Memory::with_poms("ada@LEI[1,)");
    memory.allocate(5, "bob@MDI");
    assert_eq!(
        memory.contacts[0].notes,
        "Transfer Reason: External Transfer\n\
         Transfer Date: 01/07/2026\n\
         From Establishment Provider: HMP LEI\n\
         From Team: POMs LEI\n\
         From Officer: Byron, Ada"
    );
}

#[test]
fn a_change_of_responsible_officer_tells_the_new_and_the_previous_one() {
    let mut memory = Memory::with_poms("ada@LEI[1,)").with_officers("ada@LEI[1,)");
    memory.allocate(5, "bob@LEI");
    let contact = &memory.contacts[1];
    assert_eq!((contact.type_id, contact.at), (ROC, at(5)));
    assert_eq!(contact.team_id, memory.live()[1].holder.team.id);
    assert_eq!(
        contact.notes,
        "New Details:\n\
         Responsible Officer Type: Prison Offender Manager\n\
         Responsible Officer: Byron, Bob (POMs LEI, HMP LEI)\n\
         Start Date: 01/07/2026 09:00:05\n\
         Allocation Reason: Internal Transfer\n\
         \n\
         Previous Details:\n\
         Responsible Officer Type: Prison Offender Manager\n\
         Responsible Officer: Byron, Ada (POMs LEI, HMP LEI)\n\
         Start Date: 01/07/2026 09:00:01\n\
         End Date: 01/07/2026 09:00:05\n\
         Allocation Reason: Automatic Transfer"
    );
}

#[test]
fn a_new_manager_with_an_end_has_an_end_date_in_the_notes() {
    let mut memory = Memory::with_poms("ada@LEI[1,9) cat@LEI[9,)").with_officers("ada@LEI[1,9)");
    memory.allocate(5, "bob@LEI");
    let new = memory.contacts[1].notes.split("\n\n").next().unwrap();
    assert!(new.contains("Start Date: 01/07/2026 09:00:05\nEnd Date: 01/07/2026 09:00:09\n"), "{new}");
}

#[test]
fn the_first_holder_replaced_in_its_own_second_is_the_previous_responsible_officer() {
    let mut memory = Memory::with_poms("ada@LEI[5,)").with_officers("ada@LEI[5,)");
    memory.allocate(5, "bob@LEI");
    assert_eq!(memory.contacts[0].notes, "Transfer Reason: Automatic Transfer\nTransfer Date: 01/07/2026");
    let previous = memory.contacts[1].notes.split("Previous Details:\n").nth(1).unwrap();
    assert!(previous.contains("Responsible Officer: Byron, Ada ("), "{previous}");
}
