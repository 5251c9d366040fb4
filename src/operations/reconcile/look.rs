//! Asks the three for their pictures of a case.

use chrono::Utc;

use crate::{
    case::{DetailAddress, FetchError, ManagePomCases, NomsNumber},
    delius::{Delius, DeliusError},
    event_store::{CaseStore, ExecuteError},
    operations::reconcile::{
        compare::{Mpc, Seen},
        recorded::recorded,
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
    let (allocation, _) = mpc.allocation(noms, &DetailAddress::OfCase).await?;
    let (handover, _) = mpc.handover(noms, &DetailAddress::OfCase).await?;
    let events = store.load(noms).await?;
    Ok(Seen {
        mpc: Mpc { allocation, handover },
        recorded: recorded(events.iter().map(|event| &event.payload)),
        delius: delius.holdings(noms, Utc::now()).await?,
    })
}
