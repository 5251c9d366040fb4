//! Reads: what Delius knows of a person, as Manage POM Cases asks for it.
//!
//! One statement answers for one person or for a batch; what the columns mean is decided by pure functions.

mod mapping;
mod record;
mod row;

use std::time::Duration;

use sqlx::PgPool;

pub use record::{
    CaseFacts, CaseRecord, LocalDeliveryUnit, Manager, Mappa, Name, Resourcing, Rosh, RoshLevel, Team,
};

use self::row::FactsRow;
use crate::{
    case::{InvalidIdentifier, PersonId},
    database,
};

/// Why Delius gave no answer. Never that a person is unknown: that is an answer.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database could not be reached, was too slow, or refused the statement.
    #[error("Delius could not be read")]
    Database(#[from] sqlx::Error),
    /// A row that cannot be told apart from damage.
    #[error("Delius holds a person whose CRN is none")]
    Unreadable(#[from] InvalidIdentifier),
}

/// Reader of case facts.
#[derive(Debug, Clone)]
pub struct CaseReader {
    pool: PgPool,
}

impl CaseReader {
    /// Reads through a pool of connections to Delius.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Reads through connections of its own to the database of this pool, so that reads and writes cannot starve each
    /// other. A connection must be had, and a statement end, within `limit`: the server ends one that nobody waits
    /// for any more.
    pub fn beside(pool: &PgPool, max_connections: u32, limit: Duration) -> Self {
        let statement_timeout = limit.as_millis().to_string();
        let options = (*pool.connect_options()).clone().options([("statement_timeout", statement_timeout)]);
        let own = database::pool(max_connections).acquire_timeout(limit);
        Self { pool: own.connect_lazy_with(options) }
    }

    /// The facts of every person found, in order of CRN, in one round trip. Who is not found is left out; a NOMS
    /// number that several persons share finds them all, each marked [`CaseFacts::noms_shared`].
    ///
    /// # Errors
    /// [`RecordsError`] when Delius gave no answer.
    pub async fn find(&self, people: &[PersonId]) -> Result<Vec<CaseFacts>, RecordsError> {
        let (mut crns, mut noms) = (Vec::new(), Vec::new());
        for person in people {
            match person {
                PersonId::Crn(crn) => crns.push(crn.as_str()),
                PersonId::Noms(number) => noms.push(number.as_str()),
            }
        }
        let rows: Vec<FactsRow> = sqlx::query_as(include_str!("case_facts.sql"))
            .bind(crns)
            .bind(noms)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(|row| Ok(mapping::facts(row)?)).collect()
    }

    /// Whether Delius answers at all.
    ///
    /// # Errors
    /// [`RecordsError::Database`] when it does not.
    pub async fn ping(&self) -> Result<(), RecordsError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }
}
