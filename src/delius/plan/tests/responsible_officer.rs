//! Who is responsible: the POM, the COM or nobody, in every combination with the history of the case.

use super::{Memory, at, memory::ROC};

struct AnyCase {
    poms: &'static str,
    officers: &'static str,
    second: i64,
    after: &'static str,
    announced: bool,
}

#[test]
fn responsibility_follows_only_the_manager_who_had_it() {
    let case =
        |poms, officers, second, after, announced| AnyCase { poms, officers, second, after, announced };
    let two = "ada@LEI[1,5) bob@LEI[5,)";
    for AnyCase { poms, officers, second, after, announced } in [
        // The manager who is replaced is responsible.
        case("ada@LEI[1,)", "ada@LEI[1,)", 5, "ada@LEI[1,5) new@LEI[5,)", true),
        case("ada@LEI[1,)", "ada@LEI[1,9)", 5, "ada@LEI[1,5) new@LEI[5,9)", true),
        case("ada@LEI[1,)", "ada@LEI[1,9) com[9,)", 5, "ada@LEI[1,5) new@LEI[5,9) com[9,)", true),
        case("ada@LEI[1,)", "com[1,3) ada@LEI[3,)", 5, "com[1,3) ada@LEI[3,5) new@LEI[5,)", true),
        // From this very second on.
        case("ada@LEI[1,)", "com[1,5) ada@LEI[5,)", 5, "com[1,5) new@LEI[5,)", true),
        // Until this very second.
        case("ada@LEI[1,)", "ada@LEI[1,5) com[5,)", 5, "ada@LEI[1,5) com[5,)", false),
        case("ada@LEI[1,)", "ada@LEI[1,5)", 5, "ada@LEI[1,5)", false),
        // A community offender manager is responsible, or nobody.
        case("ada@LEI[1,)", "com[1,)", 5, "com[1,)", false),
        case("ada@LEI[1,)", "", 5, "", false),
        case("", "com[1,)", 5, "com[1,)", false),
        // Two managers in the history: the one who is replaced counts.
        case(two, "ada@LEI[1,5) bob@LEI[5,)", 7, "ada@LEI[1,5) bob@LEI[5,7) new@LEI[7,)", true),
        case(two, "ada@LEI[1,5) bob@LEI[5,)", 3, "ada@LEI[1,3) new@LEI[3,5) bob@LEI[5,)", true),
        case(two, "ada@LEI[1,5) com[5,)", 3, "ada@LEI[1,3) new@LEI[3,5) com[5,)", true),
        case(two, "ada@LEI[1,4) com[4,)", 3, "ada@LEI[1,3) new@LEI[3,4) com[4,)", true),
        case(two, "ada@LEI[1,5) com[5,)", 7, "ada@LEI[1,5) com[5,)", false),
        case(two, "com[1,5) bob@LEI[5,)", 3, "com[1,5) bob@LEI[5,)", false),
        // Responsible again later, in the period of the new manager: that responsibility moves too.
        case("ada@LEI[1,)", "com[1,7) ada@LEI[7,)", 5, "com[1,7) new@LEI[7,)", false),
        case(
            "ada@LEI[1,)",
            "ada@LEI[1,4) com[4,7) ada@LEI[7,)",
            3,
            "ada@LEI[1,3) new@LEI[3,4) com[4,7) new@LEI[7,)",
            true,
        ),
    ] {
        let mut memory = Memory::with_poms(poms).with_officers(officers);
        memory.allocate(second, "new@LEI");
        assert_eq!(memory.responsible(), after, "{poms} {officers} at {second}");
        let announcements: Vec<_> = memory.contacts.iter().filter(|contact| contact.type_id == ROC).collect();
        assert_eq!(announcements.len(), usize::from(announced), "{poms} {officers} at {second}");
        assert!(announcements.iter().all(|contact| contact.at == at(second)));
        memory.assert_sound();
    }
}

#[test]
fn no_change_of_manager_is_no_change_of_responsible_officer() {
    let mut memory = Memory::with_poms("ada@LEI[1,)").with_officers("ada@LEI[1,)");
    let officers = memory.person.officers.clone();
    memory.allocate(5, "ada@LEI");
    assert_eq!(memory.person.officers, officers);
}

#[test]
fn a_deallocation_hands_responsibility_to_the_placeholder_and_an_allocation_takes_it_from_there() {
    let mut memory = Memory::with_poms("ada@LEI[1,)").with_officers("ada@LEI[1,)");
    memory.deallocate(5);
    memory.allocate(7, "bob@MDI");
    assert_eq!(memory.responsible(), "ada@LEI[1,5) -@LEI[5,7) bob@MDI[7,)");
    memory.assert_sound();
}

#[test]
fn a_responsibility_that_outlives_its_row_stays_as_it_was_outside_the_new_row() {
    // Not made by us: Ada is responsible beyond her own time.
    for (officers, after) in [
        ("ada@LEI[1,)", "ada@LEI[1,3) new@LEI[3,5) ada@LEI[5,)"),
        ("ada@LEI[1,9)", "ada@LEI[1,3) new@LEI[3,5) ada@LEI[5,9)"),
        ("com[1,6) ada@LEI[6,)", "com[1,6) ada@LEI[6,)"),
        ("com[1,5) ada@LEI[5,)", "com[1,5) ada@LEI[5,)"),
        ("com[1,4) ada@LEI[4,5) com[5,)", "com[1,4) new@LEI[4,5) com[5,)"),
        // It has no length.
        ("ada@LEI[3,3) com[3,)", "ada@LEI[3,3) com[3,)"),
    ] {
        let mut memory = Memory::with_poms("ada@LEI[1,5) bob@LEI[5,)").with_officers(officers);
        memory.allocate(3, "new@LEI");
        assert_eq!(memory.responsible(), after, "{officers}");
    }
}
