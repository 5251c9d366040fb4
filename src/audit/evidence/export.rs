//! Makes the evidence file of a person.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::file::{EvidenceEntry, EvidenceFile, EvidenceWrite, FORMAT};
use crate::{
    audit::{
        history::{self, Access, Action, CaseFile, Question, StoredEvent, WriteOfCase},
        journal::{
            checkpoint::Checkpoint,
            nodes,
            sources::{Record, SOURCES, Source},
            tree,
        },
    },
    case::{CODE_VERSION, identity::Person},
    database,
    event_store::reader::{self, ReadError},
};

/// Why there is no evidence file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(
        "no checkpoint is published yet: evidence leads to a signed checkpoint, which a service with the role relay \
         publishes when CHECKPOINT_KEY is set"
    )]
    NoCheckpoint,
    #[error("nothing of the person is older than the last checkpoint; try again after the next one")]
    NothingCovered,
    #[error("a row cannot be given as evidence: {0}")]
    Row(#[from] serde_json::Error),
}

impl From<sqlx::Error> for ExportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Read(error.into())
    }
}

/// The evidence of a person as of the question, for somebody; the reading is recorded. `None` when nothing is held.
///
/// # Errors
/// When the store does not answer, or no checkpoint covers the person.
pub async fn export(
    pool: &PgPool,
    person: &Person,
    question: &Question,
    access: &Access,
) -> Result<Option<EvidenceFile>, ExportError> {
    let access = access.clone().to(Action::Evidence).asking(question);
    let exported_by = access.by().to_owned();
    let Some(case) = history::load_for(pool, person, access).await?.filter(|case| !case.is_erased()) else {
        return Ok(None);
    };
    let mut transaction = database::begin(pool).await?;
    reader::begin_picture(&mut transaction).await?;
    let note: Option<String> = sqlx::query_scalar("select note from checkpoints order by size desc limit 1")
        .fetch_optional(&mut *transaction)
        .await?;
    let checkpoint = note.ok_or(ExportError::NoCheckpoint)?;
    let size = Checkpoint::parse(&checkpoint).map_err(|_| ExportError::NoCheckpoint)?.size;
    let scope = Scope::of(&case, person);
    let mut collected = Collected::default();
    for source in &SOURCES {
        collected.add(&mut transaction, source, (&scope, question), size).await?;
    }
    if collected.events.is_empty() {
        return Err(ExportError::NothingCovered);
    }
    let parked_bodies = parked_bodies(&mut transaction, &collected.parked).await?;
    let entries = collected.entries(&mut transaction, size).await?;
    transaction.rollback().await?;
    let writes = collected.writes(&case);
    Ok(Some(EvidenceFile {
        format: FORMAT.to_owned(),
        noms_id: person.current.clone(),
        parts: person.parts.clone(),
        as_of: question.as_of,
        known_at: question.known_at,
        time_zone: "Europe/London".to_owned(),
        read_at: case.read_at,
        exported_by,
        code_version: CODE_VERSION.to_owned(),
        checkpoint,
        verifier: None,
        counts: collected.counts,
        not_covered: collected.not_covered,
        entries,
        parked_bodies,
        writes,
    }))
}

/// An event by its number and its place in the stream of the number.
type EventKey = (String, u64);

/// What belongs to the person.
struct Scope {
    numbers: Vec<String>,
    /// Those that nobody else ever had.
    whole: Vec<String>,
    events: BTreeSet<EventKey>,
    messages: Vec<String>,
    parked: Vec<i64>,
    writes: Vec<Uuid>,
}

impl Scope {
    fn of(case: &CaseFile, person: &Person) -> Self {
        let whole = person.parts.iter().filter(|part| part.is_whole());
        let key = |stored: &StoredEvent| (stored.noms.to_string(), stored.stream_sequence);
        Self {
            numbers: person.parts.iter().map(|part| part.noms.to_string()).collect(),
            whole: whole.map(|part| part.noms.to_string()).collect(),
            events: case.events.iter().map(key).collect(),
            messages: case.receipts.iter().map(|receipt| receipt.message_id.clone()).collect(),
            parked: case.parked.iter().map(|parked| parked.id).collect(),
            writes: case.outbox.iter().map(|row| row.id).collect(),
        }
    }
}

/// The rows of a source that may belong to the scope, and the column that says when they were recorded.
fn rows_of(source: &Source) -> Option<(&'static str, &'static str)> {
    Some(match source.name {
        "event" => ("t.aggregate_id = any(numbers)", "recorded_at"),
        // A message that became events of another person too has a receipt there.
        "receipt" => (
            "t.message_id = any(messages) and (t.case_id is null or t.case_id = any(numbers))
             and t.disposition <> 'changeFeed'",
            "recorded_at",
        ),
        "parkedMessage" => ("t.id = any(parked)", "recorded_at"),
        "parking" => ("t.parked_id = any(parked) and t.case_id = any(numbers)", "at"),
        "parkedDecision" => ("t.parked_id = any(parked)", "at"),
        "writeAttempt" => ("t.outbox_id = any(writes)", "at"),
        "waitingDecision" => ("t.message_id = any(messages)", "at"),
        "differenceAccepted" => ("t.case_id = any(whole)", "accepted_at"),
        "erasureRequest" => ("t.case_id = any(whole)", "recorded_at"),
        // Who read the record, and what is about nobody, is no part of the story.
        _ => return None,
    })
}

/// The rows of a person that the checkpoint covers.
#[derive(Default)]
struct Collected {
    /// Position, salt and canonical bytes.
    rows: Vec<(u64, Vec<u8>, Vec<u8>)>,
    counts: BTreeMap<String, u64>,
    events: BTreeSet<EventKey>,
    parked: Vec<i64>,
    not_covered: u64,
}

impl Collected {
    async fn add(
        &mut self,
        connection: &mut PgConnection,
        source: &'static Source,
        (scope, question): (&Scope, &Question),
        size: u64,
    ) -> Result<(), ExportError> {
        let Some((condition, recorded)) = rows_of(source) else { return Ok(()) };
        let sql = format!(
            "with scope as (select $1::text[] as numbers, $2::text[] as whole, $3::text[] as messages,
                                   $4::bigint[] as parked, $5::uuid[] as writes)
             select t.xid::text, t.id from {} t, scope
             where {condition} and t.{recorded} <= $6::text::timestamptz",
            source.table
        );
        let known_at = question.known_at.map_or_else(|| "infinity".to_owned(), |at| at.to_rfc3339());
        let keys: Vec<(String, i64)> = sqlx::query_as(&sql)
            .bind(&scope.numbers)
            .bind(&scope.whole)
            .bind(&scope.messages)
            .bind(&scope.parked)
            .bind(&scope.writes)
            .bind(known_at)
            .fetch_all(&mut *connection)
            .await?;
        let mut records = source.load(connection, &keys).await?;
        // Of a number that another person had too, only the events of this person.
        records.retain(|_, record| event_key(record).is_none_or(|key| scope.events.contains(&key)));
        let ids: Vec<i64> = records.keys().copied().collect();
        let placed: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
            "select source_id, position, salt from journal
             where source = $1 and source_id = any($2) and position <= $3 and salt is not null",
        )
        .bind(source.name)
        .bind(&ids)
        .bind(size.cast_signed())
        .fetch_all(connection)
        .await?;
        self.not_covered += (ids.len() - placed.len()) as u64;
        for (id, position, salt) in placed {
            let Some(record) = records.get(&id) else { continue };
            self.note(source, record);
            self.rows.push((position.cast_unsigned(), salt, source.bytes(record)?));
        }
        Ok(())
    }

    fn note(&mut self, source: &Source, record: &Record) {
        *self.counts.entry(source.name.to_owned()).or_default() += 1;
        self.events.extend(event_key(record));
        if source.name == "parkedMessage" {
            self.parked.push(record.id);
        }
    }

    /// The writes of the events that are covered. Their places in the file of the person are not those in the streams.
    fn writes(&self, case: &CaseFile) -> Vec<EvidenceWrite> {
        let events: BTreeMap<u64, &StoredEvent> =
            case.events.iter().map(|stored| (stored.sequence, stored)).collect();
        let write = |row: &WriteOfCase| {
            let event = events.get(&row.write.sequence)?;
            let key = (event.noms.to_string(), event.stream_sequence);
            self.events.contains(&key).then(|| EvidenceWrite::of(row, event.stream_sequence))
        };
        case.outbox.iter().filter_map(write).collect()
    }

    /// The entries in the order of the journal, with their proofs, which are read together.
    async fn entries(&self, connection: &mut PgConnection, size: u64) -> sqlx::Result<Vec<EvidenceEntry>> {
        let mut rows: Vec<&(u64, Vec<u8>, Vec<u8>)> = self.rows.iter().collect();
        rows.sort_by_key(|(position, ..)| *position);
        let paths: Vec<Vec<Range<u64>>> =
            rows.iter().map(|(position, ..)| tree::inclusion(position - 1, size)).collect();
        let mut hashes = nodes::over(connection, &paths.concat()).await?.into_iter();
        let entries = rows.iter().zip(&paths).map(|((position, salt, bytes), path)| EvidenceEntry {
            position: *position,
            salt: STANDARD.encode(salt),
            bytes: STANDARD.encode(bytes),
            proof: hashes.by_ref().take(path.len()).map(|hash| hash.to_base64()).collect(),
        });
        Ok(entries.collect())
    }
}

fn event_key(record: &Record) -> Option<EventKey> {
    Some((record.case_id.clone()?, record.sequence?.cast_unsigned()))
}

async fn parked_bodies(connection: &mut PgConnection, ids: &[i64]) -> sqlx::Result<BTreeMap<i64, String>> {
    let bodies: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("select id, body from parked_messages where id = any($1)")
            .bind(ids)
            .fetch_all(connection)
            .await?;
    Ok(bodies.into_iter().map(|(id, body)| (id, STANDARD.encode(body))).collect())
}
