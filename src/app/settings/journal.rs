//! The settings of the checkpoints of the journal.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;

use crate::{
    app::{
        Failure,
        settings::{
            aws,
            check::{given, topic},
            secret::Secret,
            tuning::seconds,
        },
    },
    audit::journal::{
        checkpoint::{InvalidSigner, Signer},
        publish::{CheckpointTopic, Publisher},
    },
};

/// How the journal is attested.
#[derive(Debug, Clone, Args)]
pub(crate) struct JournalSettings {
    /// Ed25519 private key that signs checkpoints of the journal: PEM, or 32 bytes in base64. Without it checkpoints are
    /// neither signed nor kept
    #[arg(long, env = "CHECKPOINT_KEY", hide_env_values = true)]
    checkpoint_key: Option<Secret>,
    /// Name of the journal in its checkpoints, for example manage-pom-cases-and-delius.hmpps.service.justice.gov.uk/prod
    #[arg(long, env = "CHECKPOINT_ORIGIN", default_value = "manage-pom-cases-and-delius/journal")]
    checkpoint_origin: String,
    /// Seconds between two checkpoints
    #[arg(long, env = "CHECKPOINT_INTERVAL_SECONDS", default_value = "600", value_parser = seconds)]
    checkpoint_interval_seconds: Duration,
    /// File that checkpoints are appended to
    #[arg(long, env = "CHECKPOINT_FILE")]
    checkpoint_file: Option<PathBuf>,
    /// SNS topic that checkpoints are published to
    #[arg(long, env = "CHECKPOINT_TOPIC_ARN")]
    checkpoint_topic_arn: Option<String>,
}

impl JournalSettings {
    /// Checks the key and the name; the topic is checked with them.
    pub(crate) fn signer(&self) -> Result<Option<Signer>, Failure> {
        if let Some(arn) = given(self.checkpoint_topic_arn.as_deref()) {
            topic("CHECKPOINT_TOPIC_ARN", Some(arn))?;
        }
        let Some(key) = given(self.checkpoint_key.as_ref().map(Secret::reveal)) else { return Ok(None) };
        let signer = Signer::new(self.checkpoint_origin.trim(), key);
        let setting = |error| match error {
            InvalidSigner::Key => "CHECKPOINT_KEY",
            InvalidSigner::Origin => "CHECKPOINT_ORIGIN",
        };
        signer.map(Some).map_err(|error| Failure::setting(setting(error), error))
    }

    /// Where checkpoints go.
    pub(crate) async fn publisher(&self, signer: Option<Signer>) -> Publisher {
        match &signer {
            Some(signer) => {
                tracing::info!(verifier = %signer.verifier(), "checkpoints of the journal are signed")
            }
            None => tracing::warn!(
                "CHECKPOINT_KEY is not set: the journal is kept, but nothing outside the database will show that \
                 it was cut off or rewritten"
            ),
        }
        let topic = match given(self.checkpoint_topic_arn.as_deref()) {
            Some(arn) => {
                Some(CheckpointTopic { sns: aws_sdk_sns::Client::new(&aws().await), arn: arn.to_owned() })
            }
            None => None,
        };
        Publisher {
            signer: signer.map(Arc::new),
            every: self.checkpoint_interval_seconds,
            file: self.checkpoint_file.clone(),
            topic,
        }
    }
}
