//! The event store: the append-only streams of all cases.
//!
//! A command is executed by loading the case, letting it decide and appending what it decided. When another change of the
//! case comes first, the append fails as a conflict and the command is decided again on the new state.
//!
//! The framework (cqrs-es) gives the aggregate and its test kit, and postgres-es reads whole streams. Appends and the
//! loading for commands are our own statements: events, outbox rows and receipt have to be one transaction, and what
//! many cases need at the same moment is one round trip.
//!
//! Architecture invariant: nothing outside this room writes to the table `events`.

mod append;
mod batcher;
pub(crate) mod cases;
mod cause;
pub(crate) mod directory;
pub(crate) mod effects;
mod failure;
pub mod fates;
pub mod identities;
mod known;
mod load;
pub mod reader;
pub mod receipts;
mod turns;
pub mod unreflected;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cqrs_es::{
    Aggregate, AggregateError, EventEnvelope, EventStore, event_sink::EventSink, persist::PersistedEventStore,
};
use postgres_es::PostgresEventRepository;
use sqlx::PgPool;
use tokio::sync::Notify;

pub use self::{
    cases::cases,
    cause::Cause,
    directory::{StoredStaffDirectory, reflectable},
    failure::ExecuteError,
    identities::StoredIdentities,
    load::MessageStanding,
};

use self::{
    append::{Append, AppendError},
    batcher::Batcher,
    failure::{FailedCommand, StoreError},
    known::{KnownCase, KnownCases},
    load::{CaseAnswer, CaseQuestion},
    turns::Turns,
};
use crate::{
    breakers::{STORE, answer_of},
    case::{Case, CaseCommand, CaseError, CaseEvent, CaseServices, NomsNumber},
    database::{self, KeptConnections},
    retry::Backoff,
    trace,
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

/// Between two attempts at a command that lost against another change of its case.
const CONFLICT_PAUSES: Backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(256));

/// Appends and questions that go to the store in one statement at most.
const AT_ONCE: usize = 32;
/// Statements of either kind under way at the same time.
const WORKERS: usize = 2;
/// A message waits so long for the one before it in its case. Then it goes ahead, so that a case whose answers never come
/// does not keep the workers of all others waiting: a turn saves work, and is not needed to be right.
const TURN: Duration = Duration::from_secs(2);
/// Other processes are told of appends this often at most: `NOTIFY` takes a lock of the whole server at the commit.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(50);

/// The event store of the cases.
pub struct CaseStore {
    services: CaseServices,
    pool: PgPool,
    keeps_notices: bool,
    known: KnownCases,
    turns: Turns,
    batchers: OnceLock<Batchers>,
    appended: Arc<Notify>,
    announcement: Arc<AtomicBool>,
}

struct Batchers {
    appends: Batcher<Append, Result<(), AppendError>>,
    questions: Batcher<CaseQuestion, Result<CaseAnswer, StoreError>>,
}

impl CaseStore {
    /// A store on the pool, deciding with the services.
    pub fn new(pool: PgPool, services: CaseServices) -> Self {
        Self {
            services,
            pool,
            keeps_notices: false,
            known: KnownCases::new(),
            turns: Turns::default(),
            batchers: OnceLock::new(),
            appended: Arc::new(Notify::new()),
            announcement: Arc::default(),
        }
    }

    /// A store that also keeps notices of applied writes for the outcome topic, in the transactions that record them.
    pub fn announcing(pool: PgPool, services: CaseServices) -> Self {
        Self { keeps_notices: true, ..Self::new(pool, services) }
    }

    /// Signalled after every append of this process; other processes are told by `NOTIFY`.
    pub fn appended(&self) -> Arc<Notify> {
        Arc::clone(&self.appended)
    }

    /// The pool of the store's database.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// What became of a message so far. The case that it may be about is read by the same question, so that a command to
    /// it need not be preceded by another one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn standing(
        &self,
        message_id: &str,
        noms: Option<&NomsNumber>,
    ) -> Result<MessageStanding, ExecuteError> {
        let known = match noms {
            Some(noms) => self.known.find(noms).await.unwrap_or_default(),
            None => Arc::default(),
        };
        let question = CaseQuestion {
            message_id: Some(message_id.to_owned()),
            noms: noms.cloned(),
            known: known.sequence,
        };
        let CaseAnswer { standing, events } = self.ask(question).await?;
        if let Some(noms) = noms {
            self.known.keep(noms, grown(known, events)).await;
        }
        Ok(standing)
    }

    /// Executes a command, again on every conflict; answers the events that were appended, none for a message that was
    /// recorded before. The cause is stored with each event.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute(
        &self,
        noms: &NomsNumber,
        command: CaseCommand,
        cause: Cause,
    ) -> Result<Vec<CaseEvent>, ExecuteError> {
        // The outcome of a write does not wait for a message that waits for Manage POM Cases.
        let _turn = match cause {
            Cause::Message(_) => tokio::time::timeout(TURN, self.turns.take(noms)).await.ok(),
            Cause::NoMessage => None,
        };
        let mut known = self.known.find(noms).await;
        for conflicts in 0..=MAX_CONFLICTS {
            // What is remembered may be old: another process may have appended since. An append notices that by itself; a
            // decision to append nothing, or to refuse the command, has to be taken again on what the store has. A message
            // was preceded by a question that brought the memory up to date.
            let remembered = known.is_some() && matches!(cause, Cause::NoMessage);
            let current = match known.take() {
                Some(known) => known,
                None => self.read(noms).await?,
            };
            match self.attempt(noms, current, command.clone(), cause.clone()).await {
                Ok(nothing) if remembered && nothing.is_empty() => self.known.forget(noms).await,
                Err(FailedCommand::Failed(ExecuteError::Case(CaseError::NotAllowed { .. })))
                    if remembered =>
                {
                    self.known.forget(noms).await;
                }
                Err(FailedCommand::Conflict) => {
                    self.known.forget(noms).await;
                    tokio::time::sleep(CONFLICT_PAUSES.after(conflicts + 1)).await;
                }
                Ok(appended) => return Ok(appended),
                Err(FailedCommand::Failed(error)) => {
                    self.known.forget(noms).await;
                    return Err(error);
                }
            }
        }
        Err(ExecuteError::Contended("other changes of the case came first each time".into()))
    }

    async fn attempt(
        &self,
        noms: &NomsNumber,
        current: Arc<KnownCase>,
        command: CaseCommand,
        cause: Cause,
    ) -> Result<Vec<CaseEvent>, FailedCommand> {
        let KnownCase { sequence, mut case } = Arc::unwrap_or_clone(current);
        let sink = EventSink::default();
        case.handle(command, &self.services, &sink).await.map_err(ExecuteError::from)?;
        let events = sink.collect().await;
        if events.is_empty() {
            return Ok(vec![]);
        }
        let outcome = events.iter().any(|event| event.write_result().is_some());
        let append = Append {
            noms: noms.clone(),
            expected_sequence: sequence,
            events: events.clone(),
            cause,
            trace: trace::current(),
            keeps_notices: self.keeps_notices,
        };
        let appended = answer_of(STORE, self.batchers().appends.submit(append)).await;
        appended.unwrap_or_else(|| Err(StoreError::Fault("the append panicked".into()).into()))?;
        if outcome {
            failpoint!("outcome_recorded");
        } else {
            failpoint!("appended");
        }
        // The case took in its events while it decided.
        self.known.keep(noms, Arc::new(KnownCase { sequence: sequence + events.len() as u64, case })).await;
        self.announce();
        Ok(events)
    }

    /// The case as the store has it.
    async fn read(&self, noms: &NomsNumber) -> Result<Arc<KnownCase>, ExecuteError> {
        let question = CaseQuestion { message_id: None, noms: Some(noms.clone()), known: 0 };
        let CaseAnswer { events, .. } = self.ask(question).await?;
        Ok(grown(Arc::default(), events))
    }

    async fn ask(&self, question: CaseQuestion) -> Result<CaseAnswer, ExecuteError> {
        let answer = answer_of(STORE, self.batchers().questions.submit(question)).await;
        Ok(answer.unwrap_or_else(|| Err(StoreError::Fault("the question panicked".into())))?)
    }

    /// Started by the first command, because only then there is surely a runtime.
    fn batchers(&self) -> &Batchers {
        self.batchers.get_or_init(|| {
            // One for each worker.
            let connections = || KeptConnections::sharing(self.pool.clone(), WORKERS as u32);
            let (writes, reads) = (connections(), connections());
            Batchers {
                appends: Batcher::start(WORKERS, AT_ONCE, move |appends| {
                    let store = writes.clone();
                    async move { append::batch(&store, appends).await }
                }),
                questions: Batcher::start(WORKERS, AT_ONCE, move |questions| {
                    let store = reads.clone();
                    async move { load::batch(&store, questions).await }
                }),
            }
        })
    }

    /// Wakes who waits for events, in this process at once and in others soon. A lost wake-up costs a poll interval,
    /// nothing else.
    fn announce(&self) {
        self.appended.notify_waiters();
        if self.announcement.swap(true, Ordering::AcqRel) {
            return;
        }
        let (pool, announcement) = (self.pool.clone(), Arc::clone(&self.announcement));
        tokio::spawn(async move {
            tokio::time::sleep(ANNOUNCE_EVERY).await;
            // First: an append after this announces itself again.
            announcement.store(false, Ordering::Release);
            let told = sqlx::query("select pg_notify('events_appended', '')").execute(&pool);
            if let Err(error) = database::in_time(told).await {
                tracing::debug!(%error, "could not announce appends to other processes; they poll");
            }
        });
    }

    /// The state of a case.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn case(&self, noms: &NomsNumber) -> Result<Case, ExecuteError> {
        let mut case = Case::default();
        self.load(noms).await?.into_iter().for_each(|event| case.apply(event.payload));
        Ok(case)
    }

    /// Every event of a case, in order; empty for an unknown case.
    ///
    /// # Errors
    /// When the store does not answer, or an event cannot be read.
    pub async fn load(&self, noms: &NomsNumber) -> Result<Vec<EventEnvelope<Case>>, ExecuteError> {
        // Never the snapshot or aggregate stores of the framework: they apply events twice.
        let store: PersistedEventStore<_, Case> =
            PersistedEventStore::new_event_store(PostgresEventRepository::new(self.pool.clone()));
        let store = store.with_upcasters(upcasters());
        let loaded = tokio::time::timeout(database::ANSWER, store.load_events(noms.as_str())).await;
        let late = |_| Err(AggregateError::DatabaseConnectionError(Box::new(database::no_answer())));
        Ok(loaded.unwrap_or_else(late)?)
    }
}

/// Appends events to a case whose last event has this sequence, without deciding anything: for samples and measurements.
///
/// # Errors
/// When the case has other events than expected, or the store does not answer.
pub async fn append(
    pool: &PgPool,
    noms: &NomsNumber,
    expected_sequence: u64,
    events: &[CaseEvent],
    cause: Cause,
) -> Result<(), ExecuteError> {
    let append = Append {
        noms: noms.clone(),
        expected_sequence,
        events: events.to_vec(),
        cause,
        trace: None,
        keeps_notices: false,
    };
    let appended = append::batch(&KeptConnections::sharing(pool.clone(), 1), vec![append]).await.pop();
    match appended.unwrap_or(Ok(())).map_err(FailedCommand::from) {
        Ok(()) => Ok(()),
        Err(FailedCommand::Conflict) => Err(ExecuteError::Contended("the case has other events".into())),
        Err(FailedCommand::Failed(error)) => Err(error),
    }
}

/// The case with these events as well.
fn grown(known: Arc<KnownCase>, events: Vec<CaseEvent>) -> Arc<KnownCase> {
    if events.is_empty() {
        return known;
    }
    let mut known = Arc::unwrap_or_clone(known);
    for event in events {
        known.sequence += 1;
        known.case.apply(event);
    }
    Arc::new(known)
}

/// Lifts stored events of older versions to the present shape, oldest version first. There is only one version
/// so far.
fn upcasters() -> Vec<Box<dyn cqrs_es::persist::EventUpcaster>> {
    vec![]
}
