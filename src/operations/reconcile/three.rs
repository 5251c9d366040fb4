//! The three that are compared, and the path of a repair.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::Context;
use chrono::Utc;
use tokio::time::sleep;

use crate::{
    case::{CaseCommand, CaseEvent, DeliusWrite, Holding, Inherited, ManagePomCases, NomsNumber},
    delius::{Delius, NomsCursor},
    event_store::{CaseStore, Cause, cases, identities},
    ingest::Ingest,
    operations::{
        inline::{accept, describe, settle},
        reconcile::{
            Decided, Difference, LookError, RepairSubject, Verdict, compare, finding::Finding, look, records,
        },
    },
    outbox::view,
    relay::Relay,
    retry::Backoff,
};

/// Cases read at once.
const PAGE: u32 = 1000;
/// Number of attempts on a dependency that is down before the command gives up.
const TRIES: u32 = 6;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Why a case was not compared.
#[derive(Debug, thiserror::Error)]
pub enum NotCompared {
    /// Something is down, and so it would be for the next case.
    #[error("{0}")]
    Unavailable(String),
    /// This case alone.
    #[error("{0}")]
    Case(String),
}

impl From<LookError> for NotCompared {
    fn from(error: LookError) -> Self {
        let reason = error.to_string();
        if error.is_transient() { Self::Unavailable(reason) } else { Self::Case(reason) }
    }
}

/// See the module.
pub struct Three {
    pub mpc: Arc<dyn ManagePomCases>,
    pub store: Arc<CaseStore>,
    pub delius: Delius,
    pub ingest: Ingest,
    pub relay: Relay,
    pub mpc_url: String,
    pub patience: Duration,
    /// Who has differences repaired, and why; `None` only compares.
    pub fix: Option<Decided>,
}

impl Three {
    /// Every recorded case and everybody in custody, once and in order.
    pub async fn cases(&self, after: Option<&NomsNumber>) -> anyhow::Result<BTreeSet<NomsNumber>> {
        let mut all = BTreeSet::new();
        let mut last = after.cloned();
        loop {
            let page = cases(self.store.pool(), last.as_ref(), PAGE).await?;
            let Some(end) = page.last().cloned() else { break };
            all.extend(page);
            last = Some(end);
        }
        let mut next = Some(after.map_or_else(NomsCursor::default, NomsCursor::after));
        while let Some(cursor) = next {
            let page = self.delius.noms_in_custody(&cursor, PAGE).await?;
            all.extend(page.numbers);
            next = page.next;
        }
        // A number that was replaced is compared under the one that took its place.
        let replaced = identities::replaced_numbers(self.store.pool()).await?;
        all.retain(|noms| !replaced.contains(noms));
        Ok(all)
    }

    async fn compare(&self, noms: &NomsNumber) -> Result<Verdict, NotCompared> {
        for attempt in 1..TRIES {
            match look(&*self.mpc, &self.store, &self.delius, noms).await {
                Err(error) if error.is_transient() => {
                    let pause = BACKOFF.at_least_half(attempt);
                    tracing::warn!(%error, %noms, pause_ms = pause.as_millis(), "trying again");
                    sleep(pause).await;
                }
                seen => return Ok(compare(&seen?)),
            }
        }
        Ok(compare(&look(&*self.mpc, &self.store, &self.delius, noms).await?))
    }

    /// Compares one case, and repairs it when that is asked for.
    pub async fn find(&self, noms: &NomsNumber) -> Result<Finding, NotCompared> {
        let mut found = self.compare(noms).await?;
        if !found.differences.is_empty() && !self.patience.is_zero() {
            sleep(self.patience).await;
            found = self.compare(noms).await?;
        }
        let unavailable = |error: sqlx::Error| NotCompared::Unavailable(error.to_string());
        let accepted = records::accepted(self.store.pool(), noms).await.map_err(unavailable)?;
        let is_open = |it: &Difference| !accepted.contains(&it.to_string());
        let to_repair = found.differences.iter().any(is_open) && !found.repairs.is_empty();
        let repaired = match &self.fix {
            Some(decided) if to_repair => {
                let repaired = self.repair(noms, &found, decided).await;
                Some(repaired.map_err(|error| NotCompared::Case(format!("{error:#}")))?)
            }
            _ => None,
        };
        let blocked = if found.differences.is_empty() {
            false
        } else {
            let parked = view::parked_of(self.store.pool(), noms).await;
            !parked.map_err(unavailable)?.is_empty()
        };
        Ok(Finding { noms: noms.clone(), found, repaired, blocked, accepted, fixes: self.fix.is_some() })
    }

    async fn repair(
        &self,
        noms: &NomsNumber,
        found: &Verdict,
        decided: &Decided,
    ) -> anyhow::Result<(Vec<String>, Verdict)> {
        let mut done = self.repair_once(noms, found, decided).await?;
        let mut after = self.compare(noms).await?;
        // Nothing else could be compared while the record was incomplete.
        if found.repairs.iter().any(|repair| matches!(repair.subject, RepairSubject::Forgotten(_))) {
            done.extend(self.repair_once(noms, &after, decided).await?);
            after = self.compare(noms).await?;
        }
        Ok((done, after))
    }

    async fn repair_once(
        &self,
        noms: &NomsNumber,
        found: &Verdict,
        decided: &Decided,
    ) -> anyhow::Result<Vec<String>> {
        let mut done = vec![];
        for repair in &found.repairs {
            let reassert = match &repair.subject {
                RepairSubject::Timeline(writes) => Some((writes.clone(), vec![])),
                RepairSubject::Forgotten(holdings) => Some((vec![], holdings.clone())),
                RepairSubject::Allocation | RepairSubject::Holding(_) | RepairSubject::Handover => None,
            };
            if let Some((writes, holdings)) = reassert {
                done.push(self.reassert(noms, writes, holdings, decided).await?);
                continue;
            }
            let message = repair.message(noms, &self.mpc_url, found.at.unwrap_or_else(Utc::now));
            let disposition = accept(&self.ingest, message.delivery())
                .await
                .with_context(|| format!("while accepting the repair of {noms}"))?;
            done.push(format!("{} {}", message.id, describe(&disposition)));
        }
        settle(&self.store, &self.relay, noms).await?;
        Ok(done)
    }

    async fn reassert(
        &self,
        noms: &NomsNumber,
        writes: Vec<DeliusWrite>,
        holdings: Vec<Holding>,
        decided: &Decided,
    ) -> anyhow::Result<String> {
        let Decided { by, why } = decided.clone();
        let inherited = Inherited { holdings, handover: None };
        let command = CaseCommand::Reassert { writes, inherited, by, why };
        let appended = self.store.execute(noms, command, Cause::NoMessage).await?;
        let names: Vec<&str> = appended.iter().map(CaseEvent::name).collect();
        Ok(format!("recorded for {noms}: {}", names.join(", ")))
    }
}
