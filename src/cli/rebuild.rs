//! `rebuild`: the outbox, the directory of staff codes and the list of waiting allocations, from the events. Stopped
//! and started again, it continues where it was. Exit code 0 means that every derived table now agrees with the events.

use std::process::ExitCode;

use clap::Args;

use crate::{
    app::{Failure, settings::StoreSettings},
    audit::replay,
    cli::{
        replay::{different, identical},
        verify::progress_bar,
    },
    event_store::reader,
    operations::rebuild::{self, Step},
};

/// Arguments of `rebuild`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rebuild")]
pub struct RebuildArguments {
    #[command(flatten)]
    store: StoreSettings,
}

impl RebuildArguments {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let pool = self.store.connect().await?;
        let bar = progress_bar("rebuilding");
        bar.set_length(reader::count_cases(&pool).await?);
        let rebuild = rebuild::Rebuild::resume_or_begin(&pool).await?;
        let done = loop {
            match rebuild.step().await? {
                Step::Done(progress) => bar.set_position(progress.cases.cast_unsigned()),
                Step::Finished(progress) => break progress,
            }
        };
        bar.finish_and_clear();
        println!(
            "rebuilt {} cases: {} writes were missing, {} were in another state",
            done.cases, done.added, done.corrected
        );
        match replay::all(&pool, |_, _| {}).await? {
            Ok(replayed) => {
                println!("{}", identical(&replayed));
                Ok(ExitCode::SUCCESS)
            }
            Err(unlike) => {
                println!("{}", different(&unlike).trim_end());
                Ok(ExitCode::FAILURE)
            }
        }
    }
}
