//! How a case decides: command in, events out.

mod identity;
mod writes;

use cqrs_es::{Aggregate, event_sink::EventSink};

use super::{
    AllocationAnswer, Case, CaseCommand, CaseError, CaseEvent, CaseServices, DetailAddress, Fetched,
    HandoverAnswer, Message, NameSource, NomsNumber, Pom, PrisonCode, StaffMember, StatedAllocation,
    WriteState,
};

/// Who is named as having a write tried again that was refused before the case got its NOMS number, though the
/// refusal was recorded only after that.
pub const RELEASED_BY: &str = "manage-pom-cases-and-delius";

impl Aggregate for Case {
    const TYPE: &'static str = "case";
    type Command = CaseCommand;
    type Event = CaseEvent;
    type Error = CaseError;
    type Services = CaseServices;

    async fn handle(
        &mut self,
        command: CaseCommand,
        services: &CaseServices,
        sink: &EventSink<Self>,
    ) -> Result<(), CaseError> {
        if command.message().is_some_and(|message| self.has_seen(&message.id)) {
            return Ok(());
        }
        if let Some((noms, at)) = command.fact().filter(|_| self.identity_changed) {
            let heir = services.identities.around(noms, None).await?.heir(noms, at);
            if heir != *noms {
                return Err(CaseError::Moved { to: heir });
            }
        }
        let events = match command {
            CaseCommand::RecordAllocation { noms, message, stated, address } => {
                vec![self.record_allocation(&noms, &message, stated, &address, services).await?]
            }
            CaseCommand::RecordHandover { noms, message, address, dry_run } => {
                let (answer, fetched) = services.mpc.handover(&noms, &address).await?;
                vec![handover_event(&message, answer, fetched, dry_run)]
            }
            CaseCommand::LinkIdentifier { noms, crn, message } => {
                self.link_identifier(&noms, crn, &message, services).await?
            }
            CaseCommand::ChangeIdentity { noms, message, change, role, inherited } => {
                self.change_identity(&noms, &message, change, role, inherited, services).await?
            }
            CaseCommand::Reassert { writes, inherited, by, why } => self.reassert(writes, inherited, by, why),
            CaseCommand::RecordNotApplicable { message, reason } => {
                let provenance = message.provenance(vec![]);
                vec![CaseEvent::MessageNotApplicable { provenance, reason }]
            }
            CaseCommand::ReflectAllocations { staff } => {
                self.reflect_allocations(&staff, sink).await;
                vec![]
            }
            CaseCommand::RecordOutcome { write, intent, attempt, outcome } => {
                self.record_outcome(write, intent, attempt, outcome)
            }
            CaseCommand::ParkWrite { write, attempts, error } => {
                let done = self.write_state(write) != WriteState::Pending;
                if done { vec![] } else { vec![CaseEvent::DeliusWriteParked { write, attempts, error }] }
            }
            CaseCommand::RetryWrite { write, by, why } => vec![self.retry_write(write, by, why)?],
            CaseCommand::SkipWrite { write, by, why } => {
                if self.write_state(write) != WriteState::Parked {
                    return Err(CaseError::NotAllowed {
                        write,
                        reason: "only a parked write can be skipped",
                    });
                }
                vec![CaseEvent::DeliusWriteSkipped { write, by, why }]
            }
        };
        for event in events {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: CaseEvent) {
        self.apply_event(event);
    }
}

impl Case {
    /// What happened *then* is in the message; who holds the case *now* is in the answer. Every allocation is
    /// reflected on its own date, so the message decides where it says enough, and the answer gives the name.
    async fn record_allocation(
        &self,
        noms: &NomsNumber,
        message: &Message,
        stated: StatedAllocation,
        address: &DetailAddress,
        services: &CaseServices,
    ) -> Result<CaseEvent, CaseError> {
        let (answer, fetched) = services.mpc.allocation(noms, address).await?;
        let at = message.valid_from();
        // Somebody else was the present holder by the time we asked; as `CaseEvent::holding` reads it back.
        let somebody_is_named = fetched.staff.is_some();
        let provenance = message.provenance(vec![fetched]);
        let overtaken = match (&stated, &answer) {
            (StatedAllocation::Allocated { staff_code, .. }, AllocationAnswer::Allocated { staff, .. }) => {
                staff.code != *staff_code
            }
            (StatedAllocation::Allocated { .. }, AllocationAnswer::NotAllocated) => true,
            (StatedAllocation::Deallocated, _) => somebody_is_named,
            (StatedAllocation::Allocated { .. }, AllocationAnswer::NotReady)
            | (StatedAllocation::Unstated, _) => false,
        };
        let followed_by = self.timeline.after(at, overtaken);
        let allocated = |staff: StaffMember, prison: PrisonCode, named_by, provenance| {
            let pom = pom(staff, prison);
            CaseEvent::PomAllocated {
                provenance,
                at,
                pom,
                named_by,
                reflects: None,
                followed_by: followed_by.clone(),
            }
        };
        Ok(match (stated, answer) {
            (_, AllocationAnswer::NotReady) => CaseEvent::AllocationNotReady { provenance, at },
            (StatedAllocation::Deallocated, _)
            | (StatedAllocation::Unstated, AllocationAnswer::NotAllocated) => {
                CaseEvent::PomDeallocated { provenance, at, followed_by }
            }
            (StatedAllocation::Unstated, AllocationAnswer::Allocated { staff, prison }) => {
                allocated(staff, prison, NameSource::Answer, provenance)
            }
            (
                StatedAllocation::Allocated { staff_code, prison },
                AllocationAnswer::Allocated { staff, .. },
            ) if staff.code == staff_code => allocated(staff, prison, NameSource::Answer, provenance),
            (StatedAllocation::Allocated { staff_code, prison }, _) => {
                match services.staff.find(staff_code).await? {
                    Some(staff) => allocated(staff, prison, NameSource::Directory, provenance),
                    None => CaseEvent::AllocationSuperseded { provenance, at, prison, staff_code },
                }
            }
        })
    }

    async fn reflect_allocations(&mut self, staff: &StaffMember, sink: &EventSink<Self>) {
        let known: Vec<_> =
            self.unreflected.iter().filter(|waiting| waiting.staff_code == staff.code).cloned().collect();
        for waiting in known {
            let event = CaseEvent::PomAllocated {
                provenance: waiting.provenance,
                at: waiting.at,
                pom: pom(staff.clone(), waiting.prison),
                named_by: NameSource::Directory,
                reflects: Some(waiting.sequence),
                followed_by: self.timeline.after(waiting.at, true),
            };
            sink.write(event, self).await;
        }
    }
}

fn pom(staff: StaffMember, prison: PrisonCode) -> Pom {
    Pom {
        prison,
        staff_code: staff.code,
        forename: staff.forename,
        surname: staff.surname,
        email: staff.email,
    }
}

fn handover_event(message: &Message, answer: HandoverAnswer, fetched: Fetched, dry_run: bool) -> CaseEvent {
    let provenance = message.provenance(vec![fetched]);
    match answer {
        HandoverAnswer::Dates { handover_date, handover_start_date } => {
            CaseEvent::HandoverDatesChanged { provenance, handover_date, handover_start_date, dry_run }
        }
        HandoverAnswer::NotFound => CaseEvent::HandoverNotFound { provenance },
    }
}
