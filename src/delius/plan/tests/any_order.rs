//! Facts about a case in any order of arrival, some twice, end in the rows that the model has for them.

use chrono::{Days, NaiveDate};
use proptest::{prelude::*, sample::select};

use super::{
    Memory, at,
    model::{self, Fact},
};
use crate::case::OutcomeName;

/// What Delius held before the first fact came: perhaps a POM row from 0 on, and responsible officers.
#[derive(Debug, Clone)]
struct Start {
    holder: Option<&'static str>,
    officers: &'static [(&'static str, i64, Option<i64>)],
}

fn start() -> impl Strategy<Value = Start> {
    let officers: [&[(&str, i64, Option<i64>)]; 6] = [
        &[],
        &[("com", 0, None)],
        &[("pom", 0, None)],
        &[("pom", 0, Some(6)), ("com", 6, None)],
        &[("com", 0, Some(6)), ("pom", 6, None)],
        &[("pom", 2, Some(4)), ("com", 4, Some(8)), ("pom", 8, None)],
    ];
    select(officers.to_vec()).prop_flat_map(|officers| {
        let of_pom = officers.iter().any(|(kind, ..)| *kind == "pom");
        let holders = if of_pom { vec![Some("zoe@LEI")] } else { vec![None, Some("zoe@LEI")] };
        select(holders).prop_map(move |holder| Start { holder, officers })
    })
}

impl Start {
    fn memory(&self) -> Memory {
        let rows = self.holder.map(|who| format!("{who}[0,)")).unwrap_or_default();
        let officers = self.officers.iter().map(|(kind, start, end)| {
            let who = if *kind == "com" { "com" } else { self.holder.unwrap() };
            format!("{who}[{start},{})", end.map(|end| end.to_string()).unwrap_or_default())
        });
        Memory::with_poms(&rows).with_officers(&officers.collect::<Vec<_>>().join(" "))
    }
}

/// Facts in the order in which they arrive; the numbers say which of them arrive once more, and when.
#[derive(Debug, Clone)]
struct GivenDelivery {
    facts: Vec<Fact>,
    again: Vec<(usize, usize)>,
    dates: Vec<(usize, Option<u64>, Option<u64>)>,
}

/// Facts at distinct seconds with everything in them, or facts that often share a second; then all are of one prison
/// and the first to arrive is the first that happened: see the limit in the documentation of this room.
fn delivery() -> impl Strategy<Value = GivenDelivery> {
    let everywhere = select(vec![
        None,
        None,
        Some("ada@LEI"),
        Some("bob@LEI"),
        Some("ada@MDI"),
        Some("cat@MDI"),
        Some("zoe@LEI"),
    ]);
    let leeds = select(vec![None, Some("ada@LEI"), Some("bob@LEI"), Some("cat@LEI"), Some("zoe@LEI")]);
    let fact = |(at, who)| Fact::new(at, who);
    let distinct = proptest::collection::btree_map(1..40i64, everywhere, 0..12)
        .prop_map(move |facts| facts.into_iter().map(fact).collect::<Vec<_>>())
        .prop_shuffle();
    let first = Fact::new(0, Some("ada@LEI"));
    let shared = proptest::collection::vec((1..8i64, leeds), 0..12)
        .prop_map(move |facts| [first.clone()].into_iter().chain(facts.into_iter().map(fact)).collect());
    let date = || proptest::option::of(0..4u64);
    (
        prop_oneof![distinct, shared],
        proptest::collection::vec((0..12usize, 0..12usize), 0..8),
        proptest::collection::vec((0..12usize, date(), date()), 0..4),
    )
        .prop_map(|(facts, again, dates)| GivenDelivery { facts, again, dates })
}

fn apply(memory: &mut Memory, fact: &Fact) {
    match fact.who {
        Some(who) => drop(memory.allocate(fact.at, who)),
        None => drop(memory.deallocate(fact.at)),
    }
    memory.assert_sound();
}

/// What the case does with a fact: apply it, and after a late one the next recorded fact again, of several in one second
/// the one that counts.
fn deliver(memory: &mut Memory, recorded: &mut Vec<Fact>, fact: &Fact) {
    apply(memory, fact);
    let later = |other: &&Fact| (other.at, !other.overtaken) > (fact.at, !fact.overtaken);
    let next = recorded.iter().filter(later).map(|fact| fact.at).min();
    let in_order = recorded.iter().filter(|fact| Some(fact.at) == next);
    // Of equals the last: the one that was recorded last.
    if let Some(next) = in_order.max_by_key(|fact| !fact.overtaken) {
        apply(memory, &next.clone());
    }
    recorded.push(fact.clone());
}

fn day(day: u64) -> NaiveDate {
    at(0).date() + Days::new(day)
}

/// That many cases, or more if `PROPTEST_CASES` asks for more.
fn at_least(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(cases), ..config }
}

proptest! {
    #![proptest_config(at_least(2_000))]

    #[test]
    fn facts_in_any_order_end_in_the_rows_of_the_order_in_which_they_happened(
        start in start(),
        delivery in delivery(),
    ) {
        let mut memory = start.memory();
        let mut recorded: Vec<Fact> = vec![];
        for (i, fact) in delivery.facts.iter().enumerate() {
            deliver(&mut memory, &mut recorded, fact);
            // Whatever just happened, applying it again changes nothing.
            let before = format!("{:?}", memory.person);
            let last_of_its_second = !recorded.iter().rev().skip(1).any(|other| other.at == fact.at);
            if last_of_its_second {
                apply(&mut memory, fact);
                prop_assert_eq!(&before, &format!("{:?}", memory.person));
            }
            // A message that comes a second time is not applied (the ledger has its write), but its case may be
            // asked to assert the fact that is recorded last in that second again.
            for (_, again) in delivery.again.iter().filter(|(when, what)| *when == i && *what <= i) {
                let second = delivery.facts[*again].at;
                let last = recorded.iter().rfind(|fact| fact.at == second).unwrap().clone();
                apply(&mut memory, &last);
                prop_assert_eq!(&before, &format!("{:?}", memory.person));
            }
            for (_, from, to) in delivery.dates.iter().filter(|(when, ..)| *when == i) {
                memory.set_dates(from.map(day), to.map(day));
                memory.assert_sound();
                let live = |type_id| {
                    let mut rows = memory.key_dates.iter().filter(|row| row.type_id == type_id && !row.soft_deleted);
                    rows.next().map(|row| row.date)
                };
                prop_assert_eq!((live(1), live(2)), (from.map(day), to.map(day)));
                prop_assert_eq!(memory.set_dates(from.map(day), to.map(day)).outcome, OutcomeName::NoKeyDateChange);
            }
            prop_assert_eq!(memory.held(), model::held(start.holder, &recorded));
            let responsible = model::responsible(start.holder, &recorded, start.officers);
            prop_assert_eq!(memory.responsible(), responsible);
        }
    }

    #[test]
    fn overtaken_facts_come_first_within_their_second_in_whatever_order_they_are_worked_on(
        facts in proptest::collection::vec(
            (1..4i64, select(vec![None, Some("ada@LEI"), Some("bob@LEI"), Some("cat@LEI")]), any::<bool>()),
            0..8,
        ),
    ) {
        let mut memory = Memory::new();
        let mut recorded = vec![];
        deliver(&mut memory, &mut recorded, &Fact::new(0, Some("ada@LEI")));
        for (at, who, overtaken) in facts {
            deliver(&mut memory, &mut recorded, &Fact { at, who, overtaken });
            prop_assert_eq!(memory.held(), model::held(None, &recorded));
        }
    }
}
