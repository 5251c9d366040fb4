//! `migrate`: our schema; `migrate --delius`: the development Delius.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::{
    app::{Failure, settings::check::Database},
    delius, event_store,
};

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Build the development Delius schema instead, with its reference data and audit user. Never on a Delius that
    /// others use: there the schema is theirs.
    #[arg(long)]
    delius: bool,
    /// Our store (PostgreSQL)
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Delius (its schema on PostgreSQL)
    #[arg(long, env = "DELIUS_DATABASE_URL", hide_env_values = true)]
    delius_database_url: Option<String>,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let (setting, url, migrator) = if self.delius {
            ("DELIUS_DATABASE_URL", self.delius_database_url, delius::migrator())
        } else {
            ("DATABASE_URL", self.database_url, event_store::migrator())
        };
        let pool = Database::of(setting, url.as_deref())?.connect().await?;
        migrator.run(&pool).await.with_context(|| format!("while migrating the database of {setting}"))?;
        println!("{setting}: {} migrations, up to date", migrator.iter().count());
        if !self.delius {
            let allowed = event_store::allow_services_again(&pool).await;
            for role in
                allowed.with_context(|| format!("while giving rights in the database of {setting}"))?
            {
                println!("{setting}: {role} may run the service");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
