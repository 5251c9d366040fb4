//! The whole decision, from messages to rows, without a database: messages in any order and some twice, answers that
//! speak of the state now, names that become known later; the case decides, the projector derives, the plans are
//! executed. The result is that of the model, which gets the facts in the order in which they happened.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, event_sink::EventSink};
use proptest::{prelude::*, sample::select};

use super::{
    Memory, at,
    model::{self, Fact},
};
use crate::{
    case::{
        AllocationAnswer, Case, CaseCommand, CaseServices, DeliusWrite, DetailAddress, Evidence, FetchError,
        Fetched, HandoverAnswer, ManagePomCases, Message, NoIdentityChanges, NomsNumber, Pom, StaffDirectory,
        StaffMember, StatedAllocation,
    },
    london::wall_clock,
    outbox::projector,
};

const PEOPLE: [&str; 4] = ["ada", "bob", "cat", "zoe"];

fn member(name: &str) -> StaffMember {
    let code = PEOPLE.iter().position(|known| *known == name).unwrap() as i64;
    StaffMember { code, forename: name.to_uppercase(), surname: name.to_uppercase(), email: None }
}

/// Manage POM Cases as it is after everything has happened, and the directory of staff codes as far as it is known.
struct Outside {
    now: Option<&'static str>,
    known: Mutex<Vec<StaffMember>>,
}

#[async_trait]
impl ManagePomCases for Outside {
    async fn allocation(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(AllocationAnswer, Fetched), FetchError> {
        let staff = self.now.map(|who| member(who.split_once('@').unwrap().0));
        self.known.lock().unwrap().extend(staff.clone());
        let answer = match (staff, self.now) {
            (Some(staff), Some(who)) => {
                let prison = who.split_once('@').unwrap().1.parse().unwrap();
                AllocationAnswer::Allocated { staff, prison }
            }
            _ => AllocationAnswer::NotAllocated,
        };
        let fetched =
            Fetched { url: String::new(), status: 200, at: utc(900), answer: Evidence::of(""), staff: None };
        Ok((answer, fetched))
    }

    async fn handover(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(HandoverAnswer, Fetched), FetchError> {
        Err(FetchError::InvalidAnswer { reason: "not asked here".into() })
    }
}

#[async_trait]
impl StaffDirectory for Outside {
    async fn find(&self, staff_code: i64) -> Result<Option<StaffMember>, FetchError> {
        Ok(self.known.lock().unwrap().iter().find(|staff| staff.code == staff_code).cloned())
    }
}

/// The n-th second, as messages tell it.
fn utc(n: i64) -> DateTime<Utc> {
    let first = "2026-07-01T08:00:00Z".parse::<DateTime<Utc>>().unwrap();
    assert_eq!(wall_clock(first), at(0));
    first + TimeDelta::seconds(n)
}

fn message(number: usize, fact: &Fact) -> CaseCommand {
    let stated = match fact.who.map(|who| who.split_once('@').unwrap()) {
        Some((name, prison)) => {
            StatedAllocation::Allocated { staff_code: member(name).code, prison: prison.parse().unwrap() }
        }
        None => StatedAllocation::Deallocated,
    };
    let message = Message {
        id: format!("m{number}"),
        event_type: "offender-management.allocation.changed".into(),
        occurred_at: utc(fact.at),
        received_at: utc(900),
        evidence: Evidence::of(""),
        under: None,
    };
    let noms = "A1234BC".parse().unwrap();
    CaseCommand::RecordAllocation { noms, message, stated, address: DetailAddress::OfCase }
}

/// One person: the case with its services, and what Delius holds.
struct ModelPerson {
    case: Case,
    services: CaseServices,
    outside: Arc<Outside>,
    memory: Memory,
}

impl ModelPerson {
    fn new(facts: &[Fact], start: Option<&str>) -> Self {
        let last = facts.iter().max_by_key(|fact| fact.at);
        let outside = Arc::new(Outside { now: last.and_then(|fact| fact.who), known: Mutex::default() });
        let rows = start.map(|who| format!("{who}[0,)")).unwrap_or_default();
        let officer = start.map(|who| format!("{who}[0,)")).unwrap_or_default();
        Self {
            case: Case::default(),
            services: CaseServices {
                mpc: outside.clone(),
                staff: outside.clone(),
                identities: Arc::new(NoIdentityChanges),
            },
            outside,
            memory: Memory::with_poms(&rows).with_officers(&officer),
        }
    }

    fn execute(&mut self, runtime: &tokio::runtime::Runtime, command: CaseCommand) {
        let sink = EventSink::default();
        runtime.block_on(self.case.handle(command, &self.services, &sink)).unwrap();
        for event in runtime.block_on(sink.collect()) {
            for write in projector::derive(&event) {
                self.apply(&write);
            }
        }
    }

    fn apply(&mut self, write: &DeliusWrite) {
        let second = |time: &DateTime<Utc>| (*time - utc(0)).num_seconds();
        match write {
            DeliusWrite::AllocatePom { at, pom: Pom { prison, surname, .. }, .. } => {
                let who = format!("{}@{prison}", surname.to_lowercase());
                drop(self.memory.allocate(second(at), &who));
            }
            DeliusWrite::DeallocatePom { at, .. } => drop(self.memory.deallocate(second(at))),
            DeliusWrite::SetHandoverDates { .. } => unreachable!("there are no dates in these stories"),
        }
        self.memory.assert_sound();
    }
}

/// The facts of a person in the order of their messages, which of them come again after which, and when a name
/// becomes known through another case.
#[derive(Debug, Clone)]
struct WholeStory {
    start: Option<&'static str>,
    facts: Vec<Fact>,
    again: Vec<(usize, usize)>,
    named: Vec<(usize, &'static str)>,
}

fn story() -> impl Strategy<Value = WholeStory> {
    let holders = select(vec![
        None,
        Some("ada@LEI"),
        Some("bob@LEI"),
        Some("ada@MDI"),
        Some("cat@MDI"),
        Some("zoe@LEI"),
    ]);
    (
        select(vec![None, Some("zoe@LEI")]),
        proptest::collection::btree_map(1..60i64, holders, 1..14).prop_shuffle_facts(),
        proptest::collection::vec((0..14usize, 0..14usize), 0..8),
        proptest::collection::vec((0..14usize, select(PEOPLE.to_vec())), 0..4),
    )
        .prop_map(|(start, facts, again, named)| WholeStory { start, facts, again, named })
}

trait ShuffledFacts: Strategy<Value = std::collections::BTreeMap<i64, Option<&'static str>>> + Sized {
    fn prop_shuffle_facts(self) -> impl Strategy<Value = Vec<Fact>> {
        self.prop_map(|facts| facts.into_iter().map(|(at, who)| Fact::new(at, who)).collect::<Vec<_>>())
            .prop_shuffle()
    }
}

impl<S: Strategy<Value = std::collections::BTreeMap<i64, Option<&'static str>>>> ShuffledFacts for S {}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn messages_of_several_people_in_any_order_end_where_the_model_ends(
        stories in proptest::collection::vec(story(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for story in stories {
            let mut person = ModelPerson::new(&story.facts, story.start);
            for (number, fact) in story.facts.iter().enumerate() {
                person.execute(&runtime, message(number, fact));
                for (_, again) in story.again.iter().filter(|(when, what)| *when == number && *what <= number) {
                    let before = format!("{:?}", person.memory.person);
                    person.execute(&runtime, message(*again, &story.facts[*again]));
                    prop_assert_eq!(&before, &format!("{:?}", person.memory.person), "a second delivery");
                }
                for (_, name) in story.named.iter().filter(|(when, _)| *when == number) {
                    person.outside.known.lock().unwrap().push(member(name));
                    person.execute(&runtime, CaseCommand::ReflectAllocations { staff: member(name) });
                }
            }
            for name in PEOPLE {
                person.execute(&runtime, CaseCommand::ReflectAllocations { staff: member(name) });
            }
            prop_assert_eq!(person.memory.held(), model::held(story.start, &story.facts));
            let responsible: &[_] = if story.start.is_some() { &[("pom", 0, None)] } else { &[] };
            prop_assert_eq!(
                person.memory.responsible(),
                model::responsible(story.start, &story.facts, responsible)
            );
        }
    }
}
