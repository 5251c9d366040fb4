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
    coherence::{Coherence, Connection},
    document::Document,
};
use crate::case::PersonId;

/// More invalidations than are ever heard.
const NOT_LOOKED_YET: u64 = u64::MAX;

/// What is held of one person.
#[derive(Debug, Clone)]
enum Held {
    Document(Arc<HeldDocument>),
    NotFound { heard: u64 },
}

#[derive(Debug)]
struct HeldDocument {
    document: Arc<Document>,
    before: Before,
    /// Number of invalidations heard when the document was last seen to contain all of its case. As long as none
    /// more is heard, there is nothing to look up.
    contains: AtomicU64,
}

impl HeldDocument {
    /// Whether no invalidation outdates the document.
    async fn contains_all(&self, coherence: &Coherence) -> bool {
        let heard = coherence.heard(); // before the look, so that one heard meanwhile is looked for next time
        if self.contains.load(Ordering::SeqCst) == heard {
            return true;
        }
        let contains = is_not_outdated(&self.document, self.before, coherence).await;
        if contains {
            self.contains.store(heard, Ordering::SeqCst);
        }
        contains
    }
}

/// What memory has to say.
pub(super) enum Recall {
    Document(Arc<Document>),
    NotFound,
    Nothing,
}

/// The point before a read, so that what was read is not held for more than it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    connection: Connection,
    heard: u64,
}

#[derive(Debug)]
pub(super) struct Memory {
    held: Cache<PersonId, Held>,
    unknown: Cache<PersonId, Held>,
    max_age: Duration,
}

impl Memory {
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
    pub(super) fn before(coherence: &Coherence) -> Before {
        Before { connection: coherence.connection(), heard: coherence.heard() }
    }

    /// What may be served as current.
    pub(super) async fn recall(&self, person: &PersonId, coherence: &Coherence) -> Recall {
        if !coherence.memory_is_current() {
            return Recall::Nothing;
        }
        match self.held.get(person).await {
            Some(Held::Document(held))
                if held.before.connection == coherence.connection()
                    && held.document.age() <= self.max_age
                    && held.contains_all(coherence).await =>
            {
                return Recall::Document(Arc::clone(&held.document));
            }
            _ => {}
        }
        match self.unknown.get(person).await {
            Some(Held::NotFound { heard }) if heard == coherence.heard() => Recall::NotFound,
            _ => Recall::Nothing,
        }
    }

    /// The last that was known, whether or not it is current; but not what is known to be outdated.
    pub(super) async fn recall_stale(
        &self,
        person: &PersonId,
        coherence: &Coherence,
    ) -> Option<Arc<Document>> {
        match self.held.get(person).await? {
            Held::Document(held) if held.contains_all(coherence).await => Some(Arc::clone(&held.document)),
            _ => None,
        }
    }

    pub(super) async fn hold(&self, person: &PersonId, document: &Arc<Document>, before: Before) {
        let held =
            HeldDocument { document: Arc::clone(document), before, contains: AtomicU64::new(NOT_LOOKED_YET) };
        self.held.insert(person.clone(), Held::Document(Arc::new(held))).await;
    }

    pub(super) async fn hold_not_found(&self, person: &PersonId, before: Before) {
        self.held.invalidate(person).await;
        self.unknown.insert(person.clone(), Held::NotFound { heard: before.heard }).await;
    }

    /// Frees what is outdated. (That it is not served any more is seen to by [`Coherence`].)
    pub(super) async fn release(&self, person: PersonId) {
        self.held.invalidate(&person).await;
    }
}

/// Whether no invalidation has come since the read, neither of the case nor of its NOMS number.
async fn is_not_outdated(document: &Document, before: Before, coherence: &Coherence) -> bool {
    coherence.contains_all(&document.facts.record.crn, document.generation).await
        && coherence.contains_all_of_number(document.noms(), before.heard).await
}
