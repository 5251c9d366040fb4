//! What goes wrong on the command line: one clear line for each, and an exit code.

use std::process::ExitCode;

/// A failure of a subcommand.
#[derive(Debug)]
pub enum Failure {
    /// Settings are missing or wrong: exit code 2. Each line names a setting and the remedy.
    Setting(String),
    /// Anything else: exit code 1.
    Other(anyhow::Error),
}

impl Failure {
    /// A wrong setting, with what is wrong and what to do.
    pub fn setting(name: &str, wrong: impl std::fmt::Display) -> Self {
        Self::Setting(format!("{name}: {wrong}"))
    }

    /// Prints the failure on standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Setting(lines) => {
                lines.lines().for_each(|line| eprintln!("error: {line}"));
                ExitCode::from(2)
            }
            Self::Other(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}
