//! The cases that were worked on last, in memory, so that most commands need not read their stream again.
//!
//! Architecture invariant: a remembered case may be out of date. That is harmless, because an append names the event that
//! it was decided on, and fails as a conflict when another one came after it; the command is then decided again on what
//! the store says.

use std::sync::Arc;

use foldhash::quality::RandomState;
use moka::future::Cache;

use crate::case::{Case, NomsNumber};

/// Cases remembered at most. One takes about a kilobyte.
const CASES: u64 = 8_192;

/// A case with the events up to `sequence`.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownCase {
    pub(super) sequence: u64,
    pub(super) case: Case,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct KnownCases {
    cases: Cache<NomsNumber, Arc<KnownCase>, RandomState>,
}

impl KnownCases {
    pub(super) fn new() -> Self {
        Self { cases: Cache::builder().max_capacity(CASES).build_with_hasher(RandomState::default()) }
    }

    pub(super) async fn find(&self, noms: &NomsNumber) -> Option<Arc<KnownCase>> {
        self.cases.get(noms).await
    }

    pub(super) async fn keep(&self, noms: &NomsNumber, known: Arc<KnownCase>) {
        self.cases.insert(noms.clone(), known).await;
    }

    /// To be called when the store turned out to say something else.
    pub(super) async fn forget(&self, noms: &NomsNumber) {
        self.cases.invalidate(noms).await;
    }
}
