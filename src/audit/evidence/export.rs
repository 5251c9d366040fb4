//! Makes the evidence file of a case.

use std::{collections::BTreeMap, ops::Range};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sqlx::{PgConnection, PgPool};

use super::file::{EvidenceEntry, EvidenceFile, EvidenceWrite, FORMAT};
use crate::{
    audit::{
        history::{self, Access, Action, Question},
        journal::{
            checkpoint::Checkpoint,
            nodes,
            sources::{Record, SOURCES, Source},
            tree,
        },
    },
    case::{CODE_VERSION, NomsNumber, identity::Person},
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
    #[error("nothing of the case is older than the last checkpoint; try again after the next one")]
    NothingCovered,
    #[error("a row of the case cannot be given as evidence: {0}")]
    Row(#[from] serde_json::Error),
}

impl From<sqlx::Error> for ExportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Read(error.into())
    }
}

/// The evidence of a case as of the question, for somebody; the reading is recorded. `None` when nothing is held.
///
/// # Errors
/// When the store does not answer, or no checkpoint covers the case.
pub async fn export(
    pool: &PgPool,
    noms: &NomsNumber,
    question: &Question,
    access: &Access,
) -> Result<Option<EvidenceFile>, ExportError> {
    let access = access.clone().to(Action::Evidence).asking(question);
    let exported_by = access.by().to_owned();
    let Some(case) =
        history::load_for(pool, &Person::only(noms.clone()), access).await?.filter(|case| !case.is_erased())
    else {
        return Ok(None);
    };
    let mut transaction = database::begin(pool).await?;
    reader::begin_picture(&mut transaction).await?;
    let note: Option<String> = sqlx::query_scalar("select note from checkpoints order by size desc limit 1")
        .fetch_optional(&mut *transaction)
        .await?;
    let checkpoint = note.ok_or(ExportError::NoCheckpoint)?;
    let size = Checkpoint::parse(&checkpoint).map_err(|_| ExportError::NoCheckpoint)?.size;
    let mut collected = Collected::default();
    for source in &SOURCES {
        collected.add(&mut transaction, source, noms, question, size).await?;
    }
    if collected.sequences.is_empty() {
        return Err(ExportError::NothingCovered);
    }
    let parked_bodies = parked_bodies(&mut transaction, &collected.parked).await?;
    let entries = collected.entries(&mut transaction, size).await?;
    transaction.rollback().await?;
    let covered = |sequence: u64| collected.sequences.contains(&sequence);
    Ok(Some(EvidenceFile {
        format: FORMAT.to_owned(),
        noms_id: noms.clone(),
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
        writes: case
            .outbox
            .iter()
            .filter(|row| covered(row.write.sequence))
            .map(EvidenceWrite::from)
            .collect(),
    }))
}

/// The rows of a case that the checkpoint covers.
#[derive(Default)]
struct Collected {
    /// Position, salt and canonical bytes.
    rows: Vec<(u64, Vec<u8>, Vec<u8>)>,
    counts: BTreeMap<String, u64>,
    sequences: Vec<u64>,
    parked: Vec<i64>,
    not_covered: u64,
}

/// The transactions and ids of the rows about case `$1` that were recorded by `$2`.
fn rows_of(source: &Source) -> Option<&'static str> {
    Some(match source.name {
        "event" => "select xid::text, id from events where aggregate_id = $1 and recorded_at <= $2",
        "receipt" => {
            "select xid::text, id from message_receipts
             where (case_id = $1 or message_id in (select metadata ->> 'messageId' from events where aggregate_id = $1))
               and disposition <> 'changeFeed' and recorded_at <= $2"
        }
        "parkedMessage" => {
            "select xid::text, id from parked_messages
             where id in (select parked_id from parkings where case_id = $1) and recorded_at <= $2"
        }
        "parking" => "select xid::text, id from parkings where case_id = $1 and at <= $2",
        "parkedDecision" => {
            "select xid::text, id from parked_decisions
             where parked_id in (select parked_id from parkings where case_id = $1) and at <= $2"
        }
        "writeAttempt" => {
            "select xid::text, id from outbox_attempts
             where outbox_id in (select id from outbox where case_id = $1) and at <= $2"
        }
        // Who read the case is no part of its story.
        _ => return None,
    })
}

impl Collected {
    async fn add(
        &mut self,
        connection: &mut PgConnection,
        source: &'static Source,
        noms: &NomsNumber,
        question: &Question,
        size: u64,
    ) -> Result<(), ExportError> {
        let Some(sql) = rows_of(source) else { return Ok(()) };
        let known_at = question.known_at.map_or_else(|| "infinity".to_owned(), |at| at.to_rfc3339());
        let sql = sql.replace("$2", "$2::text::timestamptz");
        let keys: Vec<(String, i64)> =
            sqlx::query_as(&sql).bind(noms.as_str()).bind(known_at).fetch_all(&mut *connection).await?;
        let records = source.load(connection, &keys).await?;
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
        self.sequences.extend(record.sequence.map(i64::cast_unsigned));
        if source.name == "parkedMessage" {
            self.parked.push(record.id);
        }
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

async fn parked_bodies(connection: &mut PgConnection, ids: &[i64]) -> sqlx::Result<BTreeMap<i64, String>> {
    let bodies: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("select id, body from parked_messages where id = any($1)")
            .bind(ids)
            .fetch_all(connection)
            .await?;
    Ok(bodies.into_iter().map(|(id, body)| (id, STANDARD.encode(body))).collect())
}
