//! `unreflected list`: allocations that wait for the name of their officer.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::listing::{Filters, time};
use crate::{
    app::{Failure, settings::StoreSettings},
    event_store::unreflected,
};

/// Arguments of `unreflected`.
#[derive(Debug, Args)]
pub struct UnreflectedArguments {
    #[command(subcommand)]
    action: UnreflectedAction,
}

#[derive(Debug, Subcommand)]
enum UnreflectedAction {
    /// List them, oldest first. Each is written at its own date as soon as its staff code gets a name
    #[command(after_help = "Example:\n  unreflected list --case A1234BC --json")]
    List {
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        store: StoreSettings,
    },
}

impl UnreflectedArguments {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let UnreflectedAction::List { filters, store } = self.action;
        let pool = store.connect().await?;
        let found = unreflected::list(&pool, &filters.select(&pool, None).await?).await?;
        let headings = ["case", "event", "staff code", "prison", "allocated at", "recorded"];
        filters.print(&found, ("unreflected allocations", &headings), |each| {
            vec![
                each.case_id.clone(),
                each.sequence.to_string(),
                each.staff_code.to_string(),
                each.prison.clone().unwrap_or_default(),
                each.at.clone().unwrap_or_default(),
                time(each.recorded_at),
            ]
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
