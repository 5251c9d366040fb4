//! Persons as operators name them.

use anyhow::anyhow;
use clap::Args;

use crate::{
    app::{
        Failure,
        settings::database::{Database, DeliusAddress},
    },
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

/// Where a CRN is looked up, by commands that need Delius for nothing else.
#[derive(Debug, Clone, Args)]
pub(super) struct Register {
    #[command(flatten)]
    delius: DeliusAddress,
}

/// A person who can be looked up: the settings that it takes are there.
pub(super) enum Person {
    Known(NomsNumber),
    In(Box<Database>, PersonId),
}

impl Register {
    /// Checks what it takes to find this person; a NOMS number takes nothing.
    pub(super) fn person(&self, id: &PersonId) -> Result<Person, Failure> {
        match id {
            PersonId::Noms(noms) => Ok(Person::Known(noms.clone())),
            PersonId::Crn(_) => {
                let delius = self.delius.database()?;
                Ok(Person::In(Box::new(delius.bounded()), id.clone()))
            }
        }
    }
}

impl Person {
    pub(super) async fn noms(self) -> Result<NomsNumber, Failure> {
        match self {
            Self::Known(noms) => Ok(noms),
            Self::In(delius, id) => noms(&Delius::new(delius.connect().await?), &id).await,
        }
    }
}
