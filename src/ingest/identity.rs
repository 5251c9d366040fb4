//! Messages about the identifiers of a person: recorded in the stream of every number concerned.

use std::collections::BTreeSet;

use super::{
    accept::{Disposition, InWork, Ingest, NotAccepted},
    by_crn::answer_of_delius,
};
use crate::{
    case::{
        CaseCommand, Crn, IdentityChange, IdentityRole, Inherited, Message, NomsNumber, PersonId,
        whole_second,
    },
    database::in_time,
    event_store::{Cause, ExecuteError, identities, receipts},
};

impl Ingest {
    pub(super) async fn identity_changed(
        &self,
        in_work: InWork<'_>,
        change: IdentityChange,
        message: Message,
    ) -> Result<Disposition, NotAccepted> {
        match change.replaced() {
            Some((from, to)) => {
                let (from, to) = (from.clone(), to.clone());
                self.number_replaced(in_work, &from, &to, change, message).await
            }
            None => self.named(in_work, change, message).await,
        }
    }

    /// The former number first: from then on later facts under it go to the number that stays, so that what that one
    /// continues with is complete. The receipt is stored with the last step, so that a crash in between repeats all.
    async fn number_replaced(
        &self,
        in_work: InWork<'_>,
        from: &NomsNumber,
        to: &NomsNumber,
        change: IdentityChange,
        message: Message,
    ) -> Result<Disposition, NotAccepted> {
        let at = whole_second(message.occurred_at);
        let step = |noms: &NomsNumber, role, inherited| CaseCommand::ChangeIdentity {
            noms: noms.clone(),
            message: message.clone(),
            change: change.clone(),
            role,
            inherited,
        };
        let former = step(from, IdentityRole::Former, Inherited::default());
        if let Err(error) = self.store.execute(from, former, Cause::NoMessage).await {
            return self.executed(in_work, from.clone(), Err(error)).await;
        }
        let known = in_time(identities::around(self.pool(), &[PersonId::Noms(from.clone())], None)).await?;
        let heir = known.heir(from, at);
        if heir == *from {
            // A later message has given the number back: what this one says is past.
            let named = step(to, IdentityRole::Named, Inherited::default());
            let appended = self.store.execute(to, named, Cause::Message(in_work.receipt.clone())).await;
            return self.executed(in_work, to.clone(), appended).await;
        }
        if heir != *to {
            let named = step(to, IdentityRole::Named, Inherited::default());
            if let Err(error) = self.store.execute(to, named, Cause::NoMessage).await {
                return self.executed(in_work, to.clone(), Err(error)).await;
            }
        }
        let part = known.part(from, at);
        let mut inherited = self.store.case(from).await?.legacy();
        inherited.holdings.retain(|holding| part.contains(holding.at));
        let current = step(&heir, IdentityRole::Current, inherited);
        let appended = self.store.execute(&heir, current, Cause::Message(in_work.receipt.clone())).await;
        self.executed(in_work, heir, appended).await
    }

    /// Recorded in every case concerned, and nothing more.
    async fn named(
        &self,
        in_work: InWork<'_>,
        change: IdentityChange,
        message: Message,
    ) -> Result<Disposition, NotAccepted> {
        let mut cases = BTreeSet::new();
        for id in [&change.from, &change.to] {
            match id {
                PersonId::Noms(noms) => drop(cases.insert(noms.clone())),
                PersonId::Crn(crn) => cases.extend(self.numbers_of(crn).await?),
            }
        }
        let Some(last) = cases.pop_last() else {
            let reason = "no NOMS number is known for the cases that the message names".to_owned();
            let receipt = in_work.receipt.not_applicable(reason.clone());
            in_time(receipts::insert(self.pool(), &receipt)).await?;
            return Ok(Disposition::NotApplicable(reason));
        };
        let step = |noms: &NomsNumber| CaseCommand::ChangeIdentity {
            noms: noms.clone(),
            message: message.clone(),
            change: change.clone(),
            role: IdentityRole::Named,
            inherited: Inherited::default(),
        };
        for noms in &cases {
            if let Err(error) = self.store.execute(noms, step(noms), Cause::NoMessage).await {
                return self.executed(in_work, noms.clone(), Err(error)).await;
            }
        }
        let appended: Result<_, ExecuteError> =
            self.store.execute(&last, step(&last), Cause::Message(in_work.receipt.clone())).await;
        self.executed(in_work, last, appended).await
    }

    /// The NOMS numbers of a case: as recorded, and as Delius has it now.
    pub(super) async fn numbers_of(&self, crn: &Crn) -> Result<BTreeSet<NomsNumber>, NotAccepted> {
        let id = PersonId::Crn(crn.clone());
        let recorded =
            in_time(identities::person(self.pool(), &id, None, None)).await?.map(|person| person.current);
        let now = answer_of_delius("while looking up a NOMS number", self.delius.noms_of(crn)).await?;
        Ok(recorded.into_iter().chain(now).collect())
    }
}
