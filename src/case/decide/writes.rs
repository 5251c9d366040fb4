//! Decisions about derived writes: their outcomes, and which of them are made again.

use super::RELEASED_BY;
use crate::case::{
    Case, CaseError, CaseEvent, DeliusWrite, HandoverAnswer, Holding, Inherited, WriteOutcome, WriteRef,
    WriteResult, WriteState, provenance::CODE_VERSION,
};

impl Case {
    /// The recorded periods as writes.
    pub(super) fn holdings_to_write(&self) -> impl Iterator<Item = DeliusWrite> {
        self.timeline.named().periods(None).into_iter().filter_map(|period| {
            let pom = match period.holder {
                Some(holder) => Some(holder.pom()?),
                None => None,
            };
            Some(DeliusWrite::from(Holding { at: period.from, pom, overtaken: false }))
        })
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

    /// The write, and behind a late holding the one that follows it, which may have found nothing to change when it was
    /// first written.
    fn with_follower(&self, write: DeliusWrite) -> Vec<DeliusWrite> {
        let follower = self.follower_of(&write).map(DeliusWrite::from);
        std::iter::once(write).chain(follower).collect()
    }

    pub(super) fn record_outcome(
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
            released: self.with_follower(intent.clone()),
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

    /// Writes once more what Delius lacks, and everything recorded from there on: it may have found nothing to change when
    /// it was first written, and where the same holder was stated again it joins the two rows.
    pub(super) fn reassert(
        &self,
        writes: Vec<DeliusWrite>,
        inherited: Inherited,
        by: String,
        why: String,
    ) -> Vec<CaseEvent> {
        let mut person = self.clone();
        person.inherit(self.sequence + 1, &inherited);
        let given = inherited.holdings.iter().map(|holding| holding.at);
        let first = writes.iter().filter_map(DeliusWrite::held_from).chain(given).min();
        let recorded = person.timeline.holdings().into_iter();
        let recorded = recorded.map(|holding| DeliusWrite::from(Holding { overtaken: false, ..holding }));
        let later = recorded.filter(|write| first.is_some_and(|first| write.held_from() >= Some(first)));
        let mut released: Vec<DeliusWrite> = vec![];
        for write in writes.into_iter().chain(later) {
            if !released.iter().any(|known| *known == write || known.is_same_holding(&write)) {
                released.push(write);
            }
        }
        released.sort_by_key(DeliusWrite::held_from);
        if released.is_empty() && inherited.is_empty() {
            return vec![];
        }
        vec![CaseEvent::WritesReasserted { released, inherited, by, why }]
    }

    pub(super) fn retry_write(
        &self,
        write: WriteRef,
        by: String,
        why: String,
    ) -> Result<CaseEvent, CaseError> {
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
        let released = self.with_follower(refused.intent.clone());
        Ok(CaseEvent::DeliusWriteRetried { write, released, by, why })
    }
}
