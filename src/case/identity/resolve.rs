//! From facts about identifiers to persons. The result depends on the facts alone, never on the order in which they
//! arrived.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{IdentityFact, IdentityStatement};
use crate::case::{Crn, NomsNumber, PersonId};

/// The part of a number's stream that belongs to one person: a number may be given to another person later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    #[serde(rename = "nomsId")]
    pub noms: NomsNumber,
    /// Valid time from which the number is the person's; `None` = from the beginning.
    pub from: Option<DateTime<Utc>>,
    /// Valid time from which it is another person's; `None` = to this day.
    pub until: Option<DateTime<Utc>>,
}

impl Part {
    /// The whole stream of a number.
    pub fn whole(noms: NomsNumber) -> Self {
        Self { noms, from: None, until: None }
    }

    pub fn is_whole(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }

    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// What belongs to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// In order of the number.
    pub parts: Vec<Part>,
    /// The number that the person has now.
    pub current: NomsNumber,
    /// The CRNs that the person had at any time, as far as messages named them.
    pub crns: BTreeSet<Crn>,
}

impl Person {
    /// A person about whose identifiers nothing is recorded.
    pub fn only(noms: NomsNumber) -> Self {
        Self { current: noms.clone(), parts: vec![Part::whole(noms)], crns: BTreeSet::new() }
    }

    pub fn numbers(&self) -> BTreeSet<NomsNumber> {
        self.parts.iter().map(|part| part.noms.clone()).collect()
    }
}

/// A number while it belongs to one person.
#[derive(Debug, Clone)]
struct Tenure {
    part: Part,
    /// The tenure that took its place, while the number is out of use.
    replaced_by: Option<usize>,
    /// Tenures of one person have one group.
    group: usize,
}

/// All that is known about a set of identifiers.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    facts: BTreeSet<IdentityFact>,
    tenures: Vec<Tenure>,
    /// The last tenure of each number.
    last: BTreeMap<NomsNumber, usize>,
    /// The tenures that a CRN had, in order of time.
    held: BTreeMap<Crn, Vec<(DateTime<Utc>, usize)>>,
    /// The tenure by which a number given to the CRN again is recognised as the same person's.
    known: BTreeMap<Crn, usize>,
    /// Merged cases: from when, until when.
    merges: Vec<(Crn, Crn, Option<DateTime<Utc>>)>,
}

impl Identities {
    /// Facts may come in any order and more than once.
    pub fn of(facts: impl IntoIterator<Item = IdentityFact>) -> Self {
        let mut identities = Self { facts: facts.into_iter().collect(), ..Self::default() };
        for IdentityFact { at, statement } in identities.facts.clone() {
            match statement {
                IdentityStatement::Replaced { from, to } => identities.replace(from, to),
                IdentityStatement::Holds { crn, noms } => identities.hold(at, crn, noms),
                IdentityStatement::Merged { from, to } => identities.merges.push((from, to, None)),
                IdentityStatement::Unmerged { reactivated, unmerged } => {
                    identities.unmerge(at, &reactivated, &unmerged);
                }
            }
        }
        identities
    }

    /// The same with one more fact.
    pub fn add(&mut self, fact: IdentityFact) {
        let mut facts = std::mem::take(&mut self.facts);
        facts.insert(fact);
        *self = Self::of(facts);
    }

    fn last_tenure(&mut self, noms: NomsNumber) -> usize {
        match self.last.get(&noms) {
            Some(tenure) => *tenure,
            None => self.begin(noms, None),
        }
    }

    fn begin(&mut self, noms: NomsNumber, from: Option<DateTime<Utc>>) -> usize {
        let index = self.tenures.len();
        self.last.insert(noms.clone(), index);
        let part = Part { noms, from, until: None };
        self.tenures.push(Tenure { part, replaced_by: None, group: index });
        index
    }

    /// A number that is named as staying is in use again, whatever replaced it before: so no circle can arise.
    fn replace(&mut self, from: NomsNumber, to: NomsNumber) {
        let (from, to) = (self.last_tenure(from), self.last_tenure(to));
        let (left, kept) = (self.tenures[from].group, self.tenures[to].group);
        self.tenures.iter_mut().filter(|tenure| tenure.group == left).for_each(|tenure| tenure.group = kept);
        self.tenures[from].replaced_by = Some(to);
        self.tenures[to].replaced_by = None;
    }

    fn hold(&mut self, at: DateTime<Utc>, crn: Crn, noms: NomsNumber) {
        let mut tenure = self.last_tenure(noms.clone());
        if self.tenures[tenure].replaced_by.is_some() {
            if self.may_be_same_person(&crn, self.tenures[tenure].group) {
                self.tenures[tenure].replaced_by = None;
            } else {
                // The number was replaced for everybody who had it: this is somebody else.
                self.tenures[tenure].part.until = Some(at);
                tenure = self.begin(noms, Some(at));
            }
        }
        self.known.insert(crn.clone(), tenure);
        self.held.entry(crn).or_default().push((at, tenure));
    }

    /// A CRN of a person none of whose CRNs is known may be that person's.
    fn may_be_same_person(&self, crn: &Crn, group: usize) -> bool {
        let has_group = |tenure: &usize| self.tenures[*tenure].group == group;
        match self.known.get(crn) {
            Some(tenure) => has_group(tenure),
            None => !self.known.values().any(has_group),
        }
    }

    fn unmerge(&mut self, at: DateTime<Utc>, reactivated: &Crn, unmerged: &Crn) {
        self.known.remove(reactivated);
        let pair = BTreeSet::from([reactivated, unmerged]);
        let mut found = false;
        for (from, to, until) in &mut self.merges {
            if BTreeSet::from([&*from, &*to]) == pair {
                until.get_or_insert(at);
                found = true;
            }
        }
        if !found {
            // Merged before this service knew of it.
            self.merges.push((reactivated.clone(), unmerged.clone(), Some(at)));
        }
    }

    fn tenure_at(&self, noms: &NomsNumber, at: DateTime<Utc>) -> Option<usize> {
        self.tenures.iter().position(|tenure| tenure.part.noms == *noms && tenure.part.contains(at))
    }

    /// The tenure of a CRN at a time; before the first one known, the first one.
    fn held_at(&self, crn: &Crn, at: DateTime<Utc>) -> Option<usize> {
        let held = self.held.get(crn)?;
        held.iter().rev().find(|(from, _)| *from <= at).or_else(|| held.first()).map(|(_, tenure)| *tenure)
    }

    fn current(&self, mut tenure: usize) -> &NomsNumber {
        while let Some(next) = self.tenures[tenure].replaced_by {
            tenure = next;
        }
        &self.tenures[tenure].part.noms
    }

    /// The part of the number's stream that belongs to whoever had it at that time.
    pub fn part(&self, noms: &NomsNumber, at: DateTime<Utc>) -> Part {
        self.tenure_at(noms, at)
            .map_or_else(|| Part::whole(noms.clone()), |tenure| self.tenures[tenure].part.clone())
    }

    /// The number that the person who had `noms` at that time has now.
    pub fn heir(&self, noms: &NomsNumber, at: DateTime<Utc>) -> NomsNumber {
        self.tenure_at(noms, at).map_or(noms, |tenure| self.current(tenure)).clone()
    }

    /// Whether the number belonged to somebody else until the CRN got it at that time.
    pub fn is_new_person(&self, noms: &NomsNumber, at: DateTime<Utc>) -> bool {
        self.tenures.iter().any(|tenure| tenure.part.noms == *noms && tenure.part.from == Some(at))
    }

    /// Everything that belongs to the person whom the identifier means at that time; `None` when nothing is known
    /// about a CRN.
    pub fn person(&self, id: &PersonId, as_of: DateTime<Utc>) -> Option<Person> {
        let start = match id {
            PersonId::Noms(noms) => match self.tenure_at(noms, as_of) {
                Some(tenure) => Some(tenure),
                None => return Some(Person::only(noms.clone())),
            },
            PersonId::Crn(crn) => self.held_at(crn, as_of),
        };
        let mut crns: BTreeSet<Crn> = BTreeSet::new();
        if let PersonId::Crn(crn) = id {
            crns.insert(crn.clone());
        }
        let mut groups: BTreeSet<usize> =
            start.map(|tenure| self.tenures[tenure].group).into_iter().collect();
        while self.spread(&mut groups, &mut crns, as_of) {}
        let in_groups = |tenure: &&Tenure| groups.contains(&tenure.group);
        let mut parts: Vec<Part> = self.tenures.iter().filter(in_groups).map(|it| it.part.clone()).collect();
        parts.sort();
        let start =
            start.or_else(|| self.tenures.iter().position(|tenure| groups.contains(&tenure.group)))?;
        Some(Person { parts, current: self.current(start).clone(), crns })
    }

    /// From numbers to the CRNs that had them, from CRNs to those merged with them, and back; whether any was new.
    fn spread(&self, groups: &mut BTreeSet<usize>, crns: &mut BTreeSet<Crn>, as_of: DateTime<Utc>) -> bool {
        let before = (groups.len(), crns.len());
        for crn in self.held.keys() {
            let tenure = self.held_at(crn, as_of);
            if tenure.is_some_and(|tenure| groups.contains(&self.tenures[tenure].group)) {
                crns.insert(crn.clone());
            }
        }
        for (from, to, until) in &self.merges {
            let merged = until.is_none_or(|until| as_of < until);
            if merged && (crns.contains(from) || crns.contains(to)) {
                crns.extend([from.clone(), to.clone()]);
            }
        }
        for crn in crns.iter() {
            groups.extend(self.held_at(crn, as_of).map(|tenure| self.tenures[tenure].group));
        }
        before != (groups.len(), crns.len())
    }
}
