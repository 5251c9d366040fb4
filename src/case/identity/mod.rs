//! One person, many numbers: what messages say about the identifiers of a person, and what follows from all of it.

mod resolve;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
pub use resolve::{Identities, Part, Person};
use serde::{Deserialize, Serialize};

use super::{CaseEvent, Crn, NomsNumber, PersonId, whole_second};

/// A change of a person's identifiers, as a message reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityChange {
    pub from: PersonId,
    pub to: PersonId,
    pub reason: IdentityReason,
    /// The CRN that has the number `to`, when the message names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crn: Option<Crn>,
}

/// Why an identifier changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentityReason {
    /// Delius has another NOMS number for the case than before.
    NumberReplaced,
    /// Two prison records were merged.
    PrisonRecordsMerged,
    /// Two Delius cases were merged.
    CasesMerged,
    /// A merge of two Delius cases was undone: `from` is the case that remains merged with nobody, `to` the case that
    /// is active again.
    CasesUnmerged,
    /// A booking was moved to another prison record. The two records remain two persons.
    BookingMoved,
}

impl IdentityChange {
    /// The NOMS number that was replaced and the one that took its place, for a change that replaces one.
    pub fn replaced(&self) -> Option<(&NomsNumber, &NomsNumber)> {
        match (self.reason, &self.from, &self.to) {
            (
                IdentityReason::NumberReplaced | IdentityReason::PrisonRecordsMerged,
                PersonId::Noms(from),
                PersonId::Noms(to),
            ) if from != to => Some((from, to)),
            _ => None,
        }
    }
}

/// What is known about identifiers from some time on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityFact {
    /// Valid time, in whole seconds.
    pub at: DateTime<Utc>,
    pub statement: IdentityStatement,
}

/// What a message says about identifiers. The order of the variants decides within one second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityStatement {
    /// The Delius case has this NOMS number.
    Holds { crn: Crn, noms: NomsNumber },
    /// The person with the number `from` has the number `to` now.
    Replaced { from: NomsNumber, to: NomsNumber },
    /// The Delius case `from` was merged into `to`.
    Merged { from: Crn, to: Crn },
    /// The two are two cases again.
    Unmerged { reactivated: Crn, unmerged: Crn },
}

/// What an event in the stream of `noms` says about identifiers.
pub fn facts(noms: &NomsNumber, event: &CaseEvent) -> Vec<IdentityFact> {
    let (provenance, statements) = match event {
        CaseEvent::IdentifierLinked { provenance, crn: Some(crn), .. } => {
            (provenance, vec![IdentityStatement::Holds { crn: crn.clone(), noms: noms.clone() }])
        }
        CaseEvent::IdentityChanged { provenance, change, .. } => (provenance, statements(change)),
        CaseEvent::IdentifierLinked { crn: None, .. }
        | CaseEvent::PomAllocated { .. }
        | CaseEvent::PomDeallocated { .. }
        | CaseEvent::AllocationNotReady { .. }
        | CaseEvent::AllocationSuperseded { .. }
        | CaseEvent::HandoverDatesChanged { .. }
        | CaseEvent::HandoverNotFound { .. }
        | CaseEvent::MessageNotApplicable { .. }
        | CaseEvent::DeliusUpdated(_)
        | CaseEvent::DeliusUnchanged(_)
        | CaseEvent::DeliusWriteRefused(_)
        | CaseEvent::DeliusWriteParked { .. }
        | CaseEvent::DeliusWriteRetried { .. }
        | CaseEvent::WritesReasserted { .. }
        | CaseEvent::DeliusWriteSkipped { .. } => return vec![],
    };
    let at = whole_second(provenance.occurred_at);
    statements.into_iter().map(|statement| IdentityFact { at, statement }).collect()
}

fn statements(change: &IdentityChange) -> Vec<IdentityStatement> {
    let mut statements = vec![];
    if let Some((from, to)) = change.replaced() {
        statements.push(IdentityStatement::Replaced { from: from.clone(), to: to.clone() });
    }
    if let (Some(crn), PersonId::Noms(noms)) = (&change.crn, &change.to) {
        statements.push(IdentityStatement::Holds { crn: crn.clone(), noms: noms.clone() });
    }
    if let (PersonId::Crn(from), PersonId::Crn(to)) = (&change.from, &change.to) {
        match change.reason {
            IdentityReason::CasesMerged => {
                statements.push(IdentityStatement::Merged { from: from.clone(), to: to.clone() });
            }
            IdentityReason::CasesUnmerged => statements
                .push(IdentityStatement::Unmerged { reactivated: to.clone(), unmerged: from.clone() }),
            IdentityReason::NumberReplaced
            | IdentityReason::PrisonRecordsMerged
            | IdentityReason::BookingMoved => {}
        }
    }
    statements
}
