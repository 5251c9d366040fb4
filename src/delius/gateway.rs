//! Applies writes to Delius: load, plan, execute, enter in the ledger, in one transaction.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::OnceCell;

use super::{
    decide::decide,
    engine::{Connections, Engine, Limits, Session, SessionAccess, postgres::Postgres},
    error::{DeliusError, During},
    execute::{self, Done, RowSignature},
    holders::StaffRows,
    ledger, load,
    plan::change::Plan,
    properties,
    records::CaseReader,
    reference::Reference,
};
use crate::{
    case::{AddressedWrite, DeliusWrite, RowChange, WriteOutcome},
    london::wall_clock,
};

/// How often a write begins again at once because a connection was out of date: as after a column was widened, when
/// every connection of the pool fails once.
const FRESH_ATTEMPTS: usize = 3;

/// When the ledger is asked whether a write was applied before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerLookup {
    /// Before anything is planned.
    First,
    /// When the attempt fails as it does for a write that was applied: its entry cannot be made twice. For the first attempt
    /// at a write, which only a store that was set back takes for the first when it is not: saves a round trip.
    AfterFailure,
}

/// Delius, as this service writes to it. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Delius {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) limits: Limits,
    reference: Arc<OnceCell<Reference>>,
}

impl Delius {
    /// A gateway over a pool of connections to a Delius on PostgreSQL, after the start-up [check](Self::check).
    ///
    /// # Errors
    /// When Delius cannot be reached or the check fails.
    pub async fn open(pool: PgPool) -> Result<Self, DeliusError> {
        let delius = Self::new(pool);
        delius.check().await?;
        Ok(delius)
    }

    /// A gateway over a pool of connections to a Delius on PostgreSQL.
    pub fn new(pool: PgPool) -> Self {
        Self::over(Arc::new(Postgres::new(pool)))
    }

    /// A gateway over an engine. Does not touch the database yet: what the check looks up is looked up by the first
    /// write.
    pub fn over(engine: Arc<dyn Engine>) -> Self {
        Self { engine, limits: Limits::default(), reference: Arc::default() }
    }

    /// A reader of case records with connections of its own, so that reads and writes cannot starve each other. A
    /// connection must be free, and a statement end, within `limit`.
    pub fn reader(&self, limit: Duration) -> CaseReader {
        CaseReader::over(self.engine.beside(limit))
    }

    /// How the pool of connections is used.
    pub fn connections(&self) -> Connections {
        self.engine.connections()
    }

    /// Whether Delius answers at all.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DeliusError> {
        self.session(SessionAccess::Statement)
            .await?
            .now()
            .await
            .during("while asking for a sign of life")
            .map(|_| ())
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
    /// [`DeliusError::AuditUserMissing`] and [`DeliusError::ReferenceData`] say what to add; without it the service
    /// must not start. A transient error says nothing about that.
    pub async fn check(&self) -> Result<(), DeliusError> {
        self.reference().await.map(|_| ())
    }

    pub(super) async fn reference(&self) -> Result<&Reference, DeliusError> {
        let load = || async { Reference::load(&mut *self.session(SessionAccess::Statement).await?).await };
        self.reference.get_or_try_init(load).await
    }

    pub(super) async fn session(&self, access: SessionAccess) -> Result<Box<dyn Session>, DeliusError> {
        self.engine.open(access, self.limits).await.during("while connecting")
    }

    /// Applies a write and returns its outcome. Refusals are outcomes too.
    ///
    /// Applying the same write again returns the same outcome and changes nothing, however the first attempt ended:
    /// the outcome is entered in Delius in the transaction that writes the rows. Only a dry run, which writes nothing
    /// at all, is not entered and is planned anew.
    ///
    /// # Errors
    /// Nothing is known to be written. [`DeliusError::is_transient`] tells whether to try again later; after an error
    /// at the commit the next attempt finds in the ledger whether it had happened.
    pub async fn apply(&self, write: &AddressedWrite) -> Result<WriteOutcome, DeliusError> {
        self.apply_for(write, &StaffRows::default(), LedgerLookup::First).await
    }

    /// The same, with what is known about the members of staff of the prison (see [`StaffRows`]), and when the ledger is
    /// to be asked.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn apply_for(
        &self,
        write: &AddressedWrite,
        staff: &StaffRows,
        lookup: LedgerLookup,
    ) -> Result<WriteOutcome, DeliusError> {
        let attempt = async {
            let reference = self.reference().await?;
            match write.write {
                DeliusWrite::SetHandoverDates { dry_run: true, .. } => self.preview(reference, write).await,
                _ => self.apply_once(reference, write, staff, lookup).await,
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
        staff: &StaffRows,
        mut lookup: LedgerLookup,
    ) -> Result<WriteOutcome, DeliusError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut session = self.session(SessionAccess::Write).await?;
            match write_rows(&mut *session, reference, write, staff, lookup).await {
                Ok(outcome) => {
                    session.commit().await.during("while committing a write")?;
                    return Ok(outcome);
                }
                Err(error) => {
                    // The first error is the one to report; a connection that cannot roll back is closed.
                    let rolled_back = session.rollback().await;
                    if lookup == LedgerLookup::AfterFailure && ledger::may_explain(&error) {
                        lookup = LedgerLookup::First;
                        continue;
                    }
                    if !error.is_stale_connection() || attempts > FRESH_ATTEMPTS {
                        return Err(error);
                    }
                    let rolled_back = rolled_back.is_ok();
                    tracing::info!(%error, rolled_back, "a connection to Delius is out of date; trying another one");
                }
            }
        }
    }

    async fn preview(
        &self,
        reference: &Reference,
        write: &AddressedWrite,
    ) -> Result<WriteOutcome, DeliusError> {
        let mut session = self.session(SessionAccess::Read).await?;
        let now = session.now().await.during("while asking for the time")?;
        let persons = load::persons(&mut *session, &write.noms, false).await?;
        let plan = decide(&mut *session, reference, &persons, write, &StaffRows::default(), now).await?;
        let changes = execute::preview(&plan.changes);
        session.rollback().await.during("while ending a dry run")?;
        Ok(outcome(write, plan, changes, now))
    }
}

async fn write_rows(
    session: &mut dyn Session,
    reference: &Reference,
    write: &AddressedWrite,
    staff: &StaffRows,
    lookup: LedgerLookup,
) -> Result<WriteOutcome, DeliusError> {
    let persons = load::persons(session, &write.noms, true).await?;
    // After the lock, so that an attempt that waited for another one of the same write sees its outcome.
    if lookup == LedgerLookup::First
        && let Some(outcome) = ledger::find(session, write).await?
    {
        return Ok(outcome);
    }
    let now = session.now().await.during("while asking for the time")?;
    let plan = decide(session, reference, &persons, write, staff, now).await?;
    let signature = RowSignature { user_id: reference.audit_user_id, at: wall_clock(now) };
    failpoint!("planned");
    let Done { changes, new_staff } = execute::all(session, &plan.changes, signature).await?;
    let officer = plan.officer.and_then(|officer| officer.settled(new_staff));
    let mut outcome = outcome(write, plan, changes, now);
    outcome.set_staff_id(officer);
    ledger::enter(session, write, &outcome, now).await?;
    failpoint!("delius_written");
    Ok(outcome)
}

fn outcome(write: &AddressedWrite, plan: Plan, changes: Vec<RowChange>, now: DateTime<Utc>) -> WriteOutcome {
    let mut properties = properties::of(&write.noms, &write.write);
    properties.extend(plan.properties);
    WriteOutcome { name: plan.outcome, applied_at: now, changes, properties }
}
