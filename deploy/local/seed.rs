//! `local seed`: invented prisons, staff and cases for a development Delius. Plain SQL, beside this file; nothing
//! outside `src/delius` and this file knows a Delius table.

use std::process::ExitCode;

use anyhow::Context;
use sqlx::{Connection, PgConnection};

const SEED: &str = include_str!("seed.sql");

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Database of the development Delius, with its schema
    #[arg(long, env = "DELIUS_DATABASE_URL", hide_env_values = true)]
    delius_database_url: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut delius = PgConnection::connect(&arguments.delius_database_url)
        .await
        .context("while connecting to DELIUS_DATABASE_URL")?;
    // Adding the same cases twice would create two persons with one NOMS number.
    let seeded: bool = sqlx::query_scalar("select exists (select from offender where crn = 'X100001')")
        .fetch_one(&mut delius)
        .await
        .context("while looking for the schema; run `manage-pom-cases-and-delius migrate --delius` first")?;
    if seeded {
        println!("the invented cases exist already");
        return Ok(ExitCode::SUCCESS);
    }
    let mut transaction = delius.begin().await?;
    sqlx::raw_sql(SEED).execute(&mut *transaction).await.context("while adding the invented cases")?;
    let cases: i64 = sqlx::query_scalar("select count(*) from offender").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    println!("{cases} invented cases");
    Ok(ExitCode::SUCCESS)
}
