//! `serve`: runs the service until SIGTERM or SIGINT, then drains.

use std::process::ExitCode;

use clap::Args;

use crate::app::{App, Failure, ServeSettings, stop_on_signal};

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  serve\n  serve --roles api --bind 0.0.0.0:8081\n  serve --roles ingest,relay"
)]
pub struct Serve {
    #[command(flatten)]
    settings: ServeSettings,
}

impl Serve {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        // Before anything is started, so that no signal is missed.
        let stop = stop_on_signal()?;
        Ok(App::build(self.settings, stop).await?.run_until_stopped().await)
    }
}
