//! The event store: the append-only streams of all cases.
//!
//! A command is executed by loading the case, letting it decide and appending what it decided; a concurrent
//! change of the same case fails the append, and the command is decided again on the new state.
//!
//! Architecture invariant: nothing outside this room knows the table `events`.

pub(crate) mod cases;
pub(crate) mod directory;
pub(crate) mod effects;
pub mod fates;
pub mod reader;
pub mod receipts;
pub(crate) mod repository;

use std::{collections::HashMap, sync::Arc, time::Duration};

pub use cases::cases;
use cqrs_es::{
    Aggregate, AggregateContext, AggregateError, EventEnvelope, EventStore, event_sink::EventSink,
    persist::PersistedEventStore,
};
pub use directory::{StoredStaffDirectory, reflectable};
pub use repository::{CaseRepository, LeaseLost};
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::{
    case::{Case, CaseCommand, CaseError, CaseServices, NomsNumber},
    database::{self, FailureKind},
};

/// The migrations of our store. Those of a newer version that is being rolled out are none of our business.
pub fn migrator() -> sqlx::migrate::Migrator {
    let mut migrator = sqlx::migrate!("migrations/store");
    migrator.set_ignore_missing(true);
    migrator
}

/// Gives every role that may run the service its rights again, on the tables that came since as well.
///
/// # Errors
/// When the store does not answer, or we do not own its tables.
pub async fn allow_services_again(pool: &PgPool) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("select allow_services_again()::text").fetch_all(pool).await
}

/// How often a command is decided again when another change of the same case comes first.
const MAX_CONFLICTS: u32 = 20;

/// What was appended by a command: nothing for a message that was recorded before.
pub type Appended = Vec<EventEnvelope<Case>>;

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The case could not decide.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Other changes of the same case always came first: try again soon. The store is well.
    #[error("the case changes too fast: {0}")]
    Contended(String),
    /// The store cannot be reached, or is too busy: try again later.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
    /// The write is another worker's now: nothing is to be done.
    #[error(transparent)]
    LeaseLost(LeaseLost),
    /// A stored event cannot be read, or something else that trying again does not mend.
    #[error("the event store failed: {0}")]
    Fault(String),
}

/// The event store of the cases.
pub struct CaseStore {
    store: PersistedEventStore<CaseRepository, Case>,
    services: CaseServices,
    pool: PgPool,
    appended: Arc<Notify>,
}

impl CaseStore {
    /// A store on the pool, deciding with the services.
    pub fn new(pool: PgPool, services: CaseServices) -> Self {
        Self::over(CaseRepository::new(pool.clone()), pool, services)
    }

    /// A store that also keeps notices of applied writes for the outcome topic, in the transactions that record them.
    pub fn announcing(pool: PgPool, services: CaseServices) -> Self {
        Self::over(CaseRepository::new(pool.clone()).announcing(), pool, services)
    }

    fn over(repository: CaseRepository, pool: PgPool, services: CaseServices) -> Self {
        // Never the snapshot or aggregate stores of the framework: they apply events twice.
        let store = PersistedEventStore::new_event_store(repository).with_upcasters(upcasters());
        Self { store, services, pool, appended: Arc::new(Notify::new()) }
    }

    /// Signalled after every append of this process; other processes are told by `NOTIFY`.
    pub fn appended(&self) -> Arc<Notify> {
        Arc::clone(&self.appended)
    }

    /// The pool of the store's database.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Executes a command, again on every conflict. The metadata is stored with each event.
    pub async fn execute(
        &self,
        noms: &NomsNumber,
        command: CaseCommand,
        metadata: HashMap<String, String>,
    ) -> Result<Appended, ExecuteError> {
        for conflicts in 0..=MAX_CONFLICTS {
            match self.attempt(noms, command.clone(), metadata.clone()).await {
                Err(AggregateError::AggregateConflict) => {
                    let ceiling = 2_u64 << conflicts.min(7);
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=ceiling))).await;
                }
                Ok(appended) => {
                    if !appended.is_empty() {
                        self.announce().await;
                    }
                    return Ok(appended);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ExecuteError::Contended("other changes of the case came first each time".into()))
    }

    async fn attempt(
        &self,
        noms: &NomsNumber,
        command: CaseCommand,
        metadata: HashMap<String, String>,
    ) -> Result<Appended, AggregateError<CaseError>> {
        let mut context = in_time(self.store.load_aggregate(noms.as_str())).await?;
        let sink = EventSink::default();
        context
            .aggregate()
            .handle(command, &self.services, &sink)
            .await
            .map_err(AggregateError::UserError)?;
        let events = sink.collect().await;
        if events.is_empty() {
            return Ok(vec![]);
        }
        in_time(self.store.commit(events, context, metadata)).await
    }

    /// Wakes who waits for events. A lost wake-up costs a poll interval, nothing else.
    async fn announce(&self) {
        self.appended.notify_waiters();
        let told = sqlx::query("select pg_notify('events_appended', '')").execute(&self.pool);
        let told = database::in_time(told).await;
        if let Err(error) = told {
            tracing::debug!(%error, "could not announce the append; the pollers will find it");
        }
    }

    /// Every event of a case, in order; empty for an unknown case.
    pub async fn load(&self, noms: &NomsNumber) -> Result<Appended, ExecuteError> {
        Ok(in_time(self.store.load_events(noms.as_str())).await?)
    }
}

/// What the store answers, unless it takes too long. An append that was given up may have happened: who tries again
/// finds out, by the message or by the attempt that is recorded.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, AggregateError<CaseError>>>,
) -> Result<T, AggregateError<CaseError>> {
    let late = || AggregateError::DatabaseConnectionError(Box::new(database::no_answer()));
    tokio::time::timeout(database::ANSWER, answer).await.unwrap_or_else(|_| Err(late()))
}

/// Lifts stored events of older versions to the present shape, oldest version first. There is only one version
/// so far.
fn upcasters() -> Vec<Box<dyn cqrs_es::persist::EventUpcaster>> {
    vec![]
}

impl From<AggregateError<CaseError>> for ExecuteError {
    fn from(error: AggregateError<CaseError>) -> Self {
        match error {
            AggregateError::UserError(error) => Self::Case(error),
            AggregateError::AggregateConflict => Self::Contended("conflict".into()),
            AggregateError::DatabaseConnectionError(error) => Self::of_database(error),
            AggregateError::DeserializationError(error) => Self::Fault(error.to_string()),
            AggregateError::UnexpectedError(error) => match error.downcast::<LeaseLost>() {
                Ok(lost) => Self::LeaseLost(*lost),
                Err(error) => Self::of_database(error),
            },
        }
    }
}

impl ExecuteError {
    /// The framework sorts errors of the database by their type alone: a server that shuts down would be a fault of
    /// ours, and a value that it cannot store would be an outage.
    fn of_database(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        match error.downcast_ref::<sqlx::Error>() {
            Some(error) => match database::failure_kind(error) {
                FailureKind::Conflict => Self::Contended(error.to_string()),
                FailureKind::Outage | FailureKind::StaleConnection => Self::Unavailable(error.to_string()),
                FailureKind::Statement => Self::Fault(error.to_string()),
            },
            None => Self::Fault(error.to_string()),
        }
    }
}
