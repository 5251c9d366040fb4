//! Rebuilds what is derived from the events: the outbox with the state of each write, the directory of staff codes, the
//! allocations that wait for it, and what is known about the identifiers of persons. Case by case, each in one transaction, while the service runs; a rebuild that was
//! stopped goes on where it was. What is there and right stays as it is.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool};

use crate::{
    case::{CaseEvent, InvalidIdentifier, NomsNumber, WriteProgress, WriteState, WriteStates},
    database,
    event_store::{
        directory,
        effects::Effects,
        identities,
        reader::{self, ReadError},
    },
    outbox::restore::{self, Settled},
};

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Progress {
    /// Its number.
    pub id: i64,
    /// Cases done.
    pub cases: i64,
    /// Writes that were missing.
    pub added: i64,
    /// Writes whose state was not what the events say.
    pub corrected: i64,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A page of cases is done.
    Done(Progress),
    /// That was all.
    Finished(Progress),
}

/// A rebuild.
#[derive(Debug, Clone)]
pub struct Rebuild {
    pool: PgPool,
    id: i64,
    page: u32,
}

impl Rebuild {
    /// Goes on with the rebuild that was stopped, or begins one.
    pub async fn resume_or_begin(pool: &PgPool) -> Result<Self, ReadError> {
        sqlx::query("insert into rebuilds default values on conflict do nothing").execute(pool).await?;
        let id =
            sqlx::query_scalar("select id from rebuilds where finished_at is null").fetch_one(pool).await?;
        Ok(Self { pool: pool.clone(), id, page: 200 })
    }

    /// Does so many cases in one step.
    pub fn with_page(self, page: u32) -> Self {
        Self { page: page.max(1), ..self }
    }

    /// Rebuilds the next cases. The place is kept together with each of them.
    pub async fn step(&self) -> Result<Step, ReadError> {
        let last: String = sqlx::query_scalar("select last_case from rebuilds where id = $1")
            .bind(self.id)
            .fetch_one(&self.pool)
            .await?;
        let cases = reader::cases_after(&self.pool, &last, self.page).await?;
        for case in &cases {
            self.rebuild(case).await?;
        }
        let finished =
            if cases.is_empty() { "coalesce(finished_at, clock_timestamp())" } else { "finished_at" };
        let sql = format!(
            "update rebuilds set finished_at = {finished} where id = $1 returning id, cases, added, corrected"
        );
        let progress = sqlx::query_as(&sql).bind(self.id).fetch_one(&self.pool).await?;
        Ok(if cases.is_empty() { Step::Finished(progress) } else { Step::Done(progress) })
    }

    async fn rebuild(&self, case: &str) -> Result<(), ReadError> {
        let noms: NomsNumber = case.parse().map_err(|error: InvalidIdentifier| ReadError::Event {
            case: case.to_owned(),
            sequence: 1,
            what: error.to_string(),
        })?;
        let mut transaction = database::begin(&self.pool).await?;
        // First the lock, then the events: every append that changes the outbox waits, so none comes between the reading
        // of the events and the correction of the rows.
        restore::lock(&mut transaction).await?;
        let events = events_of(&mut transaction, &noms).await?;
        let (settled, effects) = (settled(&events), effects(&events));
        let corrected = restore::restore(&mut transaction, &noms, &settled).await?;
        let added = restore::add_missing(&mut transaction, &noms, &effects.derived).await?;
        restore::restore(&mut transaction, &noms, &settled).await?;
        restore::restore_head(&mut transaction, &noms).await?;
        directory::learn(&mut transaction, &effects).await?;
        directory::learn_officers(&mut transaction, &effects).await?;
        keep_waiting(&mut transaction, &noms).await?;
        let stream: Vec<_> = events.iter().map(|(sequence, event, _)| (*sequence, event.clone())).collect();
        identities::rebuild(&mut transaction, &noms, &stream).await?;
        sqlx::query(
            "update rebuilds set last_case = $2, cases = cases + 1, added = added + $3, corrected = corrected + $4
             where id = $1",
        )
        .bind(self.id)
        .bind(case)
        .bind(added.cast_signed())
        .bind(corrected.cast_signed())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The state of every derived write: what the last event about it says, or that it is pending.
fn settled(events: &[RecordedEvent]) -> Vec<Settled> {
    let states = WriteStates::of(events.iter().map(|(sequence, event, _)| (*sequence, event)));
    let recorded_at: BTreeMap<u64, DateTime<Utc>> =
        events.iter().map(|(sequence, _, recorded_at)| (*sequence, *recorded_at)).collect();
    let derived = effects(events).derived.into_iter().map(|(write, _)| write);
    let settled = derived.map(|write| match states.get(write) {
        None => Settled { write, state: WriteState::Pending.of_row(), attempt: 0, at: None },
        Some(WriteProgress { state, attempt, recorded_by }) => {
            Settled { write, state: state.of_row(), attempt, at: recorded_at.get(&recorded_by).copied() }
        }
    });
    settled.collect()
}

type RecordedEvent = (u64, CaseEvent, DateTime<Utc>);

async fn events_of(
    connection: &mut PgConnection,
    noms: &NomsNumber,
) -> Result<Vec<RecordedEvent>, ReadError> {
    let rows = reader::events_of(connection, noms).await?;
    rows.iter().map(|row| Ok((row.sequence.cast_unsigned(), row.event()?, row.recorded_at))).collect()
}

fn effects(events: &[RecordedEvent]) -> Effects {
    Effects::of(events.iter().map(|(sequence, event, _)| (*sequence, event)))
}

/// Makes the waiting allocations of the case those that its events speak of. The events are read again under a lock
/// that keeps every append out that would change the list; appends take their locks in the same order as this rebuild
/// (writes, directory, list), so that none waits for the other in a circle.
async fn keep_waiting(connection: &mut PgConnection, noms: &NomsNumber) -> Result<(), ReadError> {
    sqlx::query("lock table unreflected_allocations in share row exclusive mode")
        .execute(&mut *connection)
        .await?;
    let effects = effects(&events_of(connection, noms).await?);
    let waiting: Vec<i64> = effects.waiting.iter().map(|(sequence, _)| sequence.cast_signed()).collect();
    sqlx::query("delete from unreflected_allocations where case_id = $1 and sequence <> all($2)")
        .bind(noms.as_str())
        .bind(waiting)
        .execute(&mut *connection)
        .await?;
    Ok(directory::keep_waiting(connection, noms, &effects).await?)
}
