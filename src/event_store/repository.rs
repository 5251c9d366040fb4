//! Our repository under the event-sourcing framework: reads by postgres-es, appends by ourselves.
//!
//! Architecture invariant: the events, the outbox rows derived from them and the state of the outbox row whose
//! outcome they record are committed in one transaction, so no crash can separate them.

use chrono::{DateTime, Utc};
use cqrs_es::{
    Aggregate,
    persist::{
        PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot,
    },
};
use postgres_es::PostgresEventRepository;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use super::{
    effects::Effects,
    receipts::{self, Receipt},
};
use crate::{
    case::{CaseEvent, InvalidIdentifier, NomsNumber},
    database, outbox,
};

/// The outbox row whose outcome was to be recorded is held by another worker now, or is finished.
#[derive(Debug, thiserror::Error)]
#[error("the lease on the write was lost; another worker has it")]
pub struct LeaseLost;

/// See the module.
pub struct CaseRepository {
    pool: PgPool,
    reads: PostgresEventRepository,
    /// Whether notices of applied writes are kept for the outcome topic.
    announces: bool,
}

impl CaseRepository {
    /// A repository on our store.
    pub fn new(pool: PgPool) -> Self {
        Self { reads: PostgresEventRepository::new(pool.clone()), pool, announces: false }
    }

    /// The same repository, which keeps notices of applied writes for the outcome topic.
    pub fn announcing(self) -> Self {
        Self { announces: true, ..self }
    }

    async fn append(&self, events: &[SerializedEvent]) -> Result<(), AppendError> {
        let Some(first) = events.first() else { return Ok(()) };
        let noms: NomsNumber = first.aggregate_id.parse()?;
        let mut decoded = Vec::with_capacity(events.len());
        for event in events {
            decoded
                .push((event.sequence as u64, serde_json::from_value::<CaseEvent>(event.payload.clone())?));
        }
        let effects = Effects::of(&decoded);
        let receipt = Receipt::of_metadata(&first.metadata);

        let mut transaction = database::begin(&self.pool).await?;
        insert_events(&mut transaction, events).await?;
        for (write, transition) in &effects.transitions {
            if !outbox::table::transition(&mut transaction, &noms, *write, *transition).await? {
                return Err(AppendError::LeaseLost(LeaseLost));
            }
        }
        outbox::table::insert(&mut transaction, &noms, &effects.derived).await?;
        learn(&mut transaction, &effects).await?;
        keep_waiting(&mut transaction, &noms, &effects).await?;
        if self.announces {
            keep_notices(&mut transaction, &noms, &decoded).await?;
        }
        if let Some(receipt) = receipt {
            receipts::insert(&mut *transaction, &receipt.recorded(&noms)).await?;
        }
        failpoint!("appending");
        transaction.commit().await?;
        if effects.transitions.is_empty() {
            failpoint!("appended");
        } else {
            failpoint!("outcome_recorded");
        }
        Ok(())
    }
}

async fn insert_events(connection: &mut PgConnection, events: &[SerializedEvent]) -> sqlx::Result<()> {
    let column = |of: fn(&SerializedEvent) -> &str| events.iter().map(of).collect::<Vec<_>>();
    let sequences: Vec<i64> = events.iter().map(|event| event.sequence as i64).collect();
    let payloads: Vec<&Value> = events.iter().map(|event| &event.payload).collect();
    let metadata: Vec<&Value> = events.iter().map(|event| &event.metadata).collect();
    sqlx::query(
        "insert into events
             (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::jsonb[], $7::jsonb[])",
    )
    .bind(column(|event| &event.aggregate_type))
    .bind(column(|event| &event.aggregate_id))
    .bind(sequences)
    .bind(column(|event| &event.event_type))
    .bind(column(|event| &event.event_version))
    .bind(payloads)
    .bind(metadata)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps what the outcome topic is to be told of the results among the events.
async fn keep_notices(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    events: &[(u64, CaseEvent)],
) -> sqlx::Result<()> {
    let results = events.iter().filter_map(|(_, event)| event.write_result());
    for result in results.filter(|result| outbox::notices::is_told(result)) {
        let occurred_at: Option<DateTime<Utc>> = sqlx::query_scalar(
            "select (payload -> 'provenance' ->> 'occurredAt')::timestamptz from events
             where aggregate_type = 'case' and aggregate_id = $1 and sequence = $2",
        )
        .bind(noms.as_str())
        .bind(result.write.sequence.cast_signed())
        .fetch_one(&mut *connection)
        .await?;
        outbox::notices::insert(connection, noms, result, occurred_at).await?;
    }
    Ok(())
}

/// Keeps the directory of staff codes.
pub(crate) async fn learn(connection: &mut PgConnection, effects: &Effects) -> sqlx::Result<()> {
    // In the order of the codes, so that two appends cannot wait for each other.
    for (code, (staff, learned_at)) in &effects.learned {
        sqlx::query(
            "insert into staff_directory as known (staff_code, forename, surname, email, learned_at)
             values ($1, $2, $3, $4, $5)
             on conflict (staff_code) do update
             set forename = excluded.forename, surname = excluded.surname, email = excluded.email,
                 learned_at = excluded.learned_at
             where known.learned_at < excluded.learned_at
               and (known.forename, known.surname, known.email)
                   is distinct from (excluded.forename, excluded.surname, excluded.email)",
        )
        .bind(code)
        .bind(&staff.forename)
        .bind(&staff.surname)
        .bind(&staff.email)
        .bind(learned_at)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Keeps the list of allocations that wait for the directory.
pub(crate) async fn keep_waiting(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    effects: &Effects,
) -> sqlx::Result<()> {
    for (sequence, code) in &effects.waiting {
        sqlx::query(
            "insert into unreflected_allocations (case_id, sequence, staff_code) values ($1, $2, $3)
             on conflict do nothing",
        )
        .bind(noms.as_str())
        .bind(sequence.cast_signed())
        .bind(code)
        .execute(&mut *connection)
        .await?;
    }
    for sequence in &effects.reflected {
        sqlx::query("delete from unreflected_allocations where case_id = $1 and sequence = $2")
            .bind(noms.as_str())
            .bind(sequence.cast_signed())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

impl PersistedEventRepository for CaseRepository {
    async fn get_events<A: Aggregate>(&self, id: &str) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.reads.get_events::<A>(id).await
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        id: &str,
        last_sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.reads.get_last_events::<A>(id, last_sequence).await
    }

    async fn get_snapshot<A: Aggregate>(
        &self,
        id: &str,
    ) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        self.reads.get_snapshot::<A>(id).await
    }

    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        snapshot_update: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        if snapshot_update.is_some() {
            return Err(PersistenceError::UnknownError("snapshots are not kept in this store".into()));
        }
        self.append(events).await.map_err(PersistenceError::from)
    }

    async fn stream_events<A: Aggregate>(&self, id: &str) -> Result<ReplayStream, PersistenceError> {
        self.reads.stream_events::<A>(id).await
    }

    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        Err(PersistenceError::UnknownError("read the journal: it has the order of the commits".into()))
    }
}

#[derive(Debug, thiserror::Error)]
enum AppendError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Event(#[from] serde_json::Error),
    #[error(transparent)]
    CaseId(#[from] InvalidIdentifier),
    #[error(transparent)]
    LeaseLost(LeaseLost),
}

impl From<AppendError> for PersistenceError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Database(error) if is_stale_sequence(&error) => Self::OptimisticLockError,
            AppendError::Database(error) => Self::ConnectionError(Box::new(error)),
            AppendError::Event(error) => Self::DeserializationError(Box::new(error)),
            AppendError::CaseId(error) => Self::UnknownError(Box::new(error)),
            AppendError::LeaseLost(lost) => Self::UnknownError(Box::new(lost)),
        }
    }
}

/// Only the key of the events table says that somebody else appended first.
fn is_stale_sequence(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some("events_pkey")
}
