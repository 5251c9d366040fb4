//! `replay`: do the stored events still mean the writes that were derived from them? Exit code 0 = identical.

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::anyhow;
use clap::Args;
use sqlx::PgPool;

use crate::{
    app::{
        Failure,
        settings::{self, StoreSettings, check::both},
    },
    audit::replay::{self, Replayed, Unlike},
    case::{NomsNumber, PersonId},
    cli::{people::CrnLookup, verify::progress_bar},
};

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  replay A1234BC\n  replay --all --decisions")]
pub struct Replay {
    /// NOMS number (A1234BC) or CRN (X123456; needs DELIUS_DATABASE_URL) of one case
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<PersonId>,
    /// Every case, in the order of the journal
    #[arg(long)]
    all: bool,
    /// Also check whether the present code decides the same from the stored messages and answers
    #[arg(long)]
    decisions: bool,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    lookup: CrnLookup,
}

impl Replay {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let person = self.id.as_ref().map(|id| self.lookup.person(id)).transpose();
        let (database, person) = both(self.store.database(), person)?;
        let pool = settings::connect_store(database).await?;
        let numbers = match person {
            Some(person) => Some(person.find(&pool, (None, None)).await?.numbers()),
            None => None,
        };
        let outcome = match &numbers {
            Some(numbers) => replay::person(&pool, numbers)
                .await?
                .ok_or_else(|| anyhow!("nothing is recorded for NOMS number {}", listed(numbers)))?,
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
        match outcome {
            Ok(replayed) => println!("{}", identical(&replayed)),
            Err(unlike) => {
                println!("{}", different(&unlike).trim_end());
                return Ok(ExitCode::FAILURE);
            }
        }
        if self.decisions { decide_again(&pool, numbers.as_ref()).await } else { Ok(ExitCode::SUCCESS) }
    }
}

fn listed(numbers: &BTreeSet<NomsNumber>) -> String {
    numbers.iter().map(NomsNumber::as_str).collect::<Vec<_>>().join(", ")
}

async fn decide_again(pool: &PgPool, numbers: Option<&BTreeSet<NomsNumber>>) -> Result<ExitCode, Failure> {
    let outcome = match numbers {
        Some(numbers) => replay::decisions_of_person(pool, numbers).await?,
        None => {
            let bar = progress_bar("deciding again");
            let outcome = replay::decisions_of_all(pool, |decided| bar.set_position(decided)).await;
            bar.finish_and_clear();
            outcome?
        }
    };
    match outcome {
        Ok(events) => {
            println!("identical: today's code decides all {events} events as they were decided");
            Ok(ExitCode::SUCCESS)
        }
        Err(other) => {
            println!("decided differently: {}", other.to_string().trim_end());
            Ok(ExitCode::FAILURE)
        }
    }
}

pub(super) fn identical(replayed: &Replayed) -> String {
    let Replayed { events, writes, journal, not_entered } = replayed;
    let read = match journal {
        Some((position, hash)) => format!(
            "\nread to journal position {position}, hash {hash}; {not_entered} events not entered yet"
        ),
        None => format!(
            "\nno event of the stream is missing, {} are as the journal entered them; {not_entered} events not \
             entered yet",
            events - not_entered
        ),
    };
    format!("identical: {events} events mean the {writes} writes that were derived from them{read}")
}

pub(super) fn different(unlike: &Unlike) -> String {
    match unlike {
        Unlike::Write(difference) => format!("different: {difference}"),
        Unlike::Tampered(finding) => format!("the events were changed: {finding}"),
        Unlike::Incomplete { what, read, stored } => {
            format!("incomplete: {read} {what} were read, {stored} are stored")
        }
    }
}
