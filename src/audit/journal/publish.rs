//! Publishes a signed checkpoint on a timetable: to the log of the service, to a file and to an SNS topic, and keeps it
//! in the store. What is published elsewhere shows a log that was cut off or rewritten later.

use std::{fmt, fs::OpenOptions, io::Write as _, path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{LEADER, checkpoint::Signer, hash::Hash, proofs};
use crate::database;

/// An SNS topic.
#[derive(Debug, Clone)]
pub struct CheckpointTopic {
    pub sns: aws_sdk_sns::Client,
    pub arn: String,
}

/// Where checkpoints go, and how often.
#[derive(Clone)]
pub struct Publisher {
    /// Without one nothing is signed or kept; size and root are logged.
    pub signer: Option<Arc<Signer>>,
    pub every: Duration,
    /// Checkpoints are appended to it.
    pub file: Option<PathBuf>,
    pub topic: Option<CheckpointTopic>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self { signer: None, every: Duration::from_secs(600), file: None, topic: None }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("every", &self.every)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Publisher {
    /// Publishes a checkpoint if the log grew since the last one and that is old enough; the note, if it did. Of several
    /// processes the one that leads the journal at this moment does it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn publish_if_due(&self, pool: &PgPool) -> sqlx::Result<Option<String>> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let mut transaction = database::begin(pool).await?;
        let leads: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)")
            .bind(LEADER)
            .fetch_one(&mut *transaction)
            .await?;
        let last: Option<(i64, DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
            "select size, published_at, clock_timestamp() from checkpoints order by size desc limit 1",
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let size = proofs::size(&mut transaction).await?;
        let is_due = last.is_none_or(|(last, published_at, now)| {
            let age = (now - published_at).to_std().unwrap_or_default();
            size > last.cast_unsigned() && age >= self.every
        });
        if !leads || !is_due || size == 0 {
            transaction.rollback().await?;
            return Ok(None);
        }
        let root = proofs::root(&mut transaction, size).await?;
        let note = signer.sign(size, root, Utc::now());
        sqlx::query("insert into checkpoints (size, note) values ($1, $2)")
            .bind(size.cast_signed())
            .bind(&note)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.publish(size, root, &note).await;
        Ok(Some(note))
    }

    /// A checkpoint that does not get through somewhere is logged and not tried again: the next one proves more.
    async fn publish(&self, size: u64, root: Hash, note: &str) {
        tracing::info!(target: "journal_checkpoint", size, %root, note, "journal checkpoint");
        metrics::gauge!("journal_checkpoint_size").set(size as f64);
        if let Some(file) = &self.file {
            let appended =
                || OpenOptions::new().create(true).append(true).open(file)?.write_all(note.as_bytes());
            if let Err(error) = appended() {
                tracing::error!(%error, file = %file.display(), "checkpoint not written to its file");
            }
        }
        if let Some(CheckpointTopic { sns, arn }) = &self.topic
            && let Err(error) = sns.publish().topic_arn(arn).message(note).send().await
        {
            let error = aws_sdk_sns::error::DisplayErrorContext(&error);
            tracing::error!(%error, topic = arn, "checkpoint not published to its topic");
        }
    }

    /// Without a key the root is logged, which proves less: anybody can write such a line.
    pub(super) async fn log_root(&self, pool: &PgPool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        let size = proofs::size(&mut connection).await?;
        let root = proofs::root(&mut connection, size).await?;
        tracing::info!(target: "journal_checkpoint", size, %root, "journal root, not signed: CHECKPOINT_KEY is not set");
        Ok(())
    }
}
