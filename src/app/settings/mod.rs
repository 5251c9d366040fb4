//! Every setting but the arguments of a single subcommand, from flags or environment, and what is built from them. Values are never
//! printed: they may carry passwords.

pub(crate) mod api;
pub mod check;
pub(crate) mod database;
pub mod journal;
pub mod limits;
pub(crate) mod queues;
pub(crate) mod secret;
pub mod tuning;

use std::{sync::Arc, time::Duration};

use aws_config::timeout::TimeoutConfig;
use clap::Args;
use sqlx::{PgPool, migrate::Migrator};

use crate::{
    app::{
        Failure,
        settings::{
            check::{both, given, required},
            database::{Database, DeliusAddress, StoreAddress},
            secret::Secret,
        },
    },
    case::{CaseServices, ManagePomCases},
    delius::Delius,
    event_store::{self, CaseStore, StoredIdentities, StoredStaffDirectory},
    mpc::{ClientCredentials, MpcClient, NotConfigured, TokenSource},
};

/// For a call to AWS that does not wait for messages: one attempt, and with its retries.
const AWS_ATTEMPT: Duration = Duration::from_secs(4);
const AWS_CALL: Duration = Duration::from_secs(8);
const AWS_CONNECT: Duration = Duration::from_secs(2);

/// Our store.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreSettings {
    #[command(flatten)]
    address: StoreAddress,
}

/// Delius, and who is told of writes to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeliusSettings {
    #[command(flatten)]
    address: DeliusAddress,
    /// SNS topic that is told of applied writes; to be set for every process that applies any
    #[arg(long, env = "OUTCOME_TOPIC_ARN")]
    outcome_topic_arn: Option<String>,
}

/// Manage POM Cases and the client that we are to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct MpcSettings {
    /// Origin of Manage POM Cases, for example https://moic.service.justice.gov.uk
    #[arg(long, env = "MPC_URL", hide_env_values = true)]
    pub(crate) mpc_url: Option<String>,
    /// HMPPS Auth, for example https://sign-in.hmpps.service.justice.gov.uk/auth
    #[arg(long, env = "AUTH_URL", hide_env_values = true)]
    pub(crate) auth_url: Option<String>,
    /// Client id for our calls to Manage POM Cases
    #[arg(long, env = "CLIENT_ID", hide_env_values = true)]
    pub(crate) client_id: Option<String>,
    /// Client secret for our calls to Manage POM Cases
    #[arg(long, env = "CLIENT_SECRET", hide_env_values = true)]
    pub(crate) client_secret: Option<Secret>,
}

impl StoreSettings {
    /// The database, not connected to yet.
    pub(crate) fn database(&self) -> Result<Database, Failure> {
        self.address.database()
    }

    /// Connects and checks that the schema is up to date.
    pub(crate) async fn connect(&self) -> Result<PgPool, Failure> {
        connect_store(self.database()?).await
    }
}

/// Connects to our store and checks that its schema is up to date.
pub(crate) async fn connect_store(database: Database) -> Result<PgPool, Failure> {
    let pool = database.connect().await?;
    check_schema("DATABASE_URL", "migrate", &pool, &event_store::migrator()).await?;
    Ok(pool)
}

/// Connects to Delius and checks that the audit user is there: for commands, which are of no use without it.
pub(crate) async fn connect_delius(database: Database) -> Result<Delius, Failure> {
    let pool = database.connect().await?;
    Delius::open(pool).await.map_err(|error| Failure::setting("DELIUS_DATABASE_URL", error))
}

/// What a command works with that takes messages and applies writes.
pub(crate) struct Workplace {
    pub(crate) store: Arc<CaseStore>,
    pub(crate) delius: Delius,
    pub(crate) mpc: Arc<dyn ManagePomCases>,
}

impl Workplace {
    /// Checks all the settings, then connects.
    pub(crate) async fn open(
        store: &StoreSettings,
        delius: &DeliusSettings,
        mpc: &MpcSettings,
    ) -> Result<Self, Failure> {
        let ((database, delius_database), mpc) =
            both(both(store.database(), delius.database()), mpc.client())?;
        let store = delius.case_store(connect_store(database).await?, Arc::clone(&mpc));
        Ok(Self { store, delius: connect_delius(delius_database).await?, mpc })
    }
}

impl DeliusSettings {
    /// The database, not connected to yet; the topic is checked with it.
    pub(crate) fn database(&self) -> Result<Database, Failure> {
        let database = self.address.database();
        let topic = self.outcome_topic().map(|arn| check::topic("OUTCOME_TOPIC_ARN", Some(arn))).transpose();
        both(database, topic).map(|(database, _)| database.bounded().indexed())
    }

    /// A case store for processes that apply writes: its commands may ask Manage POM Cases.
    pub(crate) fn case_store(&self, pool: PgPool, mpc: Arc<dyn ManagePomCases>) -> Arc<CaseStore> {
        let staff = Arc::new(StoredStaffDirectory::new(pool.clone()));
        let services = CaseServices { mpc, staff, identities: Arc::new(StoredIdentities::new(pool.clone())) };
        Arc::new(match self.outcome_topic() {
            Some(_) => CaseStore::announcing(pool, services),
            None => CaseStore::new(pool, services),
        })
    }

    /// The topic that is told of applied writes, if any.
    pub(crate) fn outcome_topic(&self) -> Option<&str> {
        given(self.outcome_topic_arn.as_deref())
    }
}

impl MpcSettings {
    /// HMPPS Auth.
    pub(crate) fn auth_url(&self) -> Result<&str, Failure> {
        let example = "https://sign-in.hmpps.service.justice.gov.uk/auth";
        check::url("AUTH_URL", self.auth_url.as_deref(), &["http", "https"], example)
    }

    /// Origin of Manage POM Cases.
    pub(crate) fn mpc_url(&self) -> Result<&str, Failure> {
        let example = "https://moic.service.justice.gov.uk";
        check::url("MPC_URL", self.mpc_url.as_deref(), &["http", "https"], example)
    }

    /// A client of Manage POM Cases.
    pub(crate) fn client(&self) -> Result<Arc<dyn ManagePomCases>, Failure> {
        let credentials = both(
            required("CLIENT_ID", self.client_id.as_deref()),
            required("CLIENT_SECRET", self.client_secret.as_ref().map(Secret::reveal)),
        );
        let ((id, secret), (auth_url, mpc_url)) = both(credentials, both(self.auth_url(), self.mpc_url()))?;
        let credentials = ClientCredentials { id: id.to_owned(), secret: secret.to_owned() };
        let client = MpcClient::new(mpc_url, TokenSource::new(auth_url, credentials)?)
            .map_err(|error| Failure::Setting(format!("{error:#}")))?;
        Ok(Arc::new(client))
    }
}

/// A case store for commands that ask nobody and apply nothing.
pub(crate) fn offline_case_store(pool: PgPool) -> Arc<CaseStore> {
    let staff = Arc::new(StoredStaffDirectory::new(pool.clone()));
    let identities = Arc::new(StoredIdentities::new(pool.clone()));
    Arc::new(CaseStore::new(pool, CaseServices { mpc: Arc::new(NotConfigured), staff, identities }))
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
pub(crate) async fn aws() -> aws_config::SdkConfig {
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
pub(crate) struct Decider {
    /// Why it is decided so; recorded
    #[arg(long, value_parser = check::not_blank)]
    pub(crate) why: String,
    /// Who decides; recorded. The user of the environment when not given
    #[arg(long, env = "USER", value_parser = check::somebody)]
    pub(crate) by: String,
}
