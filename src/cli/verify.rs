//! `verify`: has anybody changed the events since they were recorded? Exit code 0 = intact.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use chrono::Utc;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::{Failure, settings::StoreSettings},
    audit::journal::{
        digest::{self, Digest},
        verify::{self, Intact},
    },
};

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Check against the positions noted in this file, then note the last one there. Keep it where nobody who can
    /// change the database can change it: it shows what the chain alone cannot, a cut-off end or a chain written
    /// anew
    #[arg(long, value_name = "FILE")]
    digest: Option<PathBuf>,
    #[command(flatten)]
    store: StoreSettings,
}

impl Verify {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let noted = match &self.digest {
            Some(file) => read(file)?,
            None => vec![],
        };
        let pool = self.store.connect().await?;
        let bar = progress_bar("verifying");
        let outcome = verify::verify(&pool, &noted, |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })
        .await;
        bar.finish_and_clear();
        match outcome? {
            Ok(intact) => {
                println!("{}", report(&intact, self.digest.as_deref(), noted.len()));
                if let (Some(file), Some((position, hash))) = (&self.digest, intact.last)
                    && noted.last().is_none_or(|last| last.position < position)
                {
                    note(file, Digest { position, hash, at: Utc::now() })?;
                    println!("noted position {position} in {}", file.display());
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(finding) => {
                println!("not intact: first at {finding}");
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

fn report(intact: &Intact, digest: Option<&Path>, noted: usize) -> String {
    let mut lines = vec![format!("intact: {} events", intact.count)];
    if let (Some(first), Some((position, last))) = (intact.first, intact.last) {
        lines.push(format!("first position 1, hash {first}"));
        lines.push(format!("last position {position}, hash {last}"));
    }
    match digest {
        Some(_) if noted > 0 => lines.push(format!("agrees with {noted} noted positions")),
        Some(file) => lines.push(format!(
            "NOTHING WAS NOTED BEFORE in {}: whether the end was cut off or all of it was written anew was not checked",
            file.display()
        )),
        None => {}
    }
    if intact.waiting > 0 {
        lines.push(format!("{} events wait to be entered by a running service", intact.waiting));
    }
    lines.join("\n")
}

fn read(file: &Path) -> anyhow::Result<Vec<Digest>> {
    match fs::read_to_string(file) {
        Ok(text) => digest::parse(&text).with_context(|| format!("in {}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error).with_context(|| format!("while reading {}", file.display())),
    }
}

fn note(file: &Path, digest: Digest) -> anyhow::Result<()> {
    let noting = || {
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        writeln!(file, "{digest}")?;
        file.sync_all()
    };
    noting().with_context(|| format!("while noting the digest in {}", file.display()))
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
