//! `migrate`: our schema; `migrate --delius`: the development Delius.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::{
    app::{
        Failure,
        settings::database::{DeliusAddress, StoreAddress},
    },
    delius, event_store,
};

/// Arguments of `migrate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  migrate --database-url postgres://owner@store.example/store\n  migrate --delius"
)]
pub struct Migrate {
    /// Build the development Delius schema instead, with its reference data and audit user. Never on a Delius that
    /// others use: there the schema is theirs.
    #[arg(long)]
    delius: bool,
    #[command(flatten)]
    store: StoreAddress,
    #[command(flatten)]
    delius_address: DeliusAddress,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let (setting, database, migrator) = if self.delius {
            ("DELIUS_DATABASE_URL", self.delius_address.database(), delius::migrator())
        } else {
            ("DATABASE_URL", self.store.database(), event_store::migrator())
        };
        let pool = database?.connect().await?;
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
