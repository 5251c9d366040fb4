//! The settings that subcommands share, from flags or environment, and what is built from them. Values are never
//! printed: they may carry passwords.

use std::{sync::Arc, time::Duration};

use aws_config::timeout::TimeoutConfig;
use clap::Args;
use sqlx::{PgPool, migrate::Migrator, postgres::PgConnectOptions};

use super::Failure;
use crate::{
    case::{CaseServices, ManagePomCases},
    database,
    delius::Delius,
    event_store::{self, CaseStore, StoredStaffDirectory},
    mpc::{ClientCredentials, MpcClient, NotConfigured, TokenSource},
};

/// Connections of one pool.
const CONNECTIONS: u32 = 20;

/// For a call to AWS that does not wait for messages: one attempt, and with its retries.
const AWS_ATTEMPT: Duration = Duration::from_secs(4);
const AWS_CALL: Duration = Duration::from_secs(8);
const AWS_CONNECT: Duration = Duration::from_secs(2);

/// Our store.
#[derive(Debug, Clone, Args)]
pub(super) struct StoreSettings {
    /// Our store (PostgreSQL), for example postgres://user:password@host/pom_cases
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: String,
}

/// Delius, and who is told of writes to it.
#[derive(Debug, Clone, Args)]
pub(super) struct DeliusSettings {
    /// Delius (its schema on PostgreSQL), for example postgres://user:password@host/delius
    #[arg(long, env = "DELIUS_DATABASE_URL", hide_env_values = true)]
    pub(super) delius_database_url: String,
    /// SNS topic that is told of applied writes; to be set for every process that applies any
    #[arg(long, env = "OUTCOME_TOPIC_ARN")]
    pub(super) outcome_topic_arn: Option<String>,
}

/// Manage POM Cases and the client that we are to it.
#[derive(Debug, Clone, Args)]
pub(super) struct MpcSettings {
    /// Origin of Manage POM Cases, for example https://moic.service.justice.gov.uk
    #[arg(long, env = "MPC_URL", hide_env_values = true)]
    pub(super) mpc_url: Option<String>,
    /// HMPPS Auth, for example https://sign-in.hmpps.service.justice.gov.uk/auth
    #[arg(long, env = "AUTH_URL", hide_env_values = true)]
    pub(super) auth_url: Option<String>,
    /// Client id for our calls to Manage POM Cases
    #[arg(long, env = "CLIENT_ID", hide_env_values = true)]
    pub(super) client_id: Option<String>,
    /// Client secret for our calls to Manage POM Cases
    #[arg(long, env = "CLIENT_SECRET", hide_env_values = true)]
    pub(super) client_secret: Option<String>,
}

impl StoreSettings {
    /// Connects and checks that the schema is up to date.
    pub(super) async fn connect(&self) -> Result<PgPool, Failure> {
        let pool = connect("DATABASE_URL", &self.database_url).await?;
        check_schema("DATABASE_URL", "migrate", &pool, &event_store::migrator()).await?;
        Ok(pool)
    }

    /// The same for the service, whose statements have an end.
    pub(super) async fn connect_bounded(&self) -> Result<PgPool, Failure> {
        let pool = connect_with("DATABASE_URL", &self.database_url, database::bounded).await?;
        check_schema("DATABASE_URL", "migrate", &pool, &event_store::migrator()).await?;
        Ok(pool)
    }
}

impl DeliusSettings {
    /// Connects and checks that the audit user is there.
    pub(super) async fn connect(&self) -> Result<Delius, Failure> {
        let pool = connect_with("DELIUS_DATABASE_URL", &self.delius_database_url, database::bounded).await?;
        Delius::open(pool).await.map_err(|error| Failure::setting("DELIUS_DATABASE_URL", error))
    }

    /// A case store for processes that apply writes: its commands may ask Manage POM Cases.
    pub(super) fn case_store(&self, pool: PgPool, mpc: Arc<dyn ManagePomCases>) -> Arc<CaseStore> {
        let staff = Arc::new(StoredStaffDirectory::new(pool.clone()));
        let services = CaseServices { mpc, staff };
        Arc::new(match self.outcome_topic() {
            Some(_) => CaseStore::announcing(pool, services),
            None => CaseStore::new(pool, services),
        })
    }

    /// The topic that is told of applied writes, if any.
    pub(super) fn outcome_topic(&self) -> Option<&str> {
        self.outcome_topic_arn.as_deref().map(str::trim).filter(|arn| !arn.is_empty())
    }
}

impl MpcSettings {
    /// A client of Manage POM Cases.
    pub(super) fn client(&self) -> Result<Arc<dyn ManagePomCases>, Failure> {
        let credentials = ClientCredentials {
            id: required("CLIENT_ID", self.client_id.as_deref())?.to_owned(),
            secret: required("CLIENT_SECRET", self.client_secret.as_deref())?.to_owned(),
        };
        let token = TokenSource::new(required("AUTH_URL", self.auth_url.as_deref())?, credentials)?;
        let client = MpcClient::new(required("MPC_URL", self.mpc_url.as_deref())?, token)
            .map_err(|error| Failure::Setting(format!("{error:#}")))?;
        Ok(Arc::new(client))
    }
}

/// A case store for commands that ask nobody and apply nothing.
pub(super) fn offline_case_store(pool: PgPool) -> Arc<CaseStore> {
    let staff = Arc::new(StoredStaffDirectory::new(pool.clone()));
    Arc::new(CaseStore::new(pool, CaseServices { mpc: Arc::new(NotConfigured), staff }))
}

/// A setting that this subcommand needs.
pub(super) fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Failure> {
    match value.map(str::trim) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(Failure::setting(name, "not set; give it in the environment or as a flag (see --help)")),
    }
}

/// Connects to a database, for reports and migrations; the error names the setting, not its value.
pub(super) async fn connect(setting: &str, url: &str) -> Result<PgPool, Failure> {
    connect_with(setting, url, |options| options).await
}

async fn connect_with(
    setting: &str,
    url: &str,
    adapt: fn(PgConnectOptions) -> PgConnectOptions,
) -> Result<PgPool, Failure> {
    let options: PgConnectOptions = url.parse().map_err(|_| {
        Failure::setting(
            setting,
            "not a PostgreSQL URL; expected postgres://user:password@host:port/database",
        )
    })?;
    let options = adapt(options.application_name(env!("CARGO_PKG_NAME")));
    let at =
        format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or(""));
    database::pool(CONNECTIONS).connect_with(options).await.map_err(|error| {
        Failure::setting(
            setting,
            format!("cannot connect to {at}: {error}; check that it runs and accepts us"),
        )
    })
}

async fn check_schema(
    setting: &str,
    command: &str,
    pool: &PgPool,
    migrator: &Migrator,
) -> Result<(), Failure> {
    let applied: Result<Vec<i64>, sqlx::Error> =
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(pool).await;
    let applied = match applied {
        Ok(applied) => applied,
        Err(error)
            if error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42P01")) =>
        {
            vec![]
        }
        Err(error) => return Err(error.into()),
    };
    let missing = migrator.iter().filter(|migration| !applied.contains(&migration.version)).count();
    if missing == 0 {
        return Ok(());
    }
    let remedy = format!("run `{} {command}`", env!("CARGO_PKG_NAME"));
    Err(Failure::setting(setting, format!("the schema lacks {missing} migrations; {remedy}")))
}

/// The SDK's configuration, as every AWS SDK reads it; the region defaults to London.
pub(super) async fn aws() -> aws_config::SdkConfig {
    let region = aws_config::meta::region::RegionProviderChain::default_provider().or_else("eu-west-2");
    let limits = TimeoutConfig::builder()
        .connect_timeout(AWS_CONNECT)
        .operation_attempt_timeout(AWS_ATTEMPT)
        .operation_timeout(AWS_CALL)
        .build();
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(region)
        .timeout_config(limits)
        .load()
        .await
}

/// Who decides, for what operators change: `--by`, else the user that runs the command.
#[derive(Debug, Clone, Args)]
pub(super) struct Decision {
    /// Why it is decided so; recorded.
    #[arg(long)]
    pub(super) why: String,
    /// Who decides; recorded.
    #[arg(long, env = "USER", default_value = "unknown operator")]
    pub(super) by: String,
}
