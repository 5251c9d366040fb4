//! `refused list`: writes that a rule refused and that were not applied since.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::listing::{Filters, time};
use crate::{
    app::{Failure, settings::StoreSettings},
    outbox::view,
};

/// Arguments of `refused`.
#[derive(Debug, Args)]
pub struct RefusedArguments {
    #[command(subcommand)]
    action: RefusedAction,
}

#[derive(Debug, Subcommand)]
enum RefusedAction {
    /// List them, oldest first, with the outcome that says why
    #[command(after_help = "Examples:\n  refused list --reason PersonNotFound --since 7d\n  \
                            outbox retry ID --why \"the prison is set up now\"")]
    List {
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        store: StoreSettings,
    },
}

impl RefusedArguments {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let RefusedAction::List { filters, store } = self.action;
        let pool = store.connect().await?;
        let found = view::refused(&pool, &filters.select(&pool, None).await?).await?;
        let headings = ["case", "write", "outcome", "kind", "refused", "id"];
        filters.print(&found, ("refused writes", &headings), |write| {
            vec![
                write.case_id.clone(),
                format!("{}.{}", write.sequence, write.ordinal),
                write.outcome.clone(),
                write.kind.clone(),
                time(write.refused_at),
                write.id.to_string(),
            ]
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
