//! Asks the three for their pictures of a case.

use crate::{
    case::{CaseEvent, DetailAddress, FetchError, ManagePomCases, NomsNumber, PersonId, identity::Person},
    database,
    delius::{Delius, DeliusError},
    event_store::{CaseStore, ExecuteError, identities},
    operations::reconcile::{
        compare::{Mpc, Seen},
        ledger,
        recorded::recorded_of,
    },
};

/// Why a case could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Manage POM Cases gave no answer, or none that can be understood.
    #[error(transparent)]
    Mpc(#[from] FetchError),
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] ExecuteError),
    /// The record could not be read.
    #[error("the event store could not be read: {0}")]
    Read(#[from] sqlx::Error),
    /// Delius gave no answer.
    #[error(transparent)]
    Delius(#[from] DeliusError),
}

impl LookError {
    /// Whether asking again later can succeed without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Mpc(error) => matches!(error, FetchError::Unavailable { .. }),
            Self::Store(error) => matches!(error, ExecuteError::Unavailable(_) | ExecuteError::Contended(_)),
            Self::Read(error) => database::is_outage(error),
            Self::Delius(error) => error.is_transient(),
        }
    }
}

/// Looks at one case. Nothing is recorded by looking.
///
/// # Errors
/// When one of the three does not answer.
pub async fn look(
    mpc: &dyn ManagePomCases,
    store: &CaseStore,
    delius: &Delius,
    noms: &NomsNumber,
) -> Result<Seen, LookError> {
    let person = identities::person(store.pool(), &PersonId::Noms(noms.clone()), None, None)
        .await?
        .unwrap_or_else(|| Person::only(noms.clone()));
    let noms = &person.current;
    let (allocation, _) = mpc.allocation(noms, &DetailAddress::OfCase).await?;
    let (handover, _) = mpc.handover(noms, &DetailAddress::OfCase).await?;
    let mut events: Vec<(u64, CaseEvent)> = vec![];
    for part in &person.parts {
        // The streams are read one after the other, so that each sequence stands for one event.
        let read = events.last().map_or(0, |(sequence, _)| *sequence);
        for stored in store.load(&part.noms).await? {
            let mut event = stored.payload;
            event.renumber(&|sequence| read + sequence);
            if let CaseEvent::WritesReasserted { inherited, .. } = &mut event {
                inherited.holdings.retain(|holding| part.contains(holding.at));
                events.push((read + stored.sequence as u64, event));
            } else if event.valid_at().is_some_and(|at| part.contains(at)) {
                // An outcome says nothing about who held the case when.
                events.push((read + stored.sequence as u64, event));
            }
        }
    }
    let recorded = recorded_of(events.iter().map(|(sequence, event)| (*sequence, event)));
    Ok(Seen {
        mpc: Mpc { allocation, handover },
        ledgers: ledger::compare(store.pool(), delius, &person, &recorded.timeline).await?,
        recorded,
        delius: delius.holdings(noms).await?,
    })
}
