//! What can be asked of every event. Each match names every event: a new one does not compile until each question
//! about it is answered.

use chrono::{DateTime, Utc};

use super::{CaseEvent, HoldingEvent, NameSource, NameWait, WriteRef, WriteResult};
use crate::case::{HandoverAnswer, Holder, Holding, Provenance, WriteChange, WriteState};

impl CaseEvent {
    /// The provenance of an event that came from a message.
    pub fn provenance(&self) -> Option<&Provenance> {
        match self {
            Self::PomAllocated { provenance, .. }
            | Self::PomDeallocated { provenance, .. }
            | Self::AllocationNotReady { provenance, .. }
            | Self::AllocationSuperseded { provenance, .. }
            | Self::HandoverDatesChanged { provenance, .. }
            | Self::HandoverNotFound { provenance }
            | Self::MessageNotApplicable { provenance, .. }
            | Self::IdentifierLinked { provenance, .. }
            | Self::IdentityChanged { provenance, .. } => Some(provenance),
            Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// When it happened in the world; `None` for what only happened in this service.
    pub fn valid_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::PomAllocated { at, .. }
            | Self::PomDeallocated { at, .. }
            | Self::AllocationNotReady { at, .. }
            | Self::AllocationSuperseded { at, .. } => Some(*at),
            Self::HandoverDatesChanged { provenance, .. }
            | Self::HandoverNotFound { provenance }
            | Self::MessageNotApplicable { provenance, .. }
            | Self::IdentifierLinked { provenance, .. }
            | Self::IdentityChanged { provenance, .. } => Some(provenance.occurred_at),
            Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// What it says about who holds the case. Whoever was replaced before we could ask for the name held the case all
    /// the same.
    pub(in crate::case) fn holding(&self) -> Option<HoldingEvent> {
        match self {
            Self::PomAllocated { at, pom, named_by, .. } => Some(HoldingEvent {
                at: *at,
                holder: Some(Holder::from(pom)),
                // The answer named somebody else, or nobody.
                overtaken: *named_by == NameSource::Directory,
            }),
            Self::PomDeallocated { provenance, at, .. } => Some(HoldingEvent {
                at: *at,
                holder: None,
                overtaken: provenance.fetched.iter().any(|fetched| fetched.staff.is_some()),
            }),
            Self::AllocationSuperseded { at, prison, staff_code, .. } => Some(HoldingEvent {
                at: *at,
                holder: Some(Holder::unnamed(prison, *staff_code)),
                overtaken: true,
            }),
            Self::AllocationNotReady { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// The answer on the handover dates that it records, with its valid time; `None` for a dry run.
    pub fn handover(&self) -> Option<(DateTime<Utc>, HandoverAnswer)> {
        match self {
            Self::HandoverDatesChanged { provenance, handover_date, handover_start_date, dry_run: false } => {
                let (handover_date, handover_start_date) = (*handover_date, *handover_start_date);
                let dates = HandoverAnswer::Dates { handover_date, handover_start_date };
                Some((provenance.occurred_at, dates))
            }
            Self::HandoverNotFound { provenance } => Some((provenance.occurred_at, HandoverAnswer::NotFound)),
            Self::HandoverDatesChanged { dry_run: true, .. }
            | Self::PomAllocated { .. }
            | Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::AllocationSuperseded { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// Whether it says anything about who holds the case.
    pub fn states_holder(&self) -> bool {
        self.holding().is_some()
    }

    /// The holding that it states, as it is written to Delius.
    pub fn stated_holding(&self) -> Option<Holding> {
        let HoldingEvent { at, holder, overtaken } = self.holding()?;
        let pom = match holder {
            Some(holder) => Some(holder.pom()?),
            None => None,
        };
        Some(Holding { at, pom, overtaken })
    }

    /// What it does to a write that was derived from an earlier event.
    pub fn write_change(&self) -> Option<(WriteRef, WriteChange<'_>)> {
        match self {
            Self::DeliusUpdated(result) => {
                Some((result.write, WriteChange::Settled(WriteState::Applied, result)))
            }
            Self::DeliusUnchanged(result) => {
                Some((result.write, WriteChange::Settled(WriteState::Unchanged, result)))
            }
            Self::DeliusWriteRefused(result) => {
                Some((result.write, WriteChange::Settled(WriteState::Refused, result)))
            }
            Self::DeliusWriteParked { write, attempts, .. } => {
                Some((*write, WriteChange::Parked { attempts: *attempts }))
            }
            Self::DeliusWriteRetried { write, released, .. } if released.is_empty() => {
                Some((*write, WriteChange::Resumed))
            }
            Self::DeliusWriteRetried { write, .. } => Some((*write, WriteChange::Released)),
            Self::DeliusWriteSkipped { write, .. } => Some((*write, WriteChange::Skipped)),
            Self::PomAllocated { .. }
            | Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::AllocationSuperseded { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::WritesReasserted { .. } => None,
        }
    }

    /// The result of a write, for the events that record one.
    pub fn write_result(&self) -> Option<&WriteResult> {
        match self.write_change() {
            Some((_, WriteChange::Settled(_, result))) => Some(result),
            Some((
                _,
                WriteChange::Parked { .. }
                | WriteChange::Resumed
                | WriteChange::Released
                | WriteChange::Skipped,
            ))
            | None => None,
        }
    }

    /// Whether an allocation begins or ends to wait for the name behind its staff code.
    pub fn waits_for_name(&self) -> Option<NameWait> {
        match self {
            Self::AllocationSuperseded { staff_code, .. } => {
                Some(NameWait::Begins { staff_code: *staff_code })
            }
            Self::PomAllocated { reflects, .. } => reflects.map(|reflects| NameWait::Ends { reflects }),
            Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. }
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. } => None,
        }
    }

    /// Gives the events that it refers to other sequences, for a reading over several streams.
    pub fn renumber(&mut self, place: &dyn Fn(u64) -> u64) {
        match self {
            Self::PomAllocated { reflects, .. } => *reflects = reflects.map(place),
            Self::DeliusUpdated(result)
            | Self::DeliusUnchanged(result)
            | Self::DeliusWriteRefused(result) => {
                result.write.sequence = place(result.write.sequence);
            }
            Self::DeliusWriteParked { write, .. }
            | Self::DeliusWriteRetried { write, .. }
            | Self::DeliusWriteSkipped { write, .. } => write.sequence = place(write.sequence),
            Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::AllocationSuperseded { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::WritesReasserted { .. } => {}
        }
    }

    /// Who decided and why, for an operator's decision.
    pub fn decision(&self) -> Option<(&str, &str)> {
        match self {
            Self::DeliusWriteRetried { by, why, .. }
            | Self::WritesReasserted { by, why, .. }
            | Self::DeliusWriteSkipped { by, why, .. } => Some((by, why)),
            Self::PomAllocated { .. }
            | Self::PomDeallocated { .. }
            | Self::AllocationNotReady { .. }
            | Self::AllocationSuperseded { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::HandoverNotFound { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteParked { .. } => None,
        }
    }

    /// Name of the outcome of an event that means no write, where the event's own name does not say it.
    pub fn outcome(&self) -> Option<&'static str> {
        self.telemetry().filter(|name| *name != self.name())
    }

    /// Name of the telemetry line for an event that leads to no write.
    pub fn telemetry(&self) -> Option<&'static str> {
        match self {
            Self::AllocationNotReady { .. } => Some("NotReadyToAllocate"),
            Self::HandoverNotFound { .. } => Some("HandoverNotFound"),
            Self::PomAllocated { .. }
            | Self::PomDeallocated { .. }
            | Self::AllocationSuperseded { .. }
            | Self::HandoverDatesChanged { .. }
            | Self::MessageNotApplicable { .. }
            | Self::IdentifierLinked { .. }
            | Self::IdentityChanged { .. }
            | Self::DeliusUpdated(_)
            | Self::DeliusUnchanged(_)
            | Self::DeliusWriteRefused(_)
            | Self::DeliusWriteRetried { .. }
            | Self::WritesReasserted { .. }
            | Self::DeliusWriteSkipped { .. }
            | Self::DeliusWriteParked { .. } => None,
        }
    }

    /// The event's name, as stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PomAllocated { .. } => "PomAllocated",
            Self::PomDeallocated { .. } => "PomDeallocated",
            Self::AllocationNotReady { .. } => "AllocationNotReady",
            Self::AllocationSuperseded { .. } => "AllocationSuperseded",
            Self::HandoverDatesChanged { .. } => "HandoverDatesChanged",
            Self::HandoverNotFound { .. } => "HandoverNotFound",
            Self::MessageNotApplicable { .. } => "MessageNotApplicable",
            Self::IdentifierLinked { .. } => "IdentifierLinked",
            Self::IdentityChanged { .. } => "IdentityChanged",
            Self::DeliusUpdated(_) => "DeliusUpdated",
            Self::DeliusUnchanged(_) => "DeliusUnchanged",
            Self::DeliusWriteRefused(_) => "DeliusWriteRefused",
            Self::DeliusWriteParked { .. } => "DeliusWriteParked",
            Self::DeliusWriteRetried { .. } => "DeliusWriteRetried",
            Self::WritesReasserted { .. } => "WritesReasserted",
            Self::DeliusWriteSkipped { .. } => "DeliusWriteSkipped",
        }
    }
}
