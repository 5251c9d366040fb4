//! Reading a case record: from memory, from the store, or through to Delius.

use std::{collections::HashMap, sync::Arc};

use sqlx::PgPool;

use super::{
    CaseRecordsConfig, FeedHealth, Source,
    coherence::Coherence,
    document::{Answer, Document, Origin},
    flights::{Abandoned, Flights},
    memory::{Before, Memory, Recall},
    source::Reading,
    store::{self, Mark},
};
use crate::{case::PersonId, delius::records::CaseFacts};

/// How fresh an answer the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// One that is known to be current; a stale one, marked as such, while Delius gives none.
    Current,
    /// Straight from Delius, whatever is kept.
    ReadThrough,
}

/// The answer cannot be had: Delius gave none, and nothing is kept that may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be had at the moment")]
pub struct Unavailable;

/// Outcome of one read-through: the answers by person, or none at all.
type Loaded = Result<Arc<HashMap<PersonId, Answer>>, Unavailable>;

impl From<Abandoned> for Loaded {
    fn from(_: Abandoned) -> Self {
        Err(Unavailable)
    }
}

/// A read-through overtaken by an invalidation is made again, this often.
const ATTEMPTS: usize = 3;

/// The case records, cached coherently over all replicas.
pub struct CaseRecords {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: PgPool,
    pub(super) source: Arc<dyn Source>,
    pub(super) coherence: Coherence,
    pub(super) memory: Memory,
    pub(super) flights: Flights<Loaded>,
    pub(super) config: CaseRecordsConfig,
}

impl CaseRecords {
    /// Keeps records in `store` and reads them from `source`. Until [`CaseRecords::watch`] runs, every read goes
    /// through to the source.
    pub fn new(store: PgPool, source: Arc<dyn Source>, config: CaseRecordsConfig) -> Self {
        let (coherence, memory) = (Coherence::new(config.clone()), Memory::new(&config));
        let inner = Inner { store, source, coherence, memory, flights: Flights::new(), config };
        Self { inner: Arc::new(inner) }
    }

    /// How current the change feed is, as far as this replica knows.
    pub fn feed_health(&self) -> FeedHealth {
        self.inner.coherence.feed()
    }

    /// Whether invalidations reach this replica.
    pub fn hears_invalidations(&self) -> bool {
        self.inner.coherence.hears()
    }

    /// What is known of one person.
    ///
    /// # Errors
    /// [`Unavailable`] when neither Delius nor what is kept can answer.
    pub async fn read(&self, person: &PersonId, demand: Demand) -> Result<Answer, Unavailable> {
        let inner = &self.inner;
        if demand == Demand::Current {
            if let Some(answer) = inner.recall(person).await {
                return Ok(answer);
            }
            let kept = inner.fetch(std::slice::from_ref(person)).await;
            if let Some(answer) = kept.get(person) {
                return Ok(answer.clone());
            }
        }
        let people = vec![person.clone()];
        let reading = Arc::clone(inner);
        let loaded = match demand {
            Demand::Current => {
                inner.flights.join(person, move || async move { reading.load(people).await }).await
            }
            Demand::ReadThrough => inner.load(people).await,
        };
        match (loaded, demand) {
            (Ok(answers), _) => Ok(answers.get(person).cloned().unwrap_or(Answer::NotFound)),
            (Err(_), Demand::Current) => {
                let stale = inner.stale(std::slice::from_ref(person)).await;
                stale.get(person).cloned().ok_or(Unavailable)
            }
            (Err(error), Demand::ReadThrough) => Err(error),
        }
    }

    /// What is known of several people: one question to the store and one to Delius for all that memory cannot say.
    ///
    /// # Errors
    /// [`Unavailable`] when there is one among them about whom nothing can be said.
    pub async fn read_all(
        &self,
        people: &[PersonId],
        demand: Demand,
    ) -> Result<HashMap<PersonId, Answer>, Unavailable> {
        let inner = &self.inner;
        let (mut answers, mut open) = (HashMap::new(), Vec::new());
        for person in people {
            match if demand == Demand::Current { inner.recall(person).await } else { None } {
                Some(answer) => drop(answers.insert(person.clone(), answer)),
                None => open.push(person.clone()),
            }
        }
        if demand == Demand::Current && !open.is_empty() {
            answers.extend(inner.fetch(&open).await);
            open.retain(|person| !answers.contains_key(person));
        }
        if open.is_empty() {
            return Ok(answers);
        }
        match inner.load(open.clone()).await {
            Ok(loaded) => {
                let answer = |person: PersonId| {
                    let answer = loaded.get(&person).cloned().unwrap_or(Answer::NotFound);
                    (person, answer)
                };
                answers.extend(open.into_iter().map(answer));
            }
            Err(error) if demand == Demand::ReadThrough => return Err(error),
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
    async fn recall(&self, person: &PersonId) -> Option<Answer> {
        match self.memory.recall(person, &self.coherence).await {
            Recall::Document(document) => Some(Answer::to(person, document, Origin::Memory)),
            Recall::NotFound => Some(Answer::NotFound),
            Recall::Nothing => None,
        }
    }

    /// What the store keeps and the state of the feed allows to be served.
    async fn fetch(&self, people: &[PersonId]) -> HashMap<PersonId, Answer> {
        if self.coherence.feed() != FeedHealth::Current {
            return HashMap::new();
        }
        let before = Memory::before(&self.coherence);
        match store::fetch(&self.store, people).await {
            Ok(kept) => {
                let fresh =
                    kept.into_iter().filter(|it| it.age() <= self.config.max_age).map(Arc::new).collect();
                let answers = matched(people, fresh, Origin::Store);
                for (person, answer) in &answers {
                    if let Answer::Found(document, _) = answer {
                        self.memory.hold(person, document, before).await;
                    }
                }
                answers
            }
            Err(error) => {
                tracing::warn!(%error, "the store of case records gives no answer; reading through to Delius");
                HashMap::new()
            }
        }
    }

    /// Reads through to Delius and keeps what came, unless an invalidation overtook it; then it reads again, so that
    /// whoever joined after the invalidation is not given what was read before it.
    async fn load(&self, people: Vec<PersonId>) -> Loaded {
        let mut answers = HashMap::new();
        for _ in 0..ATTEMPTS {
            let before = Memory::before(&self.coherence);
            let mark = store::mark(&self.store).await.inspect_err(|error| {
                tracing::warn!(%error, "the store of case records gives no answer; what is read is not kept");
            });
            let readings = self.read_source(&people).await?;
            let (documents, overtaken) = self.keep(readings, mark.ok()).await?;
            answers = matched(&people, documents, Origin::Delius);
            self.hold(&people, &answers, before).await;
            self.drop_unknown(&people, &answers).await;
            if !overtaken {
                break;
            }
        }
        Ok(Arc::new(answers))
    }

    async fn read_source(&self, people: &[PersonId]) -> Result<Vec<Reading>, Unavailable> {
        match tokio::time::timeout(self.config.load_timeout, self.source.read(people)).await {
            Ok(Ok(readings)) => Ok(readings),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "Delius gives no answer");
                Err(Unavailable)
            }
            Err(_) => {
                tracing::warn!(
                    limit_ms = self.config.load_timeout.as_millis(),
                    "Delius takes too long to answer"
                );
                Err(Unavailable)
            }
        }
    }

    /// The documents of what was read, and whether an invalidation overtook any of it.
    async fn keep(
        &self,
        readings: Vec<Reading>,
        mark: Option<Mark>,
    ) -> Result<(Vec<Arc<Document>>, bool), Unavailable> {
        let complete: Vec<&CaseFacts> =
            readings.iter().filter(|it| it.complete).map(|it| &it.facts).collect();
        let kept = match mark {
            Some(mark) if !complete.is_empty() => store::keep(&self.store, mark, &complete).await.ok(),
            _ => None,
        };
        let overtaken = kept.as_ref().is_some_and(|kept| kept.len() < complete.len());
        let (generation, at) = mark.map_or((NOT_KEPT, chrono::Utc::now()), |it| (it.generation, it.at));
        let document = |reading: Reading| {
            let refused = kept.as_ref().is_some_and(|kept| !kept.contains(&reading.facts.record.crn));
            let generation = if reading.complete && !refused { generation } else { NOT_KEPT };
            Document::new(reading.facts, at, generation).map(Arc::new).map_err(|_| Unavailable)
        };
        Ok((readings.into_iter().map(document).collect::<Result<_, _>>()?, overtaken))
    }

    async fn hold(&self, people: &[PersonId], answers: &HashMap<PersonId, Answer>, before: Before) {
        for person in people {
            match answers.get(person) {
                Some(Answer::Found(document, _)) if document.generation != NOT_KEPT => {
                    self.memory.hold(person, document, before).await;
                }
                Some(_) => {}
                None => self.memory.hold_not_found(person, before).await,
            }
        }
    }

    /// What is kept of people whom Delius does not know (any more) must not be served again.
    async fn drop_unknown(&self, people: &[PersonId], answers: &HashMap<PersonId, Answer>) {
        let unknown: Vec<_> = people.iter().filter(|it| !answers.contains_key(it)).cloned().collect();
        if unknown.is_empty() {
            return;
        }
        if let Err(error) = store::drop_unknown(&self.store, &unknown).await {
            tracing::warn!(%error, "the store of case records gives no answer; what it keeps of unknown people stays");
        }
    }

    /// The last that was known of these people, up to the limit. The store is asked first: it knows what was dropped.
    async fn stale(&self, people: &[PersonId]) -> HashMap<PersonId, Answer> {
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
        let within = documents.into_iter().filter(|it: &Arc<Document>| it.age() <= self.config.stale_limit);
        matched(people, within.collect(), Origin::Stale)
    }
}

/// Generation of a document that is served once and not kept.
const NOT_KEPT: i64 = i64::MIN;

/// Who is who. A NOMS number that leads to several people leads to none.
fn matched(people: &[PersonId], documents: Vec<Arc<Document>>, origin: Origin) -> HashMap<PersonId, Answer> {
    let mut answers = HashMap::new();
    for person in people {
        let mut of_person = documents.iter().filter(|it| it.is(person));
        match (of_person.next(), of_person.next()) {
            (Some(document), None) => {
                answers.insert(person.clone(), Answer::to(person, Arc::clone(document), origin));
            }
            (Some(_), Some(_)) => drop(answers.insert(person.clone(), Answer::Shared)),
            (None, _) => {}
        }
    }
    answers
}
