//! Persons on the command line, by any identifier that they ever had.

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::Args;
use sqlx::PgPool;

use crate::{
    app::{
        Failure,
        settings::database::{Database, DeliusAddress},
    },
    case::{NomsNumber, PersonId, identity::Person},
    delius::Delius,
    operations::persons::{self, LookupError},
};

/// The NOMS number that the person has now.
pub(super) async fn noms(store: &PgPool, delius: &Delius, id: &PersonId) -> Result<NomsNumber, Failure> {
    let person = persons::find(store, delius, id, (None, None)).await.map_err(failure)?;
    person.map(|person| person.current).ok_or_else(|| unknown(id))
}

fn failure(error: LookupError) -> Failure {
    anyhow::Error::new(error).into()
}

fn unknown(id: &PersonId) -> Failure {
    anyhow!("neither the record nor Delius has a NOMS number for CRN {id}").into()
}

/// Where a CRN is looked up, by commands that need Delius for nothing else.
#[derive(Debug, Clone, Args)]
pub(super) struct CrnLookup {
    #[command(flatten)]
    delius: DeliusAddress,
}

/// A person who can be looked up: the settings for it are there.
pub(super) struct PersonLookup {
    id: PersonId,
    /// Asked only for a CRN about which nothing is recorded.
    delius: Option<Box<Database>>,
}

impl CrnLookup {
    /// Checks the settings that finding this person takes; a NOMS number takes none.
    pub(super) fn person(&self, id: &PersonId) -> Result<PersonLookup, Failure> {
        let delius = match id {
            PersonId::Noms(_) => None,
            PersonId::Crn(_) => {
                let delius = self.delius.database()?;
                Some(Box::new(delius.bounded()))
            }
        };
        Ok(PersonLookup { id: id.clone(), delius })
    }
}

impl PersonLookup {
    /// The person whom the identifier means at the time, by what was known at the other one.
    pub(super) async fn find(
        self,
        store: &PgPool,
        times: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    ) -> Result<Person, Failure> {
        let recorded = persons::recorded(store, &self.id, times).await.map_err(anyhow::Error::new)?;
        let found = match (recorded, &self.id, self.delius) {
            (None, PersonId::Crn(crn), Some(delius)) => {
                let delius = Delius::new(delius.connect().await?);
                persons::in_delius(store, &delius, crn, times).await.map_err(failure)?
            }
            (person, ..) => person,
        };
        found.ok_or_else(|| unknown(&self.id))
    }
}
