//! Persons as operators name them.

use anyhow::anyhow;

use super::Failure;
use crate::{
    case::{NomsNumber, PersonId},
    delius::Delius,
};

/// The NOMS number of a person.
pub(super) async fn noms(delius: &Delius, id: &PersonId) -> Result<NomsNumber, Failure> {
    match id {
        PersonId::Noms(noms) => Ok(noms.clone()),
        PersonId::Crn(crn) => {
            let noms = delius.noms_of(crn).await?;
            noms.ok_or_else(|| anyhow!("Delius knows no NOMS number for CRN {crn}").into())
        }
    }
}
