//! A source of case records that a test holds up and lets go, and a replica that reads from it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use manage_pom_cases_and_delius::{
    case::{Crn, NomsNumber, PersonId},
    case_records::{
        CaseRecords, CaseRecordsConfig, FeedHealth, FreshnessDemand, Origin, RecordAnswer, RecordReading,
        RecordSource,
    },
    delius::{
        DeliusError,
        records::{CaseFacts, CaseRecord, RecordsError},
    },
};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::helpers::api::{Settings, feed_is_current, until};

/// A Delius made of a map. What it answers is fixed when a read begins; reads end when the gate lets them.
pub(crate) struct Scripted {
    pub(crate) tiers: Mutex<HashMap<String, &'static str>>,
    pub(crate) gate: Semaphore,
    pub(crate) began: AtomicUsize,
    pub(crate) down: AtomicBool,
    pub(crate) complete: AtomicBool,
}

impl Scripted {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            tiers: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            began: AtomicUsize::new(0),
            down: false.into(),
            complete: true.into(),
        })
    }

    pub(crate) fn set(&self, crn: &str, tier: &'static str) {
        self.tiers.lock().unwrap().insert(crn.to_owned(), tier);
    }

    pub(crate) fn hold_up(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn let_go(&self, reads: usize) {
        self.gate.add_permits(reads);
    }

    pub(crate) fn reads(&self) -> usize {
        self.began.load(Ordering::SeqCst)
    }
}

pub(crate) fn noms_of(crn: &str) -> String {
    format!("A{}AA", &crn[3..])
}

#[async_trait]
impl RecordSource for Scripted {
    async fn read(&self, people: &[PersonId]) -> Result<Vec<RecordReading>, RecordsError> {
        let tiers = self.tiers.lock().unwrap().clone();
        let complete = self.complete.load(Ordering::SeqCst);
        self.began.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        if self.down.load(Ordering::SeqCst) {
            let (during, reason) = ("in a test", "no connection".to_owned());
            return Err(DeliusError::Outage { during, reason }.into());
        }
        let known = tiers.into_iter().filter(|(crn, _)| {
            people.iter().any(|it| it.to_string() == *crn || it.to_string() == noms_of(crn))
        });
        Ok(known.map(|(crn, tier)| RecordReading { facts: facts(&crn, tier), complete }).collect())
    }
}

pub(crate) fn facts(crn: &str, tier: &str) -> CaseFacts {
    let record = CaseRecord {
        crn: crn.parse::<Crn>().unwrap(),
        noms_id: noms_of(crn).parse::<NomsNumber>().ok(),
        current_tier: Some(tier.to_owned()),
        resourcing: None,
        manager: None,
        mappa_level: 0,
        vlo_assigned: false,
        rosh: None,
    };
    CaseFacts { record, mappa: None, manager_user: None, noms_shared: false }
}

pub(crate) fn id(text: &str) -> PersonId {
    text.parse().unwrap()
}

/// Tier and origin of the answer, or what else it is.
pub(crate) fn said(answer: Result<RecordAnswer, impl std::fmt::Debug>) -> (String, Option<Origin>) {
    match answer {
        Ok(RecordAnswer::Found(document, origin)) => {
            (document.facts.record.current_tier.clone().unwrap(), Some(origin))
        }
        Ok(other) => (format!("{other:?}"), None),
        Err(error) => (format!("{error:?}"), None),
    }
}

pub(crate) struct Replica {
    pub(crate) records: Arc<CaseRecords>,
    pub(crate) stop: CancellationToken,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Replica {
    pub(crate) async fn start(store: &PgPool, source: &Arc<Scripted>, config: CaseRecordsConfig) -> Self {
        let source: Arc<dyn RecordSource> = Arc::clone(source) as Arc<dyn RecordSource>;
        let records = Arc::new(CaseRecords::new(store.clone(), source, config));
        let stop = CancellationToken::new();
        let (watched, stopped) = (Arc::clone(&records), stop.clone());
        tokio::spawn(async move { watched.watch(stopped.cancelled()).await });
        Self { records, stop }
    }

    /// A replica that trusts what it keeps.
    pub(crate) async fn trusting(store: &PgPool, source: &Arc<Scripted>) -> Self {
        let replica = Self::start(store, source, Settings::default().records).await;
        feed_is_current(store).await;
        until("the replica trusts its memory", || async {
            replica.records.receives_invalidations() && replica.records.feed_health() == FeedHealth::Current
        })
        .await;
        replica
    }

    pub(crate) async fn read(&self, person: &str) -> (String, Option<Origin>) {
        said(self.records.read(&id(person), FreshnessDemand::Current).await)
    }
}
