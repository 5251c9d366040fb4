//! Applies writes to Delius: load, plan, execute, enter in the ledger, in one transaction.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::sync::OnceCell;

use super::{
    decide::decide,
    error::{DeliusError, During},
    execute::{self, Signature},
    ledger, load,
    plan::change::Plan,
    properties,
    reference::Reference,
};
use crate::{
    case::{AddressedWrite, DeliusWrite, RowChange, WriteOutcome},
    database,
    london::wall_clock,
};

/// How long one step of a write may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Waiting for a row that another transaction holds.
    pub lock: Duration,
    /// One statement, its locks included.
    pub statement: Duration,
    /// The whole write, waiting for a connection included. A lease on a write should be longer.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(4),
            statement: Duration::from_secs(8),
            write: Duration::from_secs(12),
        }
    }
}

/// Delius, as this service writes to it. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Delius {
    pub(super) pool: PgPool,
    limits: Limits,
    reference: Arc<OnceCell<Reference>>,
}

impl Delius {
    /// A gateway over a pool of connections to Delius, after the start-up [check](Self::check).
    ///
    /// # Errors
    /// When Delius cannot be reached or the check fails.
    pub async fn open(pool: PgPool) -> Result<Self, DeliusError> {
        let delius = Self::new(pool);
        delius.check().await?;
        Ok(delius)
    }

    /// A gateway over a pool of connections to Delius. Does not touch the database yet: what the check would look up
    /// is looked up by the first write.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, limits: Limits::default(), reference: Arc::default() }
    }

    /// The pool, for the reads of case records.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Whether Delius answers at all.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DeliusError> {
        sqlx::query("select 1").execute(&self.pool).await.during("while asking for a sign of life")?;
        Ok(())
    }

    /// With other limits than the default ones.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// How long its writes may take.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The start-up check: is the audit user there, and the reference data that our rows point at?
    ///
    /// # Errors
    /// [`DeliusError::AuditUserMissing`] and [`DeliusError::ReferenceDataMissing`] say what to add; without it the
    /// service must not start. A transient error says nothing about that.
    pub async fn check(&self) -> Result<(), DeliusError> {
        self.reference().await.map(|_| ())
    }

    pub(super) async fn reference(&self) -> Result<&Reference, DeliusError> {
        self.reference.get_or_try_init(|| Reference::load(&self.pool)).await
    }

    /// Applies a write and answers what came of it. Refusals are outcomes too.
    ///
    /// Applying the same write again answers the same outcome and changes nothing, however the first attempt ended:
    /// the outcome is entered in Delius in the transaction that writes the rows. Only a dry run, which writes nothing
    /// at all, is not entered and is planned anew.
    ///
    /// # Errors
    /// Nothing is known to be written. [`DeliusError::is_transient`] tells whether to try again later; after an error
    /// at the commit the next attempt finds out by the ledger whether it had happened.
    pub async fn apply(
        &self,
        write: &AddressedWrite,
        now: DateTime<Utc>,
    ) -> Result<WriteOutcome, DeliusError> {
        let attempt = async {
            let reference = self.reference().await?;
            match write.write {
                DeliusWrite::SetHandoverDates { dry_run: true, .. } => {
                    self.foretell(reference, write, now).await
                }
                _ => self.apply_once(reference, write, now).await,
            }
        };
        tokio::time::timeout(self.limits.write, attempt)
            .await
            .unwrap_or_else(|_| Err(DeliusError::timeout("while applying a write")))
    }

    async fn apply_once(
        &self,
        reference: &Reference,
        write: &AddressedWrite,
        now: DateTime<Utc>,
    ) -> Result<WriteOutcome, DeliusError> {
        let mut transaction = self.begin("").await?;
        let persons = load::persons(&mut transaction, &write.noms, true).await?;
        // After the lock, so that an attempt that waited for another one of the same write sees its outcome.
        if let Some(outcome) = ledger::find(&mut transaction, write.id).await? {
            return Ok(outcome);
        }
        let plan = decide(&mut transaction, reference, &persons, &write.write, now).await?;
        let signature = Signature { user_id: reference.audit_user_id, at: wall_clock(now) };
        failpoint!("planned");
        let changes = execute::all(&mut transaction, &plan.changes, signature).await?;
        let outcome = outcome(write, plan, changes, now);
        ledger::enter(&mut transaction, write, &outcome, now).await?;
        failpoint!("delius_written");
        transaction.commit().await.during("while committing a write")?;
        Ok(outcome)
    }

    async fn foretell(
        &self,
        reference: &Reference,
        write: &AddressedWrite,
        now: DateTime<Utc>,
    ) -> Result<WriteOutcome, DeliusError> {
        let mut transaction = self.begin(" read only").await?;
        let persons = load::persons(&mut transaction, &write.noms, false).await?;
        let plan = decide(&mut transaction, reference, &persons, &write.write, now).await?;
        let changes = execute::foretold(&plan.changes);
        Ok(outcome(write, plan, changes, now))
    }

    /// Each statement sees what others committed before it, whatever the database's default is: the checks after a
    /// lock depend on that.
    async fn begin(&self, mode: &str) -> Result<Transaction<'static, Postgres>, DeliusError> {
        let Limits { lock, statement, .. } = self.limits;
        let begin = format!(
            "begin isolation level read committed{mode}; set local lock_timeout = {}; set local statement_timeout = {}",
            lock.as_millis(),
            statement.as_millis(),
        );
        database::begin_with(&self.pool, begin).await.during("while connecting")
    }
}

fn outcome(write: &AddressedWrite, plan: Plan, changes: Vec<RowChange>, now: DateTime<Utc>) -> WriteOutcome {
    let mut properties = properties::of(&write.noms, &write.write);
    properties.extend(plan.properties);
    WriteOutcome { name: plan.outcome, applied_at: now, changes, properties }
}
