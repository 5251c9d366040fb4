//! Reading a case record: from memory, from the store, or through to Delius.

use std::{collections::HashMap, sync::Arc};

use sqlx::PgPool;
use tokio::sync::Semaphore;

use super::{
    CaseRecordsConfig, FeedHealth, RecordSource,
    coherence::Coherence,
    document::{Origin, RecordAnswer, RenderedRecord},
    memory::{MemoryAnswer, RecordMemory},
    outage::Outage,
    single_flight::{ReadAbandoned, SingleFlight},
    store,
};
use crate::{case::PersonId, database::KeptConnections};

/// Records that are cached behind the answers of read-throughs at the same time. Past that, answers are not cached.
const CACHED_BEHIND: usize = 8;

/// How fresh an answer the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreshnessDemand {
    /// A record that is known to be current; a stale one, marked as such, while Delius does not answer.
    Current,
    /// Read through to Delius, whatever is cached.
    ReadThrough,
}

/// Delius did not answer, and no cached record may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer is available at the moment")]
pub struct Unavailable;

/// Outcome of one read-through: the answers by person, or none at all.
pub(super) type ReadThroughResult = Result<Arc<HashMap<PersonId, RecordAnswer>>, Unavailable>;

impl From<ReadAbandoned> for ReadThroughResult {
    fn from(_: ReadAbandoned) -> Self {
        Err(Unavailable)
    }
}

/// The case records, cached coherently over all replicas.
pub struct CaseRecords {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: PgPool,
    /// Connections to the store for the question that comes before every read.
    pub(super) marks: KeptConnections,
    pub(super) source: Arc<dyn RecordSource>,
    pub(super) coherence: Coherence,
    pub(super) memory: RecordMemory,
    pub(super) flights: SingleFlight<ReadThroughResult>,
    pub(super) outage: Outage,
    /// Places for what is cached behind an answer.
    pub(super) caching: Arc<Semaphore>,
    pub(super) config: CaseRecordsConfig,
}

impl CaseRecords {
    /// Caches records in `store` and reads them from `source`. Until [`CaseRecords::watch`] runs, every read goes through
    /// to the source.
    pub fn new(store: PgPool, source: Arc<dyn RecordSource>, config: CaseRecordsConfig) -> Self {
        let (coherence, memory) = (Coherence::new(config.clone()), RecordMemory::new(&config));
        let inner = Inner {
            marks: KeptConnections::sharing(store.clone(), 2),
            store,
            source,
            coherence,
            memory,
            flights: SingleFlight::new(),
            outage: Outage::new(config.load_timeout),
            caching: Arc::new(Semaphore::new(CACHED_BEHIND)),
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// How current the change feed is, as far as this replica knows.
    pub fn feed_health(&self) -> FeedHealth {
        self.inner.coherence.feed()
    }

    /// Whether invalidations reach this replica.
    pub fn receives_invalidations(&self) -> bool {
        self.inner.coherence.receives_invalidations()
    }

    /// Whether every answer that is cached behind its read-through has been.
    pub fn is_idle(&self) -> bool {
        self.inner.caching.available_permits() == CACHED_BEHIND
    }

    pub(super) fn store(&self) -> &PgPool {
        &self.inner.store
    }

    /// The record of the person who has the identifier in Delius now.
    pub(super) async fn read_present(
        &self,
        person: &PersonId,
        demand: FreshnessDemand,
    ) -> Result<RecordAnswer, Unavailable> {
        let inner = &self.inner;
        if demand == FreshnessDemand::Current {
            if let Some(answer) = inner.recall(person).await {
                return Ok(answer);
            }
            let kept = inner.fetch(std::slice::from_ref(person)).await;
            if let Some(answer) = kept.get(person) {
                return Ok(answer.clone());
            }
            if inner.outage.is_ongoing()
                && let Some(stale) = inner.stale(std::slice::from_ref(person)).await.remove(person)
            {
                return Ok(stale);
            }
        }
        let people = vec![person.clone()];
        let reading = Arc::clone(inner);
        let loaded = match demand {
            FreshnessDemand::Current => {
                inner.flights.join(person, move || async move { reading.load(people).await }).await
            }
            FreshnessDemand::ReadThrough => inner.read_through(people).await,
        };
        match (loaded, demand) {
            (Ok(answers), _) => Ok(answers.get(person).cloned().unwrap_or(RecordAnswer::NotFound)),
            (Err(_), FreshnessDemand::Current) => {
                let stale = inner.stale(std::slice::from_ref(person)).await;
                stale.get(person).cloned().ok_or(Unavailable)
            }
            (Err(error), FreshnessDemand::ReadThrough) => Err(error),
        }
    }

    pub(super) async fn read_all_present(
        &self,
        people: &[PersonId],
        demand: FreshnessDemand,
    ) -> Result<HashMap<PersonId, RecordAnswer>, Unavailable> {
        let inner = &self.inner;
        let (mut answers, mut open) = (HashMap::new(), Vec::new());
        for person in people {
            match if demand == FreshnessDemand::Current { inner.recall(person).await } else { None } {
                Some(answer) => drop(answers.insert(person.clone(), answer)),
                None => open.push(person.clone()),
            }
        }
        if demand == FreshnessDemand::Current && !open.is_empty() {
            answers.extend(inner.fetch(&open).await);
            open.retain(|person| !answers.contains_key(person));
        }
        if demand == FreshnessDemand::Current && !open.is_empty() && inner.outage.is_ongoing() {
            let stale = inner.stale(&open).await;
            if stale.len() == open.len() {
                answers.extend(stale);
                open.clear();
            }
        }
        if open.is_empty() {
            return Ok(answers);
        }
        let loaded = match demand {
            FreshnessDemand::Current => inner.load(open.clone()).await,
            FreshnessDemand::ReadThrough => inner.read_through(open.clone()).await,
        };
        match loaded {
            Ok(loaded) => {
                let answer = |person: PersonId| {
                    let answer = loaded.get(&person).cloned().unwrap_or(RecordAnswer::NotFound);
                    (person, answer)
                };
                answers.extend(open.into_iter().map(answer));
            }
            Err(error) if demand == FreshnessDemand::ReadThrough => return Err(error),
            Err(error) => {
                let stale = inner.stale(&open).await;
                for person in open {
                    let answer = stale.get(&person).cloned().ok_or(error)?;
                    answers.insert(person, answer);
                }
            }
        }
        Ok(answers)
    }
}

impl Inner {
    async fn recall(&self, person: &PersonId) -> Option<RecordAnswer> {
        match self.memory.recall(person, &self.coherence).await {
            MemoryAnswer::RenderedRecord(document) => {
                Some(RecordAnswer::to(person, document, Origin::Memory))
            }
            MemoryAnswer::NotFound => Some(RecordAnswer::NotFound),
            MemoryAnswer::Nothing => None,
        }
    }

    /// Records from the store, as far as the state of the feed allows them to be served.
    async fn fetch(&self, people: &[PersonId]) -> HashMap<PersonId, RecordAnswer> {
        if self.coherence.feed() != FeedHealth::Current {
            return HashMap::new();
        }
        let before = RecordMemory::before(&self.coherence);
        match store::fetch(&self.store, people).await {
            Ok(kept) => {
                let fresh =
                    kept.into_iter().filter(|it| it.age() <= self.config.max_age).map(Arc::new).collect();
                let answers = matched(people, fresh, Origin::Store);
                for (person, answer) in &answers {
                    if let RecordAnswer::Found(document, _) = answer {
                        self.memory.hold(person, document, before).await;
                    }
                }
                answers
            }
            Err(error) => {
                tracing::warn!(%error, "the store did not answer; reading through to Delius");
                HashMap::new()
            }
        }
    }

    /// The last records of these people, up to the age limit. The store is asked first: it knows what was invalidated.
    async fn stale(&self, people: &[PersonId]) -> HashMap<PersonId, RecordAnswer> {
        let documents = match store::fetch(&self.store, people).await {
            Ok(kept) => kept.into_iter().map(Arc::new).collect(),
            Err(_) => {
                let mut held = Vec::new();
                for person in people {
                    held.extend(self.memory.recall_stale(person, &self.coherence).await);
                }
                held
            }
        };
        let within =
            documents.into_iter().filter(|it: &Arc<RenderedRecord>| it.age() <= self.config.stale_limit);
        matched(people, within.collect(), Origin::Stale)
    }
}

/// The answers by the identifier that was asked for. A NOMS number of several people gives no record.
pub(super) fn matched(
    people: &[PersonId],
    documents: Vec<Arc<RenderedRecord>>,
    origin: Origin,
) -> HashMap<PersonId, RecordAnswer> {
    let mut answers = HashMap::new();
    for person in people {
        let mut of_person = documents.iter().filter(|it| it.is(person));
        match (of_person.next(), of_person.next()) {
            (Some(document), None) => {
                answers.insert(person.clone(), RecordAnswer::to(person, Arc::clone(document), origin));
            }
            (Some(_), Some(_)) => drop(answers.insert(person.clone(), RecordAnswer::Shared)),
            (None, _) => {}
        }
    }
    answers
}
