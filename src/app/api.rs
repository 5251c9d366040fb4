//! The role `api`: the read API over the cached case records.

use std::{net::SocketAddr, sync::Arc};

use clap::Args;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        Failure,
        settings::{
            MpcSettings,
            check::{self, both, given, required},
            limits::ApiLimits,
        },
        tasks::Tasks,
    },
    breakers::Breakers,
    case_records::{CaseRecords, DeliusSource, DirectoryConfig, EmailDirectory},
    delius::{Delius, records::CaseReader},
    http::{Api, AuthConfig, Authenticator, Health, Server},
    operations::queue_admin::QueueAdmin,
};

/// Connections to Delius that are for reading case records alone.
const READ_CONNECTIONS: u32 = 10;

/// Settings of the API.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApiSettings {
    /// Address of the API; port 0 picks one and the log line says which
    #[arg(long, env = "BIND", default_value = "0.0.0.0:8080")]
    bind: String,
    /// Directory of staff e-mail addresses, for example ldaps://host:636; without it every address is null
    #[arg(long, env = "LDAP_URL", hide_env_values = true)]
    ldap_url: Option<String>,
    /// Who binds to the directory; anonymous when absent
    #[arg(long, env = "LDAP_BIND_DN", hide_env_values = true)]
    ldap_bind_dn: Option<String>,
    /// Password of who binds to the directory
    #[arg(long, env = "LDAP_PASSWORD", hide_env_values = true)]
    ldap_password: Option<String>,
    /// The entry below which, one level down, the staff are
    #[arg(long, env = "LDAP_BASE", hide_env_values = true)]
    ldap_base: Option<String>,
    #[command(flatten)]
    pub(crate) limits: ApiLimits,
}

/// What the API is started with.
pub(crate) struct Listening {
    bind: SocketAddr,
    authenticator: Arc<Authenticator>,
    directory: Option<EmailDirectory>,
}

impl ApiSettings {
    /// Checks the settings of this role.
    pub(crate) fn checked(&self, mpc: &MpcSettings, breakers: &Arc<Breakers>) -> Result<Listening, Failure> {
        let told = both(check::bind(&self.bind), mpc.auth_url());
        let ((bind, auth_url), directory) = both(told, self.directory())?;
        let authenticator = Arc::new(Authenticator::new(AuthConfig::new(auth_url))?);
        let directory =
            directory.map(|config| EmailDirectory::new(config).with_breakers(Arc::clone(breakers)));
        Ok(Listening { bind, authenticator, directory })
    }

    fn directory(&self) -> Result<Option<DirectoryConfig>, Failure> {
        let Some(url) = given(self.ldap_url.as_deref()) else {
            return Ok(None);
        };
        let schemes = ["ldap", "ldaps", "ldapi"];
        let url = check::url("LDAP_URL", Some(url), &schemes, "ldaps://directory.example:636");
        let (url, base) = both(url, required("LDAP_BASE", self.ldap_base.as_deref()))?;
        Ok(Some(DirectoryConfig {
            bind_dn: self.ldap_bind_dn.clone(),
            password: self.ldap_password.clone(),
            ..DirectoryConfig::new(url, base)
        }))
    }

    /// Listens at once, so that a port in use is told before anything else starts.
    pub(crate) async fn start(
        &self,
        Listening { bind, authenticator, directory }: Listening,
        store: &PgPool,
        delius: &Delius,
        queues: &QueueAdmin,
        (health, metrics): (Health, PrometheusHandle),
        (tasks, stop): (&Tasks, &CancellationToken),
    ) -> Result<(), Failure> {
        let bounds = self.limits.records();
        let reader = CaseReader::beside(delius.pool(), READ_CONNECTIONS, bounds.load_timeout / 2);
        let source = DeliusSource::new(reader, directory.map(Arc::new));
        let records = CaseRecords::new(store.clone(), Arc::new(source), bounds);
        let records = Arc::new(records);
        let config = self.limits.server(bind);
        let audit = crate::http::history::routes(store, delius, &authenticator);
        let admin = crate::http::queue_admin::routes(queues, &authenticator);
        let api = Api::new(config, Arc::clone(&records), authenticator, health, metrics)
            .with_routes(audit, crate::http::history::documentation())
            .with_routes(admin, crate::http::queue_admin::document());
        let server = Server::bind(&api).await.map_err(|error| Failure::setting("BIND", error))?;
        tasks.spawn("api", server.run_until(stop.clone().cancelled_owned()));
        let stop = stop.clone();
        tasks.spawn("case records", async move { records.watch(stop.cancelled_owned()).await });
        Ok(())
    }
}
