//! How a case decides: command in, events out.

use cqrs_es::{Aggregate, event_sink::EventSink};

use super::{
    AllocationAnswer, Case, CaseCommand, CaseError, CaseEvent, CaseServices, DeliusWrite, DetailAddress,
    Fetched, HandoverAnswer, Message, NameSource, NomsNumber, OutcomeName, Pom, PrisonCode, StaffMember,
    StatedAllocation, WriteOutcome, WriteRef, WriteResult, commands::whole_second, provenance::CODE_VERSION,
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
        let news_of_dates = self.handover != Some(handover);
        let fetched = vec![allocation_fetched.clone(), handover_fetched.clone()];
        let mut events = vec![CaseEvent::IdentifierLinked {
            provenance: message.provenance(fetched),
            released: self.released_for_person(news_of_dates),
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
            AllocationAnswer::NotReady if !self.not_ready => {
                let provenance = message.provenance(vec![allocation_fetched]);
                events.push(CaseEvent::AllocationNotReady { provenance, at });
            }
            _ => {}
        }
        // That there are no dates is no news of a case that never had any.
        let never_any = self.handover.is_none() && handover == HandoverAnswer::NotFound;
        if news_of_dates && !never_any {
            events.push(handover_event(message, handover, handover_fetched, false));
        }
        Ok(events)
    }

    /// The writes that were refused for want of the person, in stream order. Each late holding is followed by the
    /// holding after it.
    fn released_for_person(&self, news_of_dates: bool) -> Vec<DeliusWrite> {
        let mut released: Vec<DeliusWrite> = vec![];
        for refused in self.refused.iter().filter(|refused| refused.name == OutcomeName::PersonNotFound) {
            let is_of_dates = matches!(refused.intent, DeliusWrite::SetHandoverDates { .. });
            if self.is_of_today(&refused.intent)
                && !(is_of_dates && news_of_dates)
                && !released.contains(&refused.intent)
            {
                released.push(refused.intent.clone());
            }
        }
        self.with_followers(released)
    }

    /// Whether a refused write may still be made. A holding always, at its own date; handover dates only while they
    /// are the last recorded answer: neither other dates nor the answer that there are none may be overwritten.
    fn is_of_today(&self, intent: &DeliusWrite) -> bool {
        match *intent {
            DeliusWrite::AllocatePom { .. } | DeliusWrite::DeallocatePom { .. } => true,
            DeliusWrite::SetHandoverDates { handover_date, handover_start_date, dry_run } => {
                let dates = HandoverAnswer::Dates { handover_date, handover_start_date };
                !dry_run && self.handover == Some(dates)
            }
        }
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
        // Delius refused for want of the person, then the case got its NOMS number and found nothing to release,
        // because the refusal was not recorded yet: nothing else would ever try this write again.
        let overtaken = outcome.name == OutcomeName::PersonNotFound
            && self.linked.is_some_and(|linked| write.sequence < linked)
            && self.is_of_today(&intent);
        let retried = overtaken.then(|| CaseEvent::DeliusWriteRetried {
            write,
            released: self.with_followers(vec![intent.clone()]),
            by: RELEASED_BY.to_owned(),
            why: "the case got its NOMS number in Delius after the write was derived".to_owned(),
        });
        let changed = !outcome.changes.is_empty() && !outcome.name.is_dry_run();
        let result = WriteResult { write, intent, attempt, outcome, code_version: CODE_VERSION.to_owned() };
        let settled = if refused {
            CaseEvent::DeliusWriteRefused(result)
        } else if changed {
            CaseEvent::DeliusUpdated(result)
        } else {
            CaseEvent::DeliusUnchanged(result)
        };
        std::iter::once(settled).chain(retried).collect()
    }

    fn retry_write(&self, write: WriteRef, by: String, why: String) -> Result<CaseEvent, CaseError> {
        let not_allowed = |reason| Err(CaseError::NotAllowed { write, reason });
        if self.is_parked(write) {
            return Ok(CaseEvent::DeliusWriteRetried { write, released: vec![], by, why });
        }
        let Some(refused) = self.refused.iter().find(|refused| refused.write == write) else {
            return not_allowed("only a refused or a parked write can be retried");
        };
        if matches!(refused.intent, DeliusWrite::SetHandoverDates { dry_run: true, .. }) {
            return not_allowed("it was a dry run; make another one instead");
        }
        if !self.is_of_today(&refused.intent) {
            return not_allowed(
                "another answer on the handover dates has been recorded since; it must not be overwritten",
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
