//! The command line: one file per subcommand. Flags mirror the environment.

mod completions;
mod erasure;
mod evidence;
mod handovers;
mod healthcheck;
#[cfg(test)]
mod help_tests;
mod history;
mod ingest;
mod listing;
mod migrate;
mod outbox;
mod parked;
mod people;
mod progress;
mod publish;
mod rebuild;
mod reconcile;
mod refused;
mod replay;
mod serve;
mod unreflected;
mod verify;
mod waiting;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
pub use publish::publish;

use crate::app::{Failure, logging::LogFormat};

/// Carries prison offender manager allocations and handover dates from Manage POM Cases into Delius, and case
/// facts from Delius back.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Arguments {
    /// How log lines are written to standard error; RUST_LOG filters them (default: info).
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service until SIGTERM or SIGINT, then drain.
    Serve(Box<serve::Serve>),
    /// Bring the schema of our store up to date, or build the development Delius.
    Migrate(migrate::Migrate),
    /// Feed message files (SNS envelope or bare event) through the same path as SQS, and show what they led to.
    Ingest(ingest::IngestFiles),
    /// Publish message files to an SNS topic, with their eventType attribute.
    Publish(publish::Publish),
    /// Writes on their way to Delius: list, show, retry or skip.
    Outbox(outbox::Outbox),
    /// Messages that could not become events: list, show, retry or skip.
    Parked(parked::Parked),
    /// Writes that were refused by a rule and not applied since.
    Refused(refused::RefusedArguments),
    /// Allocations that wait for the name of their officer.
    Unreflected(unreflected::UnreflectedArguments),
    /// Handover dates of one person, or of everybody in custody.
    Handovers(handovers::Handovers),
    /// What Manage POM Cases says, what is recorded and what Delius holds: do they agree?
    Reconcile(Box<reconcile::Reconcile>),
    /// Show a case's allocation and handover history: as it was in the world, or as we knew it at a time.
    History(Box<history::HistoryArguments>),
    /// Derive every write again from the stored events, and say whether it is what was derived then.
    Replay(replay::Replay),
    /// Rebuild from the events what is derived from them, while the service runs, and compare at the end.
    Rebuild(rebuild::RebuildArguments),
    /// Whether the service on this machine is alive, for the image.
    Healthcheck(healthcheck::Healthcheck),
    /// What a shell needs to complete commands and flags.
    Completions(completions::Completions),
    /// One file that proves a case to somebody who has nothing else, and its check.
    Evidence(evidence::EvidenceArgs),
    /// Remove the personal data of a case from our store; list who is due for it.
    Erasure(erasure::ErasureArgs),
    /// Check that nobody changed what is recorded.
    Verify(verify::VerifyArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// With what went wrong and the exit code: 2 for settings, 1 for everything else.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    #[cfg(feature = "failpoints")]
    crate::failpoint::prepare();
    match command {
        Command::Serve(serve) => serve.run().await,
        Command::Migrate(migrate) => migrate.run().await,
        Command::Ingest(ingest) => ingest.run().await,
        Command::Publish(publish) => publish.run().await,
        Command::Outbox(outbox) => outbox.run().await,
        Command::Parked(parked) => parked.run().await,
        Command::Handovers(handovers) => handovers.run().await,
        Command::Reconcile(reconcile) => reconcile.run().await,
        Command::History(history) => history.run().await,
        Command::Replay(replay) => replay.run().await,
        Command::Rebuild(rebuild) => rebuild.run().await,
        Command::Evidence(evidence) => evidence.run().await,
        Command::Erasure(erasure) => erasure.run().await,
        Command::Verify(verify) => verify.run().await,
        Command::Refused(refused) => refused.run().await,
        Command::Unreflected(unreflected) => unreflected.run().await,
        Command::Healthcheck(healthcheck) => healthcheck.run().await,
        Command::Completions(completions) => completions.run(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn who_decides_and_why_cannot_be_blank() {
        let write = "00000000-0000-0000-0000-000000000000";
        for command in [
            vec!["parked", "retry", "1"],
            vec!["parked", "skip", "1"],
            vec!["outbox", "retry", write],
            vec!["outbox", "skip", write],
        ] {
            let parsed = |by, why| {
                let all = [&["program"], &command[..], &["--database-url", "x", "--by", by, "--why", why]];
                super::Arguments::try_parse_from(all.concat())
            };
            for (by, why, blank) in [("op", " ", "--why"), ("op", "", "--why"), ("\t", "why", "--by")] {
                let error = parsed(by, why).unwrap_err().to_string();
                assert!(error.contains(blank) && error.contains("blank"), "{command:?}: {error}");
            }
        }
        for nobody in ["unknown", "Unknown operator", "nobody"] {
            let skip =
                ["program", "parked", "skip", "1", "--database-url", "x", "--by", nobody, "--why", "w"];
            assert!(super::Arguments::try_parse_from(skip).is_err(), "{nobody}");
        }
        let history = ["program", "history", "A1234BC", "--database-url", "x", "--by", " "];
        assert!(super::Arguments::try_parse_from(history).is_err());
    }
}
