//! Decisions when a case gets its NOMS number, or a person another one.

use super::{handover_event, pom};
use crate::case::{
    AllocationAnswer, Case, CaseError, CaseEvent, CaseServices, Crn, DeliusWrite, DetailAddress, Fetched,
    HandoverAnswer, Holding, IdentityChange, IdentityRole, Inherited, Message, NameSource, NomsNumber, Pom,
    PrisonCode, StaffMember,
    identity::{IdentityFact, IdentityStatement},
    whole_second,
};

impl Case {
    /// A Delius case got this number: what is recorded is asserted for it, at its own dates, and the present state is
    /// recorded where it differs from what was recorded last.
    pub(super) async fn link_identifier(
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
    pub(super) async fn change_identity(
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

fn is_same_pom(held: &Pom, staff: &StaffMember, prison: &PrisonCode) -> bool {
    held.prison == *prison && held.staff_code == staff.code
}
