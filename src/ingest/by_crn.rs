//! Messages that name a person by CRN: Delius knows the NOMS number, and whether handover dates may fit.

use std::time::Duration;

use super::{
    accept::{Disposition, InWork, Ingest, NotAccepted},
    attempt::of_store,
    note_case,
    route::ParkReason,
};
use crate::{
    breakers::{DELIUS, answer_of},
    case::{CaseCommand, Crn, DetailAddress, IdentityChange, IdentityReason, Message, NomsNumber, PersonId},
    delius::{DeliusError, LiveCustody},
    event_store::receipts,
};

/// How long to wait for an answer of Delius.
const DELIUS_ANSWER: Duration = Duration::from_secs(10);

impl Ingest {
    /// The message gives a CRN and no NOMS number. Delius has had the number since before it was sent, though what we
    /// read may be a moment behind.
    pub(super) async fn linked(
        &self,
        in_work: InWork<'_>,
        crn: Crn,
        former: Option<NomsNumber>,
        message: Message,
    ) -> Result<Disposition, NotAccepted> {
        let noms = answer_of_delius("while looking up a NOMS number", self.delius.noms_of(&crn)).await?;
        if let Some(noms) = noms {
            note_case(&noms);
            if let Some(former) = former.filter(|former| *former != noms) {
                let (from, to) = (PersonId::Noms(former), PersonId::Noms(noms));
                let change =
                    IdentityChange { from, to, reason: IdentityReason::NumberReplaced, crn: Some(crn) };
                return self.identity_changed(in_work, change, message).await;
            }
            let command = CaseCommand::LinkIdentifier { noms: noms.clone(), crn: Some(crn), message };
            return self.command(in_work, noms, command).await;
        }
        let parking = ParkReason::MissingIdentifier.because(
            "the event names no NOMS number, and Delius has none for its CRN; retry it once Delius has one, or skip it",
        );
        // No outage of anything, however many messages it happens to.
        let failure =
            NotAccepted::Undocumented { dependency: None, answer: "no NOMS number".into(), parking };
        self.undocumented(in_work, None, failure).await
    }

    /// Handover dates may fit now, where the person has a NOMS number and exactly one live custody.
    pub(super) async fn sentence_changed(
        &self,
        in_work: InWork<'_>,
        crn: &Crn,
        message: Message,
    ) -> Result<Disposition, NotAccepted> {
        let custody =
            answer_of_delius("while looking up a live custody", self.delius.live_custody(crn)).await?;
        match custody {
            LiveCustody::One(noms) => {
                note_case(&noms);
                let address = DetailAddress::OfCase;
                let command =
                    CaseCommand::RecordHandover { noms: noms.clone(), message, address, dry_run: false };
                self.command(in_work, noms, command).await
            }
            LiveCustody::NotApplicable { noms: Some(noms), reason } => {
                note_case(&noms);
                let command = CaseCommand::RecordNotApplicable { message, reason };
                self.command(in_work, noms, command).await
            }
            LiveCustody::NotApplicable { noms: None, reason } => {
                let accounted = in_work.receipt.not_applicable(reason.clone());
                of_store(receipts::insert(self.pool(), &accounted)).await?;
                Ok(Disposition::NotApplicable(reason))
            }
        }
    }
}

pub(super) async fn answer_of_delius<T>(
    during: &'static str,
    answer: impl Future<Output = Result<T, DeliusError>>,
) -> Result<T, DeliusError> {
    let answer = tokio::time::timeout(DELIUS_ANSWER, answer);
    answer_of(DELIUS, answer).await.unwrap_or_else(|_| Err(DeliusError::timeout(during)))
}
