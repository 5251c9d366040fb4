//! `verify`: has anybody changed what is recorded? Exit code 0 = intact.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::{Failure, settings::StoreSettings},
    audit::journal::{
        checkpoint::{self, Checkpoint, Verifier},
        verify::{self, IntactJournal, VerifyRequest},
    },
};

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  verify\n  verify --checkpoint kept-outside.txt --key NAME+ID+KEY\n  verify --since 1000000"
)]
pub struct VerifyArgs {
    /// Prove that the log only grew since the checkpoints in this file, which holds one or several as the service
    /// publishes them. Keep it where nobody who can change the database can change it: it shows what the log alone
    /// cannot, a cut-off end or a log that was written anew
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Keys that checkpoints are signed with (name+id+base64, as the service logs them); separated by commas
    #[arg(long, env = "CHECKPOINT_VERIFIERS", value_name = "KEY", value_delimiter = ',')]
    key: Vec<Verifier>,
    /// Recompute from about this position on, and take what is before from stored hashes: for a frequent run
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    since: i64,
    #[command(flatten)]
    store: StoreSettings,
}

impl VerifyArgs {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let kept_outside = match &self.checkpoint {
            Some(file) => read(file, &self.key)?,
            None => vec![],
        };
        let request = VerifyRequest { since: self.since, kept_outside, verifiers: self.key };
        let pool = self.store.connect().await?;
        let bar = progress_bar("verifying");
        let outcome = verify::verify(&pool, &request, |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })
        .await;
        bar.finish_and_clear();
        match outcome? {
            Ok(intact) => {
                println!("{}", report(&intact, &request));
                Ok(ExitCode::SUCCESS)
            }
            Err(finding) => {
                println!("not intact: first at {finding}");
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

fn report(intact: &IntactJournal, request: &VerifyRequest) -> String {
    let IntactJournal { size, from, events, erased, erasures, root, checkpoints, waiting } = intact;
    let mut lines = vec![format!("intact: {events} events, {size} entries")];
    if *from > 1 {
        lines
            .push(format!("recomputed from position {from} on; what is before was taken from stored hashes"));
    }
    lines.push(format!("root {root}"));
    if *erasures > 0 {
        lines.push(format!(
            "{erasures} recorded erasures removed the rows of {erased} entries; their hashes are kept"
        ));
    }
    let (stored, outside) = checkpoints;
    if *stored > 0 {
        let signed =
            if request.verifiers.is_empty() { "; their signatures were not checked (--key)" } else { "" };
        lines.push(format!("agrees with {stored} checkpoints of the store{signed}"));
    }
    match outside {
        0 => lines.push(
            "NO CHECKPOINT FROM OUTSIDE was given (--checkpoint): whether the end was cut off or all of it was \
             written anew was not checked"
                .to_owned(),
        ),
        _ => lines.push(format!("only grew since {outside} checkpoints kept outside")),
    }
    if *waiting > 0 {
        lines.push(format!("{waiting} rows wait to be entered by a running service"));
    }
    lines.join("\n")
}

/// The checkpoints in a file. Without keys their signatures are not checked: whoever keeps the file vouches for them.
fn read(file: &Path, keys: &[Verifier]) -> anyhow::Result<Vec<Checkpoint>> {
    let context = || format!("in {}", file.display());
    let text = fs::read_to_string(file).with_context(context)?;
    let notes = checkpoint::split_notes(&text).with_context(context)?;
    let parsed = notes.iter().map(|note| match keys {
        [] => Checkpoint::parse(note),
        keys => Checkpoint::verify(note, keys),
    });
    parsed.collect::<Result<Vec<_>, _>>().with_context(context)
}

/// A progress bar on standard error, hidden where that is no terminal.
pub(super) fn progress_bar(doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(doing);
    // The template is a constant that parses; if it ever did not, the bar would look plain.
    if let Ok(style) =
        ProgressStyle::with_template("{msg} {bar:30} {human_pos}/{human_len}  {per_sec}  eta {eta}")
    {
        bar.set_style(style);
    }
    bar
}
