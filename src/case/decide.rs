//! How a case decides: command in, events out.

use cqrs_es::{Aggregate, event_sink::EventSink};

use super::{
    AllocationAnswer, Case, CaseCommand, CaseError, CaseEvent, CaseServices, Crn, DeliusWrite, DetailAddress,
    Fetched, HandoverAnswer, Holding, IdentityChange, IdentityRole, Inherited, Message, NameSource,
    NomsNumber, Pom, PrisonCode, StaffMember, StatedAllocation, WriteOutcome, WriteRef, WriteResult,
    WriteState,
    identity::{IdentityFact, IdentityStatement},
    provenance::CODE_VERSION,
    whole_second,
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

    /// A Delius case got this number: what is recorded is asserted for it, at its own dates, and the present state is
    /// recorded where it differs from what was recorded last.
    async fn link_identifier(
        &self,
        noms: &NomsNumber,
        crn: Option<Crn>,
        message: &Message,
        services: &CaseServices,
    ) -> Result<Vec<CaseEvent>, CaseError> {
        let (mut new_person, mut heir) = (false, noms.clone());
        if self.identity_changed {
            let at = message.valid_from();
            let mut known = services.identities.around(noms, crn.as_ref()).await?;
            if let Some(crn) = &crn {
                let statement = IdentityStatement::Holds { crn: crn.clone(), noms: noms.clone() };
                known.add(IdentityFact { at, statement });
            }
            (new_person, heir) = (known.is_new_person(noms, at), known.heir(noms, at));
        }
        if heir != *noms {
            // The person got another number since: there is no present state under this one.
            let provenance = message.provenance(vec![]);
            return Ok(vec![CaseEvent::IdentifierLinked { provenance, crn, new_person, released: vec![] }]);
        }
        let mut person = self.clone();
        if new_person {
            person.begin_person(message.valid_from());
        }
        let present = PresentState::fetch(noms, services).await?;
        let linked = CaseEvent::IdentifierLinked {
            provenance: message.provenance(present.fetched()),
            crn,
            new_person,
            released: person.assertions(present.handover),
        };
        Ok(std::iter::once(linked).chain(person.news(message, present)).collect())
    }

    /// Records the change in this stream. The number that stays continues with what the former one had.
    async fn change_identity(
        &self,
        noms: &NomsNumber,
        message: &Message,
        change: IdentityChange,
        role: IdentityRole,
        inherited: Inherited,
        services: &CaseServices,
    ) -> Result<Vec<CaseEvent>, CaseError> {
        let given_on = match (role, change.replaced()) {
            (IdentityRole::Former, Some((from, to))) => {
                let mut known = services.identities.around(noms, change.crn.as_ref()).await?;
                let at = message.valid_from();
                let statement = IdentityStatement::Replaced { from: from.clone(), to: to.clone() };
                known.add(IdentityFact { at, statement });
                known.part(noms, at).until
            }
            _ => None,
        };
        if role != IdentityRole::Current {
            let provenance = message.provenance(vec![]);
            return Ok(vec![CaseEvent::IdentityChanged {
                provenance,
                change,
                role,
                given_on,
                inherited,
                released: vec![],
            }]);
        }
        let mut person = self.clone();
        person.inherit(self.sequence + 1, &inherited);
        let present = PresentState::fetch(noms, services).await?;
        let changed = CaseEvent::IdentityChanged {
            provenance: message.provenance(present.fetched()),
            change,
            role,
            given_on,
            inherited,
            released: person.assertions(present.handover),
        };
        Ok(std::iter::once(changed).chain(person.news(message, present)).collect())
    }

    /// What the present state adds to what was recorded last.
    fn news(&self, message: &Message, present: PresentState) -> Vec<CaseEvent> {
        let mut events = vec![];
        let PresentState { allocation, allocation_fetched, handover, handover_fetched } = present;
        // The answer is true now. Where something later than the message is recorded already, the message's own
        // time would put today's POM before it, so the time of the answer is taken.
        let later_is_known = self.latest_holding().is_some_and(|latest| latest.at > message.valid_from());
        let at = if later_is_known { whole_second(allocation_fetched.at) } else { message.valid_from() };
        let followed_by = self.timeline.after(at, false);
        let held = self.latest_holding().and_then(|latest| latest.pom);
        let provenance = message.provenance(vec![allocation_fetched]);
        match allocation {
            AllocationAnswer::Allocated { staff, prison }
                if held.as_ref().is_none_or(|held| !is_same_pom(held, &staff, &prison)) =>
            {
                events.push(CaseEvent::PomAllocated {
                    provenance,
                    at,
                    pom: pom(staff, prison),
                    named_by: NameSource::Answer,
                    reflects: None,
                    followed_by,
                });
            }
            AllocationAnswer::NotAllocated if held.is_some() => {
                events.push(CaseEvent::PomDeallocated { provenance, at, followed_by });
            }
            AllocationAnswer::NotReady if !self.not_ready => {
                events.push(CaseEvent::AllocationNotReady { provenance, at });
            }
            AllocationAnswer::Allocated { .. }
            | AllocationAnswer::NotAllocated
            | AllocationAnswer::NotReady => {}
        }
        // That there are no dates is no news of a case that never had any.
        let never_any = self.handover.is_none() && handover == HandoverAnswer::NotFound;
        if self.handover != Some(handover) && !never_any {
            events.push(handover_event(message, handover, handover_fetched, false));
        }
        events
    }

    /// The recorded periods as writes.
    fn holdings_to_write(&self) -> impl Iterator<Item = DeliusWrite> {
        self.timeline.named().periods(None).into_iter().filter_map(|period| {
            let pom = match period.holder {
                Some(holder) => Some(holder.pom()?),
                None => None,
            };
            Some(DeliusWrite::from(Holding { at: period.from, pom, overtaken: false }))
        })
    }

    /// Everything that is recorded, as writes in order of valid time: the person in Delius who has the number now may
    /// be another one than before, and where the rows are there the plan finds nothing to do. What Delius refused for
    /// a reason that has nothing to do with the person stays refused.
    fn assertions(&self, present: HandoverAnswer) -> Vec<DeliusWrite> {
        let holdings = self.holdings_to_write();
        // Dates that the present answer replaces are not written any more: the news writes the present ones.
        let dates = match self.handover {
            Some(HandoverAnswer::Dates { handover_date, handover_start_date })
                if self.handover == Some(present) =>
            {
                Some(DeliusWrite::SetHandoverDates { handover_date, handover_start_date, dry_run: false })
            }
            _ => None,
        };
        // Whether it was overtaken within its second does not matter here: what is asserted counts for its second.
        let content = |write: &DeliusWrite| match write.holding() {
            Some(Holding { at, pom, .. }) => DeliusWrite::from(Holding { at, pom, overtaken: false }),
            None => write.clone(),
        };
        let refused = |write: &DeliusWrite| {
            self.refused
                .iter()
                .any(|refused| content(&refused.intent) == *write && !refused.name.is_about_person())
        };
        dates.into_iter().chain(holdings).filter(|write| !refused(write)).collect()
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
                followed_by: self.timeline.after(waiting.at, true),
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
        if self.write_state(write).is_final() {
            return vec![];
        }
        let refused = outcome.name.is_refusal();
        // Delius refused because of the person, then the case got its number and found nothing to release, because
        // the refusal was not recorded yet: nothing else would ever try this write again.
        let overtaken = outcome.name.is_about_person()
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

    /// Writes once more what Delius lacks, and everything recorded that is later: it may have found nothing to change
    /// when it was first written.
    fn reassert(
        &self,
        writes: Vec<DeliusWrite>,
        inherited: Inherited,
        by: String,
        why: String,
    ) -> Vec<CaseEvent> {
        let mut person = self.clone();
        person.inherit(self.sequence + 1, &inherited);
        let first = writes.iter().filter_map(DeliusWrite::held_from).min();
        let later = person.holdings_to_write();
        let later = later.filter(|write| first.is_some_and(|first| write.held_from() > Some(first)));
        let mut released: Vec<DeliusWrite> = vec![];
        for write in writes.into_iter().chain(later) {
            if !released.contains(&write) {
                released.push(write);
            }
        }
        released.sort_by_key(DeliusWrite::held_from);
        if released.is_empty() {
            return vec![];
        }
        vec![CaseEvent::WritesReasserted { released, inherited, by, why }]
    }

    fn retry_write(&self, write: WriteRef, by: String, why: String) -> Result<CaseEvent, CaseError> {
        let not_allowed = |reason| Err(CaseError::NotAllowed { write, reason });
        if self.write_state(write) == WriteState::Parked {
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

/// What Manage POM Cases says now.
struct PresentState {
    allocation: AllocationAnswer,
    allocation_fetched: Fetched,
    handover: HandoverAnswer,
    handover_fetched: Fetched,
}

impl PresentState {
    async fn fetch(noms: &NomsNumber, services: &CaseServices) -> Result<Self, CaseError> {
        let (allocation, allocation_fetched) = services.mpc.allocation(noms, &DetailAddress::OfCase).await?;
        let (handover, handover_fetched) = services.mpc.handover(noms, &DetailAddress::OfCase).await?;
        Ok(Self { allocation, allocation_fetched, handover, handover_fetched })
    }

    fn fetched(&self) -> Vec<Fetched> {
        vec![self.allocation_fetched.clone(), self.handover_fetched.clone()]
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

fn is_same_pom(held: &Pom, staff: &StaffMember, prison: &PrisonCode) -> bool {
    held.prison == *prison && held.staff_code == staff.code
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
