//! Reads the file of a case from the store: one consistent picture, nothing written.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    audit::{
        history::{
            Access, Action, CaseFile, DeliusRow, Explanation, FailedAttempt, ParkedOfCase, ParkingOfCase,
            ReceiptOfCase, StoredEvent, WriteOfCase, explain, person,
        },
        journal,
    },
    case::{NomsNumber, PersonId, WriteRef, identity::Person},
    database,
    event_store::{
        identities,
        reader::{self, ReadError, told},
    },
    ingest::waiting,
    operations::erasure,
};

/// Reads everything that the store holds under the number; `None` when it holds nothing.
pub async fn load(pool: &PgPool, noms: &NomsNumber) -> Result<Option<CaseFile>, ReadError> {
    load_person(pool, &Person::only(noms.clone())).await
}

/// Reads everything that the store holds about the person, under each number; `None` when it holds nothing.
pub async fn load_person(pool: &PgPool, person: &Person) -> Result<Option<CaseFile>, ReadError> {
    // Before the picture is taken: what ends in between is in the picture, what begins in between records later.
    let (read_at, unsettled_since) = journal::unsettled_since(pool).await?;

    let mut transaction = database::begin(pool).await?;
    reader::begin_picture(&mut transaction).await?;
    let mut files = vec![];
    for part in &person.parts {
        let mut file = stream(&mut transaction, &part.noms, read_at, unsettled_since).await?;
        person::restrict(&mut file, part);
        files.push(file);
    }
    transaction.rollback().await?;
    let file = person::merge(files).map(|file| CaseFile { noms: person.current.clone(), ..file });
    let is_empty = |file: &CaseFile| {
        file.events.is_empty()
            && file.receipts.is_empty()
            && file.parked.is_empty()
            && file.waiting.is_empty()
            && file.erasures.is_empty()
    };
    Ok(file.filter(|file| !is_empty(file)))
}

async fn stream(
    transaction: &mut PgConnection,
    noms: &NomsNumber,
    read_at: DateTime<Utc>,
    unsettled_since: Option<DateTime<Utc>>,
) -> Result<CaseFile, ReadError> {
    let rows = reader::events_of(transaction, noms).await?;
    let events = rows
        .iter()
        .map(|row| {
            Ok(StoredEvent {
                sequence: row.sequence.cast_unsigned(),
                noms: noms.clone(),
                stream_sequence: row.sequence.cast_unsigned(),
                recorded_at: row.recorded_at,
                trace_id: row.trace_id(),
                event: row.event()?,
            })
        })
        .collect::<Result<Vec<_>, ReadError>>()?;
    let messages: Vec<String> =
        events.iter().filter_map(|stored| Some(stored.event.provenance()?.message_id.clone())).collect();
    let receipts = receipts(transaction, noms, &messages).await?;
    let parked = parked(transaction, noms).await?;
    let waiting = waiting::of_case(transaction, noms).await?;
    let outbox = outbox(transaction, noms).await?;
    let journal = journal::places_of(transaction, noms).await?;
    let erasures = erasure::of(transaction, noms).await?;
    let streams = vec![(noms.clone(), journal.clone())];
    let noms = noms.clone();
    Ok(CaseFile {
        noms,
        streams,
        read_at,
        unsettled_since,
        events,
        receipts,
        outbox,
        parked,
        waiting,
        erasures,
        journal,
    })
}

/// Reads the file of a person for somebody, and records that under the number that the person has now.
pub async fn load_for(pool: &PgPool, person: &Person, access: Access) -> Result<Option<CaseFile>, ReadError> {
    let file = load_person(pool, person).await?;
    // After an erasure the number itself is not to be stored again.
    let is_erased = file.as_ref().is_some_and(CaseFile::is_erased);
    access.record(pool, (!is_erased).then_some(&person.current), file.is_some()).await?;
    Ok(file)
}

/// Explains every entry whose write changed the row in Delius, oldest first, in the record of the person, and records each
/// reading.
pub async fn by_delius_row(
    pool: &PgPool,
    row: &DeliusRow,
    access: Access,
) -> Result<Vec<Explanation>, ReadError> {
    let access = access.to(Action::DeliusRow);
    let mut connection = pool.acquire().await?;
    let changes = reader::changes_of_row(&mut connection, &row.table, &row.id).await?;
    drop(connection);
    let mut files: HashMap<String, CaseFile> = HashMap::new();
    let mut explanations: Vec<Explanation> = vec![];
    for (case, sequence) in changes {
        if !files.contains_key(&case) {
            let noms: NomsNumber = case.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            let Some(file) = file_with(pool, noms, sequence.cast_unsigned()).await? else { continue };
            files.insert(case.clone(), file);
        }
        let explanation = files.get(&case).and_then(|file| {
            let place = place_of(file, &case, sequence.cast_unsigned())?;
            explain(file, place)
        });
        if let Some(explanation) = explanation.filter(|explanation| !explanations.contains(explanation)) {
            let noms = files.get(&case).map(|file| &file.noms);
            let position = explanation.entry.position.cast_signed();
            access.clone().at_position(position).record(pool, noms, true).await?;
            explanations.push(explanation);
        }
    }
    Ok(explanations)
}

/// The file of the person in whose record the event stands. An event of somebody who had the number before is shown in the
/// stream of the number alone.
async fn file_with(pool: &PgPool, noms: NomsNumber, sequence: u64) -> Result<Option<CaseFile>, ReadError> {
    let person = identities::person(pool, &PersonId::Noms(noms.clone()), None, None).await?;
    let file = match person {
        Some(person) => load_person(pool, &person).await?,
        None => None,
    };
    match file.filter(|file| place_of(file, noms.as_str(), sequence).is_some()) {
        Some(file) => Ok(Some(file)),
        None => load(pool, &noms).await,
    }
}

/// The place in the record of the person of an event of a stream.
fn place_of(file: &CaseFile, noms: &str, sequence: u64) -> Option<u64> {
    let of_stream =
        |stored: &&StoredEvent| stored.noms.as_str() == noms && stored.stream_sequence == sequence;
    file.events.iter().find(of_stream).map(|stored| stored.sequence)
}

async fn receipts(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    messages: &[String],
) -> sqlx::Result<Vec<ReceiptOfCase>> {
    let sql = format!(
        "select message_id, disposition, body_sha256, receive_count, {}, {}
         from message_receipts where case_id = $1 or message_id = any($2) order by id",
        told("received_at"),
        told("recorded_at"),
    );
    sqlx::query(&sql)
        .bind(noms.as_str())
        .bind(messages)
        .try_map(|row: PgRow| {
            Ok(ReceiptOfCase {
                message_id: row.try_get("message_id")?,
                disposition: row.try_get("disposition")?,
                body_sha256: row.try_get("body_sha256")?,
                receive_count: row.try_get::<i32, _>("receive_count")?.cast_unsigned(),
                received_at: row.try_get("received_at")?,
                recorded_at: row.try_get("recorded_at")?,
            })
        })
        .fetch_all(connection)
        .await
}

/// A message belongs to the case from the parking on by which its case was known.
async fn parked(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<Vec<ParkedOfCase>> {
    let sql = format!(
        "select parked_id, event_type, reason, detail, {} from parkings where case_id = $1 order by id",
        told("at")
    );
    let kept = sqlx::query(&sql)
        .bind(noms.as_str())
        .try_map(|row: PgRow| {
            let (event_type, at) = (row.try_get("event_type")?, row.try_get("at")?);
            let (reason, detail) = (row.try_get("reason")?, row.try_get("detail")?);
            Ok((row.try_get::<i64, _>("parked_id")?, ParkingOfCase { event_type, reason, detail, at }))
        })
        .fetch_all(&mut *connection)
        .await?;
    let mut parkings: HashMap<i64, Vec<ParkingOfCase>> = HashMap::new();
    for (parked_id, parking) in kept {
        parkings.entry(parked_id).or_default().push(parking);
    }
    let ids: Vec<i64> = parkings.keys().copied().collect();
    let sql = format!(
        "select parked_id, decision, by_whom, why, {} from parked_decisions where parked_id = any($1) order by id",
        told("at")
    );
    let rows: Vec<(i64, String, String, String, DateTime<Utc>)> =
        sqlx::query_as(&sql).bind(&ids).fetch_all(&mut *connection).await?;
    let mut decisions: HashMap<i64, Vec<_>> = HashMap::new();
    for (parked_id, decision, by, why, at) in rows {
        decisions.entry(parked_id).or_default().push((decision, by, why, at));
    }
    let sql = format!(
        "select id, message_id, {} from parked_messages where id = any($1) order by id",
        told("received_at")
    );
    sqlx::query(&sql)
        .bind(&ids)
        .try_map(|row: PgRow| {
            let id = row.try_get("id")?;
            Ok(ParkedOfCase {
                id,
                message_id: row.try_get("message_id")?,
                received_at: row.try_get("received_at")?,
                parkings: parkings.remove(&id).unwrap_or_default(),
                decisions: decisions.remove(&id).unwrap_or_default(),
            })
        })
        .fetch_all(connection)
        .await
}

async fn outbox(connection: &mut PgConnection, noms: &NomsNumber) -> sqlx::Result<Vec<WriteOfCase>> {
    let sql = format!(
        "select outbox_id, failed.attempt, {}, error
         from outbox_attempts failed join outbox on outbox.id = failed.outbox_id
         where outbox.case_id = $1 order by failed.outbox_id, failed.attempt",
        told("at")
    );
    let failures: Vec<(Uuid, i32, DateTime<Utc>, String)> =
        sqlx::query_as(&sql).bind(noms.as_str()).fetch_all(&mut *connection).await?;
    let mut by_write: HashMap<Uuid, Vec<FailedAttempt>> = HashMap::new();
    for (id, attempt, at, error) in failures {
        let attempt = attempt.cast_unsigned();
        by_write.entry(id).or_default().push(FailedAttempt { attempt, at, error });
    }
    sqlx::query(
        "select id, sequence, ordinal, intent, state, attempt from outbox
         where case_id = $1 order by sequence, ordinal",
    )
    .bind(noms.as_str())
    .try_map(|row: PgRow| {
        let id = row.try_get("id")?;
        Ok(WriteOfCase {
            id,
            noms: noms.clone(),
            write: WriteRef {
                sequence: row.try_get::<i64, _>("sequence")?.cast_unsigned(),
                ordinal: row.try_get::<i32, _>("ordinal")?.cast_unsigned(),
            },
            intent: row.try_get::<Json<_>, _>("intent")?.0,
            state: row.try_get("state")?,
            attempt: row.try_get::<i32, _>("attempt")?.cast_unsigned(),
            failures: by_write.remove(&id).unwrap_or_default(),
        })
    })
    .fetch_all(connection)
    .await
}
