//! What this replica holds in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;

use super::{
    CaseRecordsConfig,
    coherence::{Coherence, ListenConnection},
    document::RenderedRecord,
};
use crate::case::PersonId;

/// More invalidations than can ever be received.
const NOT_LOOKED_YET: u64 = u64::MAX;

/// What memory holds for one person.
#[derive(Debug, Clone)]
enum CachedRecord {
    RenderedRecord(Arc<CachedBody>),
    NotFound { invalidations_seen: u64 },
}

#[derive(Debug)]
struct CachedBody {
    document: Arc<RenderedRecord>,
    before: ReadStart,
    /// Count of invalidations when the record was last found to be current. While the count is unchanged nothing has to
    /// be looked up.
    contains: AtomicU64,
}

impl CachedBody {
    /// Whether no invalidation outdates the record.
    async fn contains_all(&self, coherence: &Coherence) -> bool {
        let invalidations_seen = coherence.invalidations_seen(); // read first: an invalidation received meanwhile is found next time
        if self.contains.load(Ordering::SeqCst) == invalidations_seen {
            return true;
        }
        let contains = is_not_outdated(&self.document, self.before, coherence).await;
        if contains {
            self.contains.store(invalidations_seen, Ordering::SeqCst);
        }
        contains
    }
}

/// The answer from memory.
pub(super) enum MemoryAnswer {
    RenderedRecord(Arc<RenderedRecord>),
    NotFound,
    Nothing,
}

/// The state before a read, so that its answer is not taken for newer than it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadStart {
    connection: ListenConnection,
    invalidations_seen: u64,
}

#[derive(Debug)]
pub(super) struct RecordMemory {
    held: Cache<PersonId, CachedRecord>,
    unknown: Cache<PersonId, CachedRecord>,
    max_age: Duration,
}

impl RecordMemory {
    pub(super) fn new(config: &CaseRecordsConfig) -> Self {
        Self {
            held: Cache::builder()
                .max_capacity(config.memory_entries)
                .time_to_live(config.stale_limit)
                .build(),
            unknown: Cache::builder()
                .max_capacity(config.memory_entries)
                .time_to_live(config.negative_age)
                .build(),
            max_age: config.max_age,
        }
    }

    /// Must be taken before a read begins.
    pub(super) fn before(coherence: &Coherence) -> ReadStart {
        ReadStart { connection: coherence.connection(), invalidations_seen: coherence.invalidations_seen() }
    }

    /// What may be served as current.
    pub(super) async fn recall(&self, person: &PersonId, coherence: &Coherence) -> MemoryAnswer {
        if !coherence.may_serve_from_memory() {
            return MemoryAnswer::Nothing;
        }
        match self.held.get(person).await {
            Some(CachedRecord::RenderedRecord(held))
                if held.before.connection == coherence.connection()
                    && held.document.age() <= self.max_age
                    && held.contains_all(coherence).await =>
            {
                return MemoryAnswer::RenderedRecord(Arc::clone(&held.document));
            }
            _ => {}
        }
        match self.unknown.get(person).await {
            Some(CachedRecord::NotFound { invalidations_seen })
                if invalidations_seen == coherence.invalidations_seen() =>
            {
                MemoryAnswer::NotFound
            }
            _ => MemoryAnswer::Nothing,
        }
    }

    /// The last record, current or not; never one that is known to be outdated.
    pub(super) async fn recall_stale(
        &self,
        person: &PersonId,
        coherence: &Coherence,
    ) -> Option<Arc<RenderedRecord>> {
        match self.held.get(person).await? {
            CachedRecord::RenderedRecord(held) if held.contains_all(coherence).await => {
                Some(Arc::clone(&held.document))
            }
            _ => None,
        }
    }

    pub(super) async fn hold(&self, person: &PersonId, document: &Arc<RenderedRecord>, before: ReadStart) {
        let held =
            CachedBody { document: Arc::clone(document), before, contains: AtomicU64::new(NOT_LOOKED_YET) };
        self.held.insert(person.clone(), CachedRecord::RenderedRecord(Arc::new(held))).await;
    }

    pub(super) async fn hold_not_found(&self, person: &PersonId, before: ReadStart) {
        self.held.invalidate(person).await;
        self.unknown
            .insert(person.clone(), CachedRecord::NotFound { invalidations_seen: before.invalidations_seen })
            .await;
    }

    /// Frees the memory of an outdated record. ([`Coherence`] already keeps it from being served.)
    pub(super) async fn release(&self, person: PersonId) {
        self.held.invalidate(&person).await;
    }
}

/// Whether no invalidation came since the read, neither of the case nor of its NOMS number.
async fn is_not_outdated(document: &RenderedRecord, before: ReadStart, coherence: &Coherence) -> bool {
    coherence.contains_all(&document.facts.record.crn, document.generation).await
        && coherence.contains_all_of_number(document.noms(), before.invalidations_seen).await
}
