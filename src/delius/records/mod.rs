//! Reads: what Delius knows of a person, as Manage POM Cases asks for it.
//!
//! One statement answers for one person or for a batch; what the columns mean is decided by pure functions.

mod mapping;
mod record;
mod row;

use std::sync::Arc;

use sqlx::PgPool;

pub use record::{
    CaseFacts, CaseRecord, LocalDeliveryUnit, Manager, Mappa, Name, Resourcing, Rosh, RoshLevel, Team,
};

use self::row::FactsRow;
use super::{
    DeliusError,
    clock::Clock,
    engine::{Engine, Limits, SessionAccess, Statement, postgres::Postgres},
    error::During,
    load::read,
    sql,
};
use crate::{
    case::{InvalidIdentifier, PersonId},
    london::wall_clock,
};

/// Why Delius gave no answer. Never that a person is unknown: that is an answer.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database could not be reached, was too slow, or refused the statement.
    #[error("Delius could not be read")]
    Delius(#[from] DeliusError),
    /// A row that cannot be told apart from damage.
    #[error("Delius holds a person whose CRN is none")]
    Unreadable(#[from] InvalidIdentifier),
}

/// Reader of case facts.
#[derive(Debug, Clone)]
pub struct CaseReader {
    engine: Arc<dyn Engine>,
    limits: Limits,
    clock: Clock,
}

impl CaseReader {
    /// Reads through a pool of connections to a Delius on PostgreSQL.
    pub fn new(pool: PgPool) -> Self {
        Self::over(Arc::new(Postgres::new(pool)))
    }

    /// Reads through an engine.
    pub fn over(engine: Arc<dyn Engine>) -> Self {
        Self { engine, limits: Limits::default(), clock: Clock::default() }
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
                PersonId::Crn(crn) => crns.push(crn.to_string()),
                PersonId::Noms(number) => noms.push(number.to_string()),
            }
        }
        let doing = "while reading case records";
        let mut session =
            self.engine.open(SessionAccess::Statement, self.limits).await.during("while connecting")?;
        let now = self.clock.now(&mut *session).await?;
        let statement = Statement::new(sql::CASE_FACTS)
            .list("crns", crns)
            .list("noms", noms)
            .bind("now", wall_clock(now));
        let rows = read(session.query(&statement).await, FactsRow::of).during(doing)?;
        rows.into_iter().map(|row| Ok(mapping::facts(row)?)).collect()
    }
}
