//! The comparison: pure, from the three pictures to what differs and how to mend it.

use chrono::{DateTime, Utc};

use crate::{
    case::{
        AllocationAnswer, DeliusWrite, HandoverAnswer, Holding, HoldingPeriod, Pom, PrisonCode, StaffMember,
    },
    delius::{CurrentHolder, Holdings},
    london::wall_clock,
    operations::reconcile::{
        ledger::Ledgers,
        past::{self, Gap},
        recorded::{Dates, Recorded, RecordedHolding},
        repair::{Repair, RepairSubject},
        words::{Difference, Note},
    },
};

/// What Manage POM Cases says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mpc {
    /// Of the allocation.
    pub allocation: AllocationAnswer,
    /// Of the handover.
    pub handover: HandoverAnswer,
}

/// The three pictures of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What Manage POM Cases says now.
    pub mpc: Mpc,
    /// What was last recorded.
    pub recorded: Recorded,
    /// How our record and the ledger in Delius differ.
    pub ledgers: Ledgers,
    /// What Delius holds; `None` when not exactly one person has the NOMS number.
    pub delius: Option<Holdings>,
}

/// What the comparison says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// What differs; nothing when the three agree.
    pub differences: Vec<Difference>,
    /// What is worth knowing and is no difference in the present state.
    pub notes: Vec<Note>,
    /// What would mend it.
    pub repairs: Vec<Repair>,
    /// When that was, by the clock of Delius; `None` where it does not know the person.
    pub at: Option<DateTime<Utc>>,
}

/// Compares. What was never recorded is compared between Manage POM Cases and Delius directly: a case that was right
/// before this service came is in agreement.
pub fn compare(seen: &Seen) -> Verdict {
    let at = seen.delius.as_ref().map(|delius| delius.at);
    let mut verdict = Verdict { at, ..Verdict::default() };
    let something = seen.recorded.holding.as_ref().is_some_and(|holding| holding.pom.is_some())
        || matches!(seen.mpc.allocation, AllocationAnswer::Allocated { .. });
    if seen.delius.is_none() && something {
        verdict.differences.push(Difference::NotOnePerson);
    }
    if seen.ledgers.forgotten.is_empty() {
        allocation(seen, &mut verdict);
    } else {
        forgotten(&seen.ledgers.forgotten, &mut verdict);
    }
    handover(seen, &mut verdict);
    verdict.notes.extend(seen.recorded.unreflected.iter().cloned().map(Note::UnnamedAllocation));
    verdict
}

/// What the store has forgotten is recorded again first: compared without it, Delius would seem to be wrong.
fn forgotten(holdings: &[Holding], verdict: &mut Verdict) {
    let Some(first) = holdings.iter().map(|holding| holding.at).min() else { return };
    verdict.differences.push(Difference::Forgotten { count: holdings.len(), first });
    let subject = RepairSubject::Forgotten(holdings.to_vec());
    verdict.repairs.push(Repair { subject, at: Some(first) });
}

/// Who holds the case as Manage POM Cases says; `None` when it says nothing that could be written.
type Stated<'a> = Option<Option<(&'a StaffMember, &'a PrisonCode)>>;

fn allocation(seen: &Seen, verdict: &mut Verdict) {
    let stated: Stated<'_> = match &seen.mpc.allocation {
        AllocationAnswer::Allocated { staff, prison } => Some(Some((staff, prison))),
        AllocationAnswer::NotAllocated => Some(None),
        AllocationAnswer::NotReady => None,
    };
    let before = verdict.differences.len();
    let holding = seen.recorded.holding.as_ref();
    let news = match (stated, holding) {
        (Some(stated), Some(holding)) if !is_recorded(stated, holding.pom.as_ref()) => {
            verdict.differences.push(Difference::NewsOfHolder {
                stated: stated.map(|(staff, prison)| (staff.code, prison.clone())),
                recorded: holding.clone(),
            });
            true
        }
        (Some(Some((staff, _))), Some(RecordedHolding { pom: Some(pom), .. }))
            if staff.email.is_some() && staff.email != pom.email =>
        {
            verdict.differences.push(Difference::NewsOfEmail);
            true
        }
        (Some(Some((staff, _))), Some(RecordedHolding { pom: Some(pom), .. }))
            if staff.email.is_none() && pom.email.is_some() =>
        {
            verdict.notes.push(Note::EmailWithdrawn);
            false
        }
        _ => false,
    };
    let lost = if seen.delius.is_some() { &seen.ledgers.lost[..] } else { &[] };
    if let Some(first) = lost.iter().filter_map(DeliusWrite::held_from).min() {
        verdict.differences.push(Difference::Lost { count: lost.len(), first });
    }
    let mut lacking = None;
    let mut gaps = vec![];
    match (&seen.delius, holding, stated) {
        (Some(delius), Some(holding), _) => {
            lacking = against_delius(holding, &seen.recorded.periods, delius, verdict);
            gaps = past::gaps(&seen.recorded.periods, &delius.periods, wall_clock(delius.at));
            // The present one is a difference of its own.
            let past = gaps.iter().filter(|gap| gap.until.is_some());
            verdict.differences.extend(past.cloned().map(Difference::PastHeldByAnother));
        }
        (Some(delius), None, Some(stated)) => {
            let pom = stated.map(|(staff, prison)| as_pom(staff, prison));
            if !is_held(pom.as_ref(), delius.pom.as_ref()) {
                verdict.differences.push(Difference::NeverRecorded { held: delius.pom.clone() });
            }
        }
        (None, None, Some(Some(_))) => verdict.differences.push(Difference::NothingRecorded),
        _ => {}
    }
    if verdict.differences.len() == before {
        return;
    }
    // Whether the case is held at all is open while it is not ready for allocation; the past is not.
    gaps.retain(|gap| stated.is_some() || gap.until.is_some());
    let writes = to_write(&gaps, lost);
    match lacking.filter(|_| !news) {
        _ if stated.is_none() && writes.is_empty() => verdict.notes.push(Note::NotReady),
        // The rows are right and one detail of the holding is not: it is stated once more.
        Some(at) if writes.is_empty() => {
            let holding = holding.and_then(|holding| holding.pom.clone());
            verdict.repairs.push(Repair { subject: RepairSubject::Holding(holding), at: Some(at) });
        }
        None if news || writes.is_empty() => {
            let at =
                seen.delius.as_ref().and_then(|delius| known_since(stated?, delius.pom.as_ref()?, holding?));
            verdict.repairs.push(Repair { subject: RepairSubject::Allocation, at });
        }
        _ => {}
    }
    if let Some(first) = writes.iter().filter_map(DeliusWrite::held_from).min() {
        verdict.repairs.push(Repair { subject: RepairSubject::Timeline(writes), at: Some(first) });
    }
}

/// Since when Delius has what Manage POM Cases says, when that began after what is recorded: the news is recorded at that
/// time, or Delius would have been wrong until now.
fn known_since(
    stated: Option<(&StaffMember, &PrisonCode)>,
    held: &CurrentHolder,
    recorded: &RecordedHolding,
) -> Option<DateTime<Utc>> {
    let pom = stated.map(|(staff, prison)| as_pom(staff, prison));
    let is_newer = held.since > wall_clock(recorded.at);
    (is_newer && is_held(pom.as_ref(), Some(held))).then(|| past::utc(held.since))
}

/// The recorded holdings to write again: from each gap on, and those that Delius has lost.
fn to_write(gaps: &[Gap], lost: &[DeliusWrite]) -> Vec<DeliusWrite> {
    let mut writes: Vec<DeliusWrite> = gaps.iter().map(Gap::write).collect();
    let more: Vec<DeliusWrite> = lost.iter().filter(|write| !writes.contains(write)).cloned().collect();
    writes.extend(more);
    writes
}

/// Compares what was recorded with Delius; the time to repair at, when Delius merely lacks what was recorded.
fn against_delius(
    holding: &RecordedHolding,
    periods: &[HoldingPeriod],
    delius: &Holdings,
    verdict: &mut Verdict,
) -> Option<DateTime<Utc>> {
    let held = delius.pom.as_ref();
    if !is_held(holding.pom.as_ref(), held) {
        let difference = Difference::HeldByAnother { recorded: holding.clone(), held: held.cloned() };
        verdict.differences.push(difference);
        return None;
    }
    let held = held.filter(|held| !held.unallocated)?;
    if Some(past::held_since(held, &delius.periods)) > past::begin(periods) {
        let difference = Difference::HeldSinceLater { recorded: holding.clone(), held: held.clone() };
        verdict.differences.push(difference);
        return Some(holding.since);
    }
    let email = holding.pom.as_ref().and_then(|pom| pom.email.as_ref());
    if email.is_some() && held.email.as_ref() != email {
        verdict.differences.push(Difference::Email);
        return Some(holding.at);
    }
    None
}

fn is_recorded(stated: Option<(&StaffMember, &PrisonCode)>, recorded: Option<&Pom>) -> bool {
    match (stated, recorded) {
        (None, None) => true,
        (Some((staff, prison)), Some(pom)) => pom.prison == *prison && pom.staff_code == staff.code,
        _ => false,
    }
}

pub(super) fn is_held(pom: Option<&Pom>, held: Option<&CurrentHolder>) -> bool {
    match (pom, held) {
        (None, held) => held.is_none_or(|held| held.unallocated),
        (Some(pom), Some(held)) => {
            !held.unallocated
                && held.prison.as_deref() == Some(pom.prison.as_str())
                && held.is_named(&pom.forename, &pom.surname)
        }
        (Some(_), None) => false,
    }
}

fn as_pom(staff: &StaffMember, prison: &PrisonCode) -> Pom {
    Pom {
        prison: prison.clone(),
        staff_code: staff.code,
        forename: staff.forename.clone(),
        surname: staff.surname.clone(),
        email: staff.email.clone(),
    }
}

fn handover(seen: &Seen, verdict: &mut Verdict) {
    let stated = match seen.mpc.handover {
        HandoverAnswer::Dates { handover_date, handover_start_date } => {
            Some(Dates { start: handover_start_date, handover: handover_date })
        }
        HandoverAnswer::NotFound => None,
    };
    let recorded = seen.recorded.dates;
    let news = match (stated, recorded) {
        (Some(stated), Some(recorded)) if stated != recorded.dates || recorded.withdrawn => {
            verdict.differences.push(Difference::NewsOfDates { stated, recorded: recorded.dates });
            true
        }
        // The end of a handover changes nothing in Delius, and belongs on record all the same.
        (None, Some(recorded)) if !recorded.withdrawn && recorded.dates != Dates::default() => {
            verdict.differences.push(Difference::NoHandover { recorded: recorded.dates });
            true
        }
        _ => false,
    };
    // Dates that ended are left in Delius, where they arrived, and expected no more where they did not.
    let ended = stated.is_none() && recorded.is_some_and(|recorded| recorded.withdrawn);
    let Some(expected) = recorded.map(|recorded| recorded.dates).or(stated) else { return };
    let outdated = match &seen.delius {
        Some(delius) if delius.live_custodies == 1 => {
            let held = Dates { start: delius.handover_start_date, handover: delius.handover_date };
            let outdated = held != expected && !(ended && held == Dates::default());
            if outdated {
                verdict.differences.push(Difference::OtherDates { expected, held });
            }
            outdated
        }
        Some(delius) if expected != Dates::default() && !ended => {
            verdict.notes.push(Note::DatesDoNotApply { live_custodies: delius.live_custodies });
            false
        }
        _ => false,
    };
    if news || (outdated && stated.is_some()) {
        let at = recorded.filter(|_| !news).map(|recorded| recorded.at);
        verdict.repairs.push(Repair { subject: RepairSubject::Handover, at });
    }
    if outdated && stated.is_none() {
        verdict.notes.push(Note::NoHandover);
    }
}
