//! How a case decides: command in, events out.

use cqrs_es::{Aggregate, event_sink::EventSink};

use super::{
    AllocationAnswer, Case, CaseCommand, CaseError, CaseEvent, CaseServices, DeliusWrite, DetailAddress,
    Fetched, HandoverAnswer, Message, NameSource, NomsNumber, OutcomeName, Pom, PrisonCode, StaffMember,
    StatedAllocation, WriteOutcome, WriteRef, WriteResult,
    aggregate::{HandoverDates, Refused},
    commands::whole_second,
    provenance::CODE_VERSION,
};

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
        let events = match command {
            CaseCommand::RecordAllocation { noms, message, stated, address } => {
                vec![self.record_allocation(&noms, &message, stated, &address, services).await?]
            }
            CaseCommand::RecordHandover { noms, message, address, dry_run } => {
                let (answer, fetched) = services.mpc.handover(&noms, &address).await?;
                vec![handover_event(&message, answer, fetched, dry_run)]
            }
            CaseCommand::LinkIdentifier { noms, message } => {
                self.link_identifier(&noms, &message, services).await?
            }
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
                let done = self.is_settled(write) || self.is_parked(write);
                if done { vec![] } else { vec![CaseEvent::DeliusWriteParked { write, attempts, error }] }
            }
            CaseCommand::RetryWrite { write, by, why } => vec![self.retry_write(write, by, why)?],
            CaseCommand::SkipWrite { write, by, why } => {
                if !self.is_parked(write) {
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
        self.absorb(event);
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
        let provenance = message.provenance(vec![fetched]);
        let followed_by = self.holding_after(at);
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

    /// The case got its NOMS number: what was refused for want of the person is released at its own dates, and
    /// the present state is recorded where it differs from what was recorded last.
    async fn link_identifier(
        &self,
        noms: &NomsNumber,
        message: &Message,
        services: &CaseServices,
    ) -> Result<Vec<CaseEvent>, CaseError> {
        let (allocation, allocation_fetched) = services.mpc.allocation(noms, &DetailAddress::OfCase).await?;
        let (handover, handover_fetched) = services.mpc.handover(noms, &DetailAddress::OfCase).await?;
        let new_dates = match handover {
            HandoverAnswer::Dates { handover_date, handover_start_date } => {
                let dates = HandoverDates { handover_date, handover_start_date };
                self.dates.is_none_or(|(_, recorded)| recorded != dates)
            }
            HandoverAnswer::NotFound => false,
        };
        let fetched = vec![allocation_fetched.clone(), handover_fetched.clone()];
        let mut events = vec![CaseEvent::IdentifierLinked {
            provenance: message.provenance(fetched),
            released: self.released_for_person(new_dates),
        }];

        // The answer is true now. Where something later than the message is recorded already, the message's own
        // time would put today's POM before it, so the time of the answer is taken.
        let later_is_known = self.latest_holding().is_some_and(|latest| latest.at > message.valid_from());
        let at = if later_is_known { whole_second(allocation_fetched.at) } else { message.valid_from() };
        let followed_by = self.holding_after(at);
        let held = self.latest_holding().and_then(|latest| latest.pom.as_ref());
        match allocation {
            AllocationAnswer::Allocated { staff, prison }
                if held.is_none_or(|held| !is_same_pom(held, &staff, &prison)) =>
            {
                events.push(CaseEvent::PomAllocated {
                    provenance: message.provenance(vec![allocation_fetched]),
                    at,
                    pom: pom(staff, prison),
                    named_by: NameSource::Answer,
                    reflects: None,
                    followed_by,
                });
            }
            AllocationAnswer::NotAllocated if held.is_some() => {
                let provenance = message.provenance(vec![allocation_fetched]);
                events.push(CaseEvent::PomDeallocated { provenance, at, followed_by });
            }
            _ => {}
        }
        if new_dates || (handover == HandoverAnswer::NotFound && self.dates.is_some()) {
            events.push(handover_event(message, handover, handover_fetched, false));
        }
        Ok(events)
    }

    /// The writes that were refused for want of the person, in stream order. Each late holding is followed by the
    /// holding after it; handover dates only when they are still the last recorded ones.
    fn released_for_person(&self, dates_are_outdated: bool) -> Vec<DeliusWrite> {
        let mut released: Vec<DeliusWrite> = vec![];
        for refused in self.refused.iter().filter(|refused| refused.name == OutcomeName::PersonNotFound) {
            match &refused.intent {
                DeliusWrite::SetHandoverDates { dry_run, .. } => {
                    if !dry_run && !dates_are_outdated && self.is_of_last_dates(refused) {
                        released.retain(|write| !matches!(write, DeliusWrite::SetHandoverDates { .. }));
                        released.push(refused.intent.clone());
                    }
                }
                DeliusWrite::AllocatePom { .. } | DeliusWrite::DeallocatePom { .. } => {
                    if !released.contains(&refused.intent) {
                        released.push(refused.intent.clone());
                    }
                }
            }
        }
        self.with_followers(released)
    }

    /// Orders the writes by valid time and puts behind each late holding the one that follows it, which may have
    /// found nothing to change when it was first written.
    fn with_followers(&self, mut writes: Vec<DeliusWrite>) -> Vec<DeliusWrite> {
        writes.sort_by_key(|write| (write.held_from(), self.recorded_at(write)));
        let mut all = vec![];
        let mut rest = writes.into_iter().peekable();
        while let Some(write) = rest.next() {
            let follower = self.follower_of(&write).map(DeliusWrite::from);
            all.push(write);
            if let Some(follower) = follower.filter(|follower| rest.peek() != Some(follower)) {
                all.push(follower);
            }
        }
        all
    }

    fn is_of_last_dates(&self, refused: &Refused) -> bool {
        let DeliusWrite::SetHandoverDates { handover_date, handover_start_date, .. } = refused.intent else {
            return false;
        };
        let dates = HandoverDates { handover_date, handover_start_date };
        self.dates.is_some_and(|(_, recorded)| recorded == dates)
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
                followed_by: self.holding_after(waiting.at),
            };
            sink.write(event, self).await;
        }
    }

    fn record_outcome(
        &self,
        write: WriteRef,
        intent: DeliusWrite,
        attempt: u32,
        outcome: WriteOutcome,
    ) -> Vec<CaseEvent> {
        if self.is_settled(write) {
            return vec![];
        }
        let refused = outcome.name.is_refusal();
        let changed = !outcome.changes.is_empty() && !outcome.name.is_dry_run();
        let result = WriteResult { write, intent, attempt, outcome, code_version: CODE_VERSION.to_owned() };
        vec![if refused {
            CaseEvent::DeliusWriteRefused(result)
        } else if changed {
            CaseEvent::DeliusUpdated(result)
        } else {
            CaseEvent::DeliusUnchanged(result)
        }]
    }

    fn retry_write(&self, write: WriteRef, by: String, why: String) -> Result<CaseEvent, CaseError> {
        let not_allowed = |reason| Err(CaseError::NotAllowed { write, reason });
        if self.is_parked(write) {
            return Ok(CaseEvent::DeliusWriteRetried { write, released: vec![], by, why });
        }
        let Some(refused) = self.refused.iter().find(|refused| refused.write == write) else {
            return not_allowed("only a refused or a parked write can be retried");
        };
        if matches!(refused.intent, DeliusWrite::SetHandoverDates { .. }) && !self.is_of_last_dates(refused) {
            return not_allowed(
                "other handover dates have been recorded since; they must not be overwritten",
            );
        }
        let released = self.with_followers(vec![refused.intent.clone()]);
        Ok(CaseEvent::DeliusWriteRetried { write, released, by, why })
    }
}

fn pom(staff: StaffMember, prison: PrisonCode) -> Pom {
    Pom {
        prison,
        staff_code: Some(staff.code),
        forename: staff.forename,
        surname: staff.surname,
        email: staff.email,
    }
}

fn is_same_pom(held: &Pom, staff: &StaffMember, prison: &PrisonCode) -> bool {
    held.prison == *prison && held.staff_code == Some(staff.code)
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
