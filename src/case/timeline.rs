//! Who held the case when: the one implementation, used by decisions, by the history and by reconcile.
//!
//! Facts are ordered by valid time in whole seconds, which is what Delius stores. Within one second a fact that was
//! already overtaken comes first (the answer fetched for its message named somebody else as the present holder);
//! otherwise the later event of the stream wins.

use chrono::{DateTime, Timelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CaseEvent, Holding, Pom, PrisonCode, events::HoldingEvent};

/// Who holds the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// NOMIS code of the prison.
    #[schema(value_type = String, example = "LEI")]
    pub prison: PrisonCode,
    /// NOMIS staff code.
    pub staff_code: i64,
    /// Forename as Manage POM Cases gives it; `None` until somebody names the staff code.
    pub forename: Option<String>,
    /// Surname as Manage POM Cases gives it; `None` until somebody names the staff code.
    pub surname: Option<String>,
    pub email: Option<String>,
}

impl From<&Pom> for Holder {
    fn from(pom: &Pom) -> Self {
        Self {
            prison: pom.prison.clone(),
            staff_code: pom.staff_code,
            forename: Some(pom.forename.clone()),
            surname: Some(pom.surname.clone()),
            email: pom.email.clone(),
        }
    }
}

impl Holder {
    /// Somebody of whom only the staff code is known.
    pub(super) fn unnamed(prison: &PrisonCode, staff_code: i64) -> Self {
        Self { prison: prison.clone(), staff_code, forename: None, surname: None, email: None }
    }

    pub(crate) fn is_named(&self) -> bool {
        self.surname.is_some()
    }

    /// The POM to write to Delius; `None` while the name is not known.
    pub fn pom(&self) -> Option<Pom> {
        Some(Pom {
            prison: self.prison.clone(),
            staff_code: self.staff_code,
            forename: self.forename.clone()?,
            surname: self.surname.clone()?,
            email: self.email.clone(),
        })
    }

    /// Forename and surname, or what is known instead.
    pub(crate) fn name(&self) -> String {
        match (&self.forename, &self.surname) {
            (Some(forename), Some(surname)) => format!("{forename} {surname}"),
            _ => "name unknown".to_owned(),
        }
    }

    /// Name, staff code and prison.
    pub(crate) fn described(&self) -> String {
        format!("{} ({}), {}", self.name(), self.staff_code, self.prison)
    }

    fn is_same_as(&self, other: &Self) -> bool {
        (&self.prison, self.staff_code) == (&other.prison, other.staff_code)
    }
}

/// One recorded fact about who holds the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingFact {
    /// Valid time, in whole seconds.
    pub at: DateTime<Utc>,
    /// Sequence of the event.
    pub sequence: u64,
    /// The answer fetched for the message named another present holder.
    pub overtaken: bool,
    /// `None` = nobody.
    pub holder: Option<Holder>,
}

/// Place of a fact in the order of valid time.
type Order = (DateTime<Utc>, bool, u64);

impl HoldingFact {
    fn order(&self) -> Order {
        (self.at, !self.overtaken, self.sequence)
    }

    /// The holding as it is written; `None` while the holder's name is not known.
    fn holding(&self) -> Option<Holding> {
        let pom = match &self.holder {
            Some(holder) => Some(holder.pom()?),
            None => None,
        };
        Some(Holding { at: self.at, pom, overtaken: self.overtaken })
    }
}

/// A period in which one POM, or nobody, held the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldingPeriod {
    pub from: DateTime<Utc>,
    /// `None` = to this day.
    pub until: Option<DateTime<Utc>>,
    /// When the holding was stated last; later than `from` when the same holder was stated again.
    pub stated_at: DateTime<Utc>,
    /// `None` = nobody.
    pub holder: Option<Holder>,
    /// The events that say so.
    pub sequences: Vec<u64>,
}

impl HoldingPeriod {
    /// A known name is not forgotten when the same holder is stated without one.
    fn state_again(&mut self, fact: &HoldingFact) {
        let named = |holder: &Option<Holder>| holder.as_ref().is_none_or(Holder::is_named);
        if named(&fact.holder) || !named(&self.holder) {
            self.holder.clone_from(&fact.holder);
        }
        self.stated_at = fact.at;
        self.sequences.push(fact.sequence);
    }
}

/// Delius stores whole seconds: two facts of one second are a tie.
pub fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.with_nanosecond(0).unwrap_or(at)
}

/// The facts about who held the case, in order of valid time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    facts: Vec<HoldingFact>,
}

impl Timeline {
    pub fn of<'a>(events: impl IntoIterator<Item = (u64, &'a CaseEvent)>) -> Self {
        let mut timeline = Self::default();
        events.into_iter().for_each(|(sequence, event)| timeline.record(sequence, event));
        timeline
    }

    /// Adds what the event says about who holds the case, if anything.
    pub fn record(&mut self, sequence: u64, event: &CaseEvent) {
        if let CaseEvent::WritesReasserted { inherited, .. } = event {
            inherited.holdings.iter().for_each(|holding| self.inherit(sequence, holding));
        }
        if let Some(HoldingEvent { at, holder, overtaken }) = event.holding() {
            self.add(HoldingFact { at: whole_second(at), sequence, overtaken, holder });
        }
    }

    /// Adds a holding that was recorded under a former number, or before the store was restored, unless it is known already.
    pub(super) fn inherit(&mut self, sequence: u64, holding: &Holding) {
        if self.sequence_of(holding) == 0 {
            let Holding { at, pom, overtaken } = holding;
            let holder = pom.as_ref().map(Holder::from);
            self.add(HoldingFact { at: *at, sequence, overtaken: *overtaken, holder });
        }
    }

    pub(super) fn forget_before(&mut self, at: DateTime<Utc>) {
        self.facts.retain(|fact| fact.at >= at);
    }

    /// Every holding that counts, for another number of the same person to continue with.
    pub fn holdings(&self) -> Vec<Holding> {
        let named = self.named();
        named.counted().filter_map(HoldingFact::holding).collect()
    }

    fn add(&mut self, fact: HoldingFact) {
        let place = self.facts.partition_point(|known| known.order() <= fact.order());
        self.facts.insert(place, fact);
    }

    /// Every fact, the overtaken and replaced ones included.
    pub fn facts(&self) -> &[HoldingFact] {
        &self.facts
    }

    /// The facts that can be written to Delius: their holder has a name.
    pub fn named(&self) -> Self {
        Self { facts: self.facts.iter().filter(|fact| fact.holding().is_some()).cloned().collect() }
    }

    /// The fact that counts for its second: the last one of it.
    pub fn counted(&self) -> impl Iterator<Item = &HoldingFact> {
        let last_of_second =
            |place: usize| self.facts.get(place + 1).is_none_or(|next| next.at > self.facts[place].at);
        self.facts.iter().enumerate().filter(move |(place, _)| last_of_second(*place)).map(|(_, fact)| fact)
    }

    /// The holding that is the latest in valid time.
    pub fn latest(&self) -> Option<Holding> {
        self.facts.iter().rev().find_map(HoldingFact::holding)
    }

    /// The holding that comes after a fact about to be recorded.
    pub fn after(&self, at: DateTime<Utc>, overtaken: bool) -> Option<Holding> {
        self.follower((at, !overtaken, u64::MAX))
    }

    /// The holding that comes after one that is recorded, and so must be asserted again when that one is written late.
    pub fn after_recorded(&self, holding: &Holding) -> Option<Holding> {
        self.follower((holding.at, !holding.overtaken, self.sequence_of(holding)))
    }

    /// Sequence of the last event that states the holding; 0 when none does.
    pub fn sequence_of(&self, holding: &Holding) -> u64 {
        let states = |fact: &&HoldingFact| fact.holding().as_ref() == Some(holding);
        self.facts.iter().filter(states).map(|fact| fact.sequence).max().unwrap_or(0)
    }

    fn follower(&self, order: Order) -> Option<Holding> {
        let mut later =
            self.facts.iter().filter(|fact| fact.order() > order).filter_map(HoldingFact::holding);
        let first = later.next()?;
        // Of several facts in one second only the last one counts.
        Some(later.take_while(|holding| holding.at == first.at).last().unwrap_or(first))
    }

    /// The periods that the facts add up to; what happened after `as_of` is left out.
    pub fn periods(&self, as_of: Option<DateTime<Utc>>) -> Vec<HoldingPeriod> {
        let mut periods: Vec<HoldingPeriod> = vec![];
        for fact in self.counted().filter(|fact| as_of.is_none_or(|as_of| fact.at <= as_of)) {
            match periods.last_mut() {
                Some(last) if is_same(last.holder.as_ref(), fact.holder.as_ref()) => last.state_again(fact),
                last => {
                    if let Some(last) = last {
                        last.until = Some(fact.at);
                    }
                    periods.push(HoldingPeriod {
                        from: fact.at,
                        until: None,
                        stated_at: fact.at,
                        holder: fact.holder.clone(),
                        sequences: vec![fact.sequence],
                    });
                }
            }
        }
        periods
    }
}

fn is_same(one: Option<&Holder>, other: Option<&Holder>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same_as(other),
        (None, None) => true,
        _ => false,
    }
}
