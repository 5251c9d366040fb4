//! Persons from facts: examples, and a property against a model that knows the persons.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

fn noms(letter: char) -> NomsNumber {
    format!("A1234B{letter}").parse().unwrap()
}

fn crn(number: u32) -> Crn {
    format!("X{number:06}").parse().unwrap()
}

fn day(number: i64) -> DateTime<Utc> {
    "2026-07-01T09:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(number)
}

fn replaced(on: i64, from: char, to: char) -> IdentityFact {
    let statement = IdentityStatement::Replaced { from: noms(from), to: noms(to) };
    IdentityFact { at: day(on), statement }
}

fn holds(on: i64, number: u32, letter: char) -> IdentityFact {
    IdentityFact { at: day(on), statement: IdentityStatement::Holds { crn: crn(number), noms: noms(letter) } }
}

fn merged(on: i64, from: u32, to: u32) -> IdentityFact {
    IdentityFact { at: day(on), statement: IdentityStatement::Merged { from: crn(from), to: crn(to) } }
}

fn unmerged(on: i64, reactivated: u32, unmerged: u32) -> IdentityFact {
    let statement = IdentityStatement::Unmerged { reactivated: crn(reactivated), unmerged: crn(unmerged) };
    IdentityFact { at: day(on), statement }
}

fn numbers(identities: &Identities, id: &PersonId, on: i64) -> String {
    let person = identities.person(id, day(on)).unwrap();
    person.numbers().iter().map(|noms| noms.as_str().chars().last().unwrap()).collect()
}

#[test]
fn a_chain_is_one_person_asked_about_by_any_number_at_any_time() {
    let identities = Identities::of([replaced(2, 'B', 'C'), replaced(1, 'A', 'B')]);
    for letter in ['A', 'B', 'C'] {
        for on in [0, 1, 2, 9] {
            assert_eq!(numbers(&identities, &PersonId::Noms(noms(letter)), on), "ABC");
            assert_eq!(identities.heir(&noms(letter), day(on)), noms('C'));
        }
    }
}

#[test]
fn a_circle_by_mistake_ends_with_the_number_named_last() {
    let facts = [replaced(1, 'A', 'B'), replaced(2, 'B', 'A')];
    for facts in [facts.clone(), [facts[1].clone(), facts[0].clone()]] {
        let identities = Identities::of(facts);
        assert_eq!(identities.heir(&noms('B'), day(0)), noms('A'));
        assert_eq!(identities.heir(&noms('A'), day(0)), noms('A'));
    }
}

#[test]
fn a_number_given_to_another_person_later_is_two_persons() {
    let identities =
        Identities::of([holds(0, 1, 'A'), replaced(1, 'A', 'B'), holds(1, 1, 'B'), holds(5, 2, 'A')]);
    assert_eq!(numbers(&identities, &PersonId::Noms(noms('A')), 4), "AB");
    assert_eq!(numbers(&identities, &PersonId::Noms(noms('A')), 5), "A");
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 9), "AB");
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(2)), 9), "A");
    assert_eq!(identities.heir(&noms('A'), day(4)), noms('B'));
    assert_eq!(identities.heir(&noms('A'), day(5)), noms('A'));
    let first = identities.person(&PersonId::Crn(crn(1)), day(9)).unwrap();
    assert!(first.parts[0].contains(day(4)) && !first.parts[0].contains(day(5)));
    let new_persons =
        [('A', 4), ('A', 5), ('B', 5)].map(|(letter, on)| identities.is_new_person(&noms(letter), day(on)));
    assert_eq!(new_persons, [false, true, false]);
}

#[test]
fn a_part_is_whole_while_neither_end_is_known() {
    let part = Part::whole(noms('A'));
    assert!(part.is_whole() && part.contains(day(0)));
    assert!(!Part { from: Some(day(1)), ..part.clone() }.is_whole());
    assert!(!Part { until: Some(day(1)), ..part }.is_whole());
}

#[test]
fn a_number_given_back_to_the_same_person_is_in_use_again() {
    let identities = Identities::of([replaced(1, 'A', 'B'), holds(1, 1, 'B'), holds(5, 1, 'A')]);
    assert_eq!(identities.heir(&noms('A'), day(0)), noms('A'));
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 9), "AB");
}

#[test]
fn an_unmerge_ends_the_link_from_its_date_on() {
    let identities = Identities::of([holds(0, 1, 'A'), holds(0, 2, 'B'), merged(2, 1, 2), unmerged(5, 1, 2)]);
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 4), "AB");
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 5), "A");
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(2)), 5), "B");
    assert_eq!(numbers(&identities, &PersonId::Noms(noms('B')), 0), "AB");
}

#[test]
fn an_unmerge_of_cases_that_were_merged_before_anything_was_known_ends_that_merge() {
    let identities = Identities::of([holds(0, 1, 'A'), holds(0, 2, 'B'), unmerged(5, 1, 2)]);
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 4), "AB");
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 5), "A");
}

#[test]
fn cases_are_merged_however_long_the_chain_is_and_whatever_others_are() {
    let held = (1..).zip(['A', 'B', 'C', 'D', 'E']).map(|(number, letter)| holds(0, number, letter));
    let identities = Identities::of(held.chain([merged(1, 2, 3), merged(2, 1, 2), merged(3, 4, 5)]));
    for number in 1..=3 {
        assert_eq!(numbers(&identities, &PersonId::Crn(crn(number)), 9), "ABC");
    }
    for number in 4..=5 {
        assert_eq!(numbers(&identities, &PersonId::Crn(crn(number)), 9), "DE");
    }
}

#[test]
fn a_crn_means_the_number_that_it_has_at_the_time() {
    let identities = Identities::of([holds(1, 1, 'A'), holds(5, 1, 'B')]);
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 0), "A");
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 4), "A");
    assert_eq!(numbers(&identities, &PersonId::Crn(crn(1)), 5), "B");
    assert_eq!(identities.person(&PersonId::Crn(crn(7)), day(0)), None);
}

fn change(reason: IdentityReason, from: &str, to: &str, crn: Option<Crn>) -> IdentityChange {
    IdentityChange { from: from.parse().unwrap(), to: to.parse().unwrap(), reason, crn }
}

#[test]
fn what_a_change_states_follows_from_its_reason_and_its_identifiers() {
    use IdentityReason::*;
    let replaced = || IdentityStatement::Replaced { from: noms('A'), to: noms('B') };
    let holds = || IdentityStatement::Holds { crn: crn(1), noms: noms('B') };
    let merged = IdentityStatement::Merged { from: crn(1), to: crn(2) };
    let unmerged = IdentityStatement::Unmerged { reactivated: crn(2), unmerged: crn(1) };
    for (change, expected) in [
        (change(NumberReplaced, "A1234BA", "A1234BB", None), vec![replaced()]),
        (change(PrisonRecordsMerged, "A1234BA", "A1234BB", None), vec![replaced()]),
        (change(NumberReplaced, "A1234BA", "A1234BB", Some(crn(1))), vec![replaced(), holds()]),
        (change(NumberReplaced, "A1234BB", "A1234BB", Some(crn(1))), vec![holds()]),
        (change(BookingMoved, "A1234BA", "A1234BB", None), vec![]),
        (change(CasesMerged, "X000001", "X000002", None), vec![merged]),
        (change(CasesUnmerged, "X000001", "X000002", None), vec![unmerged]),
        (change(NumberReplaced, "X000001", "X000002", None), vec![]),
        (change(CasesMerged, "A1234BA", "A1234BB", None), vec![]),
    ] {
        assert_eq!(statements(&change), expected, "{change:?}");
    }
}

#[test]
fn an_event_states_what_its_message_says_of_identifiers_in_whole_seconds() {
    let provenance = || crate::case::Provenance {
        message_id: "m1".into(),
        event_type: "probation-case.prison-identifier.added".into(),
        occurred_at: day(1) + TimeDelta::milliseconds(999),
        received_at: day(2),
        message: crate::case::Evidence::of("{}"),
        fetched: vec![],
        code_version: "0".into(),
        under: None,
    };
    let linked = |crn| CaseEvent::IdentifierLinked {
        provenance: provenance(),
        crn,
        new_person: false,
        released: vec![],
    };
    assert_eq!(facts(&noms('A'), &linked(Some(crn(1)))), [holds(1, 1, 'A')]);
    assert_eq!(facts(&noms('A'), &linked(None)), []);
    let changed = CaseEvent::IdentityChanged {
        provenance: provenance(),
        change: change(IdentityReason::NumberReplaced, "A1234BA", "A1234BB", Some(crn(1))),
        role: crate::case::IdentityRole::Former,
        given_on: None,
        inherited: Default::default(),
        released: vec![],
    };
    assert_eq!(facts(&noms('A'), &changed), [replaced(1, 'A', 'B'), holds(1, 1, 'B')]);
    let other = CaseEvent::HandoverNotFound { provenance: provenance() };
    assert_eq!(facts(&noms('A'), &other), []);
}

/// One happening: person `who` replaces its present number by the next free one of the pool. A number that was given
/// up may so be given to another person later.
#[derive(Debug, Clone)]
struct ModelWorld {
    facts: Vec<IdentityFact>,
    /// Who had which number from when: (number, from, person).
    tenures: Vec<(char, i64, u32)>,
}

fn model(changes: &[(u32, u8)]) -> ModelWorld {
    let mut world = ModelWorld { facts: vec![], tenures: vec![] };
    let mut has: std::collections::BTreeMap<u32, char> = Default::default();
    for (place, (person, letter)) in changes.iter().enumerate() {
        let (on, letter) = (place as i64, char::from(b'A' + letter));
        if has.values().any(|held| *held == letter) {
            continue;
        }
        let former = has.insert(*person, letter);
        world.facts.push(holds(on, *person, letter));
        if let Some(former) = former {
            world.facts.push(replaced(on, former, letter));
        }
        world.tenures.push((letter, on, *person));
    }
    world
}

proptest! {
    #[test]
    fn persons_are_those_of_the_model_in_any_order_of_messages(
        changes in prop::collection::vec((0_u32..3, 0_u8..5), 1..12),
        seed in any::<u64>(),
    ) {
        let world = model(&changes);
        let mut facts = world.facts.clone();
        facts.extend(world.facts.iter().take(3).cloned());
        fastrand::Rng::with_seed(seed).shuffle(&mut facts);
        let identities = Identities::of(facts);
        for (letter, from, person) in &world.tenures {
            // What happened while this person had the number belongs to the person, whoever has the number now.
            let found = identities.person(&PersonId::Noms(noms(*letter)), day(*from)).unwrap();
            for (other, since, owner) in &world.tenures {
                let part = found.parts.iter().any(|part| part.noms == noms(*other) && part.contains(day(*since)));
                prop_assert_eq!(part, owner == person, "{} of {} at {}", other, owner, since);
            }
            let now = world.tenures.iter().rev().find(|(.., owner)| owner == person).unwrap().0;
            prop_assert_eq!(&identities.heir(&noms(*letter), day(*from)), &noms(now));
            prop_assert_eq!(&found.current, &noms(now));
        }
    }
}
