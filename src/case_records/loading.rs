//! Reading through to Delius, and caching the answer.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    document::{Origin, RecordAnswer, RenderedRecord},
    memory::{ReadStart, RecordMemory},
    reader::{Inner, ReadThroughResult, Unavailable, matched},
    source::RecordReading,
    store::{self, GenerationMark},
};
use crate::{
    case::{Crn, PersonId},
    delius::records::CaseFacts,
};

/// How often a read-through is repeated when an invalidation arrives while it runs.
const ATTEMPTS: usize = 3;

/// Generation of a record that is served once and not cached.
const NOT_KEPT: i64 = i64::MIN;

impl Inner {
    /// Reads through to Delius and caches the answer. When an invalidation arrived meanwhile it reads again, so that a
    /// caller that joined after the invalidation does not get an answer from before it.
    pub(super) async fn load(&self, people: Vec<PersonId>) -> ReadThroughResult {
        let mut answers = HashMap::new();
        for _ in 0..ATTEMPTS {
            let before = RecordMemory::before(&self.coherence);
            let mark = self.mark().await;
            let readings = self.read_source(&people).await?;
            let (documents, invalidated_since) = self.keep(readings, mark).await?;
            answers = matched(&people, documents, Origin::Delius);
            self.hold(&people, &answers, before).await;
            self.drop_unknown(&people, &answers).await;
            if !invalidated_since {
                break;
            }
        }
        Ok(Arc::new(answers))
    }

    /// Reads through to Delius for a caller who wants nothing cached. The answer is as new as its request, so it does not
    /// wait for the store: it is cached behind the answer, where there is room for that. Where there is none, the store is
    /// not asked at all.
    pub(super) async fn read_through(self: &Arc<Self>, people: Vec<PersonId>) -> ReadThroughResult {
        let before = RecordMemory::before(&self.coherence);
        let place = Arc::clone(&self.caching).try_acquire_owned().ok();
        let mark = match place {
            Some(_) => self.mark().await,
            None => None,
        };
        let at = mark.map_or_else(Utc::now, |mark| mark.at);
        let readings = self.read_source(&people).await?;
        let documents = readings.iter().map(|reading| rendered(reading.clone(), at, NOT_KEPT));
        let answers = Arc::new(matched(&people, documents.collect::<Result<_, _>>()?, Origin::Delius));
        if let (Some(mark), Some(place)) = (mark, place) {
            let this = Arc::clone(self);
            tokio::spawn(async move {
                // What cannot be cached is served all the same, and has been.
                if let Ok((documents, _)) = this.keep(readings, Some(mark)).await {
                    let answers = matched(&people, documents, Origin::Delius);
                    this.hold(&people, &answers, before).await;
                    this.drop_unknown(&people, &answers).await;
                }
                drop(place);
            });
        }
        Ok(answers)
    }

    /// The point before a read, if the store answers.
    async fn mark(&self) -> Option<GenerationMark> {
        let mark = store::mark(&self.marks).await.inspect_err(|error| {
            tracing::warn!(%error, "the store did not answer; the record is served and not cached");
        });
        mark.ok()
    }

    async fn read_source(&self, people: &[PersonId]) -> Result<Vec<RecordReading>, Unavailable> {
        match tokio::time::timeout(self.config.load_timeout, self.source.read(people)).await {
            Ok(Ok(readings)) => {
                self.outage.answered();
                Ok(readings)
            }
            Ok(Err(error)) => {
                self.outage.failed();
                tracing::warn!(error = &error as &dyn std::error::Error, "Delius did not answer");
                Err(Unavailable)
            }
            Err(_) => {
                self.outage.failed();
                tracing::warn!(
                    limit_ms = self.config.load_timeout.as_millis(),
                    "Delius did not answer within the limit"
                );
                Err(Unavailable)
            }
        }
    }

    /// The records to serve, and whether an invalidation arrived for any of them during the read.
    async fn keep(
        &self,
        readings: Vec<RecordReading>,
        mark: Option<GenerationMark>,
    ) -> Result<(Vec<Arc<RenderedRecord>>, bool), Unavailable> {
        let (generation, at) = mark.map_or((NOT_KEPT, Utc::now()), |it| (it.generation, it.at));
        let (kept, invalidated_since) = match mark {
            Some(mark) => self.store_marked(&readings, mark).await,
            None => (vec![], false),
        };
        let document = |reading: RecordReading| {
            let generation = if kept.contains(&reading.facts.record.crn) { generation } else { NOT_KEPT };
            rendered(reading, at, generation)
        };
        Ok((readings.into_iter().map(document).collect::<Result<_, _>>()?, invalidated_since))
    }

    /// Which cases were cached, and whether an invalidation (or a later read) came first for any of them. What the store
    /// does not hold must not be held in memory either: an invalidation by NOMS number reaches only stored cases.
    async fn store_marked(&self, readings: &[RecordReading], mark: GenerationMark) -> (Vec<Crn>, bool) {
        let all: Vec<&CaseFacts> = readings.iter().map(|it| &it.facts).collect();
        let complete: Vec<&CaseFacts> =
            readings.iter().filter(|it| it.complete).map(|it| &it.facts).collect();
        let kept = async {
            let kept = match complete[..] {
                [] => vec![],
                _ => store::keep(&self.store, mark, &complete).await?,
            };
            let outdated = store::invalidated_since(&self.store, mark, &all).await?;
            let (outdated_kept, kept): (Vec<Crn>, Vec<Crn>) =
                kept.into_iter().partition(|it| outdated.contains(it));
            if !outdated_kept.is_empty() {
                let people: Vec<_> = outdated_kept.iter().cloned().map(PersonId::Crn).collect();
                store::drop_cached(&self.store, &people).await?;
            }
            let refused = kept.len() < complete.len();
            Ok::<_, sqlx::Error>((kept, refused || !outdated.is_empty()))
        };
        kept.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the store did not answer; the record is served and not cached");
            (vec![], false)
        })
    }

    async fn hold(&self, people: &[PersonId], answers: &HashMap<PersonId, RecordAnswer>, before: ReadStart) {
        for person in people {
            match answers.get(person) {
                Some(RecordAnswer::Found(document, _)) if document.generation != NOT_KEPT => {
                    self.memory.hold(person, document, before).await;
                }
                Some(_) => {}
                None => self.memory.hold_not_found(person, before).await,
            }
        }
    }

    /// Cached records of people whom Delius does not know (any more) must not be served again.
    async fn drop_unknown(&self, people: &[PersonId], answers: &HashMap<PersonId, RecordAnswer>) {
        let unknown: Vec<_> = people.iter().filter(|it| !answers.contains_key(it)).cloned().collect();
        if unknown.is_empty() {
            return;
        }
        if let Err(error) = store::drop_unknown(&self.store, &unknown).await {
            tracing::warn!(%error, "the store did not answer; cached records of unknown people stay");
        }
    }
}

fn rendered(
    reading: RecordReading,
    at: DateTime<Utc>,
    generation: i64,
) -> Result<Arc<RenderedRecord>, Unavailable> {
    RenderedRecord::new(reading.facts, at, generation).map(Arc::new).map_err(|_| Unavailable)
}
