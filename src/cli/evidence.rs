//! `evidence`: one file that proves what is recorded about a person, and its check offline.

use std::{fs, io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use crate::{
    app::{
        Failure,
        settings::{
            self, StoreSettings,
            check::{both, somebody},
        },
    },
    audit::{
        evidence::{self, EvidenceFile, ProvedEvidence},
        history::{Access, Moment, Question},
        journal::checkpoint::{Checkpoint, Verifier},
    },
    case::{PersonId, identity::Part},
    cli::people::CrnLookup,
    london::date_time_zone,
};

/// Arguments of `evidence`.
#[derive(Debug, Args)]
pub struct EvidenceArgs {
    #[command(subcommand)]
    action: EvidenceAction,
}

#[derive(Debug, Subcommand)]
enum EvidenceAction {
    /// Write one file with everything that is recorded about a person, under every number, and the proof of it
    Export(Box<ExportArgs>),
    /// Check such a file. Needs neither database nor network
    Verify(VerifyFileArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  evidence export A1234BC --out A1234BC.evidence.json\n  evidence export A1234BC --as-of 2026-03-03 --key NAME+ID+KEY"
)]
struct ExportArgs {
    /// NOMS number (A1234BC) or CRN (X123456; needs DELIUS_DATABASE_URL)
    #[arg(value_name = "ID")]
    id: PersonId,
    /// What was true in the world at this time: the question that the file answers
    #[arg(long, value_name = "T")]
    as_of: Option<Moment>,
    /// What we knew at this time: what was recorded later is left out
    #[arg(long, value_name = "T")]
    known_at: Option<Moment>,
    /// Keys that checkpoints are signed with; the one that signed is named in the file
    #[arg(long, env = "CHECKPOINT_VERIFIERS", value_name = "KEY", value_delimiter = ',')]
    key: Vec<Verifier>,
    /// File to write; otherwise standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Who asks; recorded
    #[arg(long, env = "USER", value_parser = somebody)]
    by: String,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    lookup: CrnLookup,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evidence verify A1234BC.evidence.json --key NAME+ID+KEY")]
struct VerifyFileArgs {
    /// File that `evidence export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Keys that checkpoints are signed with (name+id+base64, as published); separated by commas
    #[arg(long, env = "CHECKPOINT_VERIFIERS", value_name = "KEY", value_delimiter = ',')]
    key: Vec<Verifier>,
}

impl EvidenceArgs {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            EvidenceAction::Export(export) => export.run().await,
            EvidenceAction::Verify(verify) => verify.run().await,
        }
    }
}

impl ExportArgs {
    async fn run(self) -> Result<ExitCode, Failure> {
        let (database, person) = both(self.store.database(), self.lookup.person(&self.id))?;
        let pool = settings::connect_store(database).await?;
        let question = Question {
            as_of: self.as_of.map(|moment| moment.0),
            known_at: self.known_at.map(|moment| moment.0),
            ..Question::default()
        };
        let person = person.find(&pool, (question.as_of, question.known_at)).await?;
        let file = evidence::export(&pool, &person, &question, &Access::cli(&self.by)).await?;
        let mut file = file.ok_or_else(|| anyhow!("nothing is recorded for {}", self.id))?;
        let signed_by =
            |key: &&Verifier| Checkpoint::verify(&file.checkpoint, std::slice::from_ref(*key)).is_ok();
        file.verifier = self.key.iter().find(signed_by).map(ToString::to_string);
        let text = file.to_text()?;
        match &self.out {
            Some(out) => fs::write(out, text).with_context(|| format!("while writing {}", out.display()))?,
            None => std::io::stdout().lock().write_all(text.as_bytes())?,
        }
        eprintln!("{} entries of {} with their proofs", file.entries.len(), numbers(&file));
        if file.not_covered > 0 {
            eprintln!(
                "{} rows are newer than the last checkpoint and not in the file: export again after the next one",
                file.not_covered
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl VerifyFileArgs {
    async fn run(self) -> Result<ExitCode, Failure> {
        let file = read(&self.file)?;
        match evidence::verify(&file, &self.key).await {
            Ok(proved) => {
                println!("{}", report(&file, &proved));
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                println!("not proved: {error}");
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

/// Reads an evidence file.
pub(super) fn read(file: &PathBuf) -> anyhow::Result<EvidenceFile> {
    let context = || format!("in {}", file.display());
    let text = fs::read_to_string(file).with_context(context)?;
    EvidenceFile::from_text(&text).with_context(context)
}

/// Every number that the person had.
fn numbers(file: &EvidenceFile) -> String {
    let shown = |part: &Part| match part.is_whole() {
        true => part.noms.to_string(),
        false => format!("{} (without what is another person's)", part.noms),
    };
    file.parts.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn report(file: &EvidenceFile, proved: &ProvedEvidence) -> String {
    let ProvedEvidence { entries, events, writes, checkpoint, signed, not_covered } = proved;
    let at = checkpoint.at.map(|at| format!(" of {}", date_time_zone(at))).unwrap_or_default();
    let mut lines = vec![
        format!("proved: {entries} of {entries} entries of {}", numbers(file)),
        format!("checkpoint {} of {}{at}, root {}", checkpoint.size, checkpoint.origin, checkpoint.root),
        format!("{events} events mean the {writes} writes, and today's code decides them the same"),
    ];
    match signed {
        true => lines.push("the checkpoint is signed by a given key".to_owned()),
        false => lines.push(
            "THE SIGNATURE WAS NOT CHECKED: give the published key with --key; without it anybody could have made \
             this file"
                .to_owned(),
        ),
    }
    if *not_covered > 0 {
        lines.push(format!(
            "{not_covered} rows about the person were newer than the checkpoint and are not in the file"
        ));
    }
    lines.join("\n")
}
