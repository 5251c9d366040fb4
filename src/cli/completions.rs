//! `completions SHELL`: what a shell needs to complete our commands and flags.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{app::Failure, cli::Arguments};

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  completions bash > /etc/bash_completion.d/manage-pom-cases-and-delius")]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let mut command = Arguments::command();
        clap_complete::generate(self.shell, &mut command, env!("CARGO_PKG_NAME"), &mut std::io::stdout());
        Ok(ExitCode::SUCCESS)
    }
}
