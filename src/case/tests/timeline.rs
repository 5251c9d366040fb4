//! Who held the case when.

use super::*;

fn timeline(events: &[CaseEvent]) -> Timeline {
    Timeline::of((1..).zip(events))
}

fn period(from: u32, until: Option<u32>, stated: u32, who: Option<Holder>, by: &[u64]) -> HoldingPeriod {
    HoldingPeriod {
        from: day(from),
        until: until.map(day),
        stated_at: day(stated),
        holder: who,
        sequences: by.to_vec(),
    }
}

fn named(staff: &StaffMember) -> Option<Holder> {
    Some(Holder::from(&pom_of(staff)))
}

fn unnamed(staff: &StaffMember) -> Holder {
    Holder::unnamed(&lei(), staff.code)
}

#[test]
fn a_holder_is_described_by_name_staff_code_and_prison() {
    let known = Holder::from(&pom_of(&ada()));
    assert!(known.is_named());
    assert_eq!((known.name().as_str(), known.described().as_str()), ("ADA BYRON", "ADA BYRON (1), LEI"));
    assert_eq!(known.pom(), Some(pom_of(&ada())));
    let unknown = unnamed(&ada());
    assert!(!unknown.is_named());
    assert_eq!(unknown.described(), "name unknown (1), LEI");
    assert_eq!(unknown.pom(), None);
}

#[test]
fn the_same_holder_stated_again_goes_on_with_the_name_that_is_known() {
    let with_email = StaffMember { email: Some("ada@example.org".into()), ..ada() };
    let (ada_named, ada_unnamed) =
        (|on| allocated("m", on, &ada(), NameSource::Answer), superseded("m", 2, &ada()));
    for (again, holder) in [
        (ada_named(2), named(&ada())),
        (ada_unnamed.clone(), named(&ada())),
        (allocated("m", 2, &with_email, NameSource::Answer), named(&with_email)),
    ] {
        let periods = timeline(&[ada_named(1), again]).periods(None);
        assert_eq!(periods, [period(1, None, 2, holder, &[1, 2])]);
    }
    let periods = timeline(&[superseded("m", 1, &ada()), ada_named(2)]).periods(None);
    assert_eq!(periods, [period(1, None, 2, named(&ada()), &[1, 2])]);
    let periods = timeline(&[superseded("m", 1, &ada()), ada_unnamed]).periods(None);
    assert_eq!(periods, [period(1, None, 2, Some(unnamed(&ada())), &[1, 2])]);
    let periods = timeline(&[deallocated("m", 1), deallocated("m", 2)]).periods(None);
    assert_eq!(periods, [period(1, None, 2, None, &[1, 2])]);
}

#[test]
fn another_holder_another_prison_or_nobody_begins_a_period() {
    let mut moved = allocated("m", 2, &ada(), NameSource::Answer);
    let CaseEvent::PomAllocated { pom, .. } = &mut moved else { unreachable!() };
    pom.prison = "MDI".parse().unwrap();
    let in_moorland = Some(Holder::from(&*pom));
    let timeline = timeline(&[
        deallocated("m", 4),
        allocated("m", 1, &ada(), NameSource::Answer),
        moved,
        allocated("m", 3, &mary(), NameSource::Answer),
        not_ready("m", 5),
    ]);
    let all = [
        period(1, Some(2), 1, named(&ada()), &[2]),
        period(2, Some(3), 2, in_moorland, &[3]),
        period(3, Some(4), 3, named(&mary()), &[4]),
        period(4, None, 4, None, &[1]),
    ];
    assert_eq!(timeline.periods(None), all);
    assert_eq!(timeline.facts().iter().map(|fact| fact.sequence).collect::<Vec<_>>(), [2, 3, 4, 1]);

    // As of a day: what happened on it counts, and what came later does not.
    assert_eq!(timeline.periods(Some(day(2)))[..1], all[..1]);
    assert_eq!(timeline.periods(Some(day(2))).len(), 2);
    assert_eq!(timeline.periods(Some(day(2)))[1].until, None);
}

#[test]
fn of_one_second_the_fact_that_was_not_overtaken_counts_and_else_the_later_event() {
    let at_once = |events: &[CaseEvent]| -> Vec<_> {
        timeline(events).counted().map(|fact| (fact.at, fact.holder.clone().unwrap().staff_code)).collect()
    };
    let answer = |staff| allocated("m", 1, &staff, NameSource::Answer);
    let directory = |staff| allocated("m", 1, &staff, NameSource::Directory);
    assert_eq!(at_once(&[answer(ada()), answer(mary())]), [(day(1), 2)]);
    assert_eq!(at_once(&[answer(mary()), directory(ada())]), [(day(1), 2)]);
    assert_eq!(at_once(&[directory(ada()), answer(mary())]), [(day(1), 2)]);
    let next = allocated("m", 2, &ada(), NameSource::Answer);
    assert_eq!(at_once(&[answer(mary()), next]), [(day(1), 2), (day(2), 1)]);
}

#[test]
fn the_holding_that_follows_is_the_one_that_counts_for_the_next_second() {
    let holding =
        |on, staff: &StaffMember, overtaken| Holding { at: day(on), pom: Some(pom_of(staff)), overtaken };
    let timeline = timeline(&[
        allocated("m", 1, &ada(), NameSource::Answer),
        allocated("m", 3, &ada(), NameSource::Directory),
        allocated("m", 3, &mary(), NameSource::Answer),
        allocated("m", 5, &ada(), NameSource::Answer),
        superseded("m", 7, &mary()),
    ]);
    assert_eq!(timeline.after(day(1), false), Some(holding(3, &mary(), false)));
    assert_eq!(timeline.after(day(1), true), Some(holding(1, &ada(), false)));
    assert_eq!(timeline.after(day(3), false), Some(holding(5, &ada(), false)));
    assert_eq!(timeline.after(day(3), true), Some(holding(3, &mary(), false)));
    assert_eq!(timeline.after(day(5), false), None, "whose name is not known is not written");
    assert_eq!(timeline.after_recorded(&holding(3, &ada(), true)), Some(holding(3, &mary(), false)));
    assert_eq!(timeline.after_recorded(&holding(3, &mary(), false)), Some(holding(5, &ada(), false)));
    assert_eq!(timeline.latest(), Some(holding(5, &ada(), false)));
    assert_eq!(timeline.sequence_of(&holding(3, &mary(), false)), 3);
    assert_eq!(timeline.sequence_of(&holding(3, &mary(), true)), 0);
    let counted = [holding(1, &ada(), false), holding(3, &mary(), false), holding(5, &ada(), false)];
    assert_eq!(timeline.holdings(), counted);
}
