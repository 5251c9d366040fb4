//! `replay`: do the stored events still mean the writes that were derived from them? Exit code 0 = identical.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::{Failure, settings::StoreSettings, verify::progress_bar};
use crate::{
    case::NomsNumber,
    history::replay::{self, Replayed, Unlike},
};

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Replay {
    /// NOMS number of one case
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<NomsNumber>,
    /// Every case, in the order of the journal
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    store: StoreSettings,
}

impl Replay {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let pool = self.store.connect().await?;
        let outcome = match &self.id {
            Some(noms) => replay::one(&pool, noms)
                .await?
                .ok_or_else(|| anyhow!("nothing is recorded for NOMS number {noms}"))?,
            None => {
                let bar = progress_bar("replaying");
                let outcome = replay::all(&pool, |done, total| {
                    bar.set_length(total);
                    bar.set_position(done);
                })
                .await;
                bar.finish_and_clear();
                outcome?
            }
        };
        Ok(match outcome {
            Ok(replayed) => {
                println!("{}", identical(&replayed));
                ExitCode::SUCCESS
            }
            Err(unlike) => {
                println!("{}", different(&unlike).trim_end());
                ExitCode::FAILURE
            }
        })
    }
}

fn identical(replayed: &Replayed) -> String {
    let Replayed { events, writes, journal, not_entered } = replayed;
    let read = match journal {
        Some((position, hash)) => format!(
            "\nread to journal position {position}, hash {hash}; {not_entered} events not entered yet"
        ),
        None if *not_entered > 0 => format!("\nthe journal is empty; {not_entered} events not entered yet"),
        None => String::new(),
    };
    format!("identical: {events} events mean the {writes} writes that were derived from them{read}")
}

fn different(unlike: &Unlike) -> String {
    match unlike {
        Unlike::Write(difference) => format!("different: {difference}"),
        Unlike::Tampered(finding) => format!("the events were changed: {finding}"),
        Unlike::Incomplete { what, read, stored } => {
            format!("incomplete: {read} {what} were read, {stored} are stored")
        }
    }
}
