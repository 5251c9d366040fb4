//! The role `api`: the read API over the cached case records.

use std::{net::SocketAddr, sync::Arc};

use clap::Args;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{Failure, tasks::Tasks};
use crate::{
    api::{Api, ApiConfig, AuthConfig, Authenticator, Health, Server},
    case_records::{CaseRecords, CaseRecordsConfig, DeliusSource, DirectoryConfig, StaffDirectory},
    cli::settings,
    delius::{Delius, records::CaseReader},
    history,
    queue_admin::{self, QueueAdmin},
};

/// Connections to Delius that are for reading case records alone.
const READ_CONNECTIONS: u32 = 10;

/// Settings of the API.
#[derive(Debug, Clone, Args)]
pub(super) struct ApiSettings {
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
}

impl ApiSettings {
    fn directory(&self) -> Result<Option<Arc<StaffDirectory>>, Failure> {
        let Some(url) = self.ldap_url.as_deref().filter(|url| !url.trim().is_empty()) else {
            return Ok(None);
        };
        let base = settings::required("LDAP_BASE", self.ldap_base.as_deref())?;
        let config = DirectoryConfig {
            bind_dn: self.ldap_bind_dn.clone(),
            password: self.ldap_password.clone(),
            ..DirectoryConfig::new(url, base)
        };
        Ok(Some(Arc::new(StaffDirectory::new(config))))
    }

    /// Listens at once, so that a port in use is told before anything else starts.
    pub(super) async fn start(
        &self,
        auth_url: Option<&str>,
        store: &PgPool,
        delius: &Delius,
        queues: &QueueAdmin,
        (health, metrics): (Health, PrometheusHandle),
        (tasks, stop): (&Tasks, &CancellationToken),
    ) -> Result<(), Failure> {
        let bind: SocketAddr = self.bind.parse().map_err(|_| {
            Failure::setting("BIND", "not an address with a port; expected for example 0.0.0.0:8080")
        })?;
        let auth_url = settings::required("AUTH_URL", auth_url)?;
        let authenticator = Arc::new(Authenticator::new(AuthConfig::new(auth_url))?);
        let bounds = CaseRecordsConfig::default();
        let reader = CaseReader::beside(delius.pool(), READ_CONNECTIONS, bounds.load_timeout / 2);
        let source = DeliusSource::new(reader, self.directory()?);
        let records = CaseRecords::new(store.clone(), Arc::new(source), bounds);
        let records = Arc::new(records);
        let config = ApiConfig { bind, ..ApiConfig::default() };
        let audit = history::http::routes(store, delius, &authenticator);
        let admin = queue_admin::routes(queues, &authenticator);
        let api = Api::new(config, Arc::clone(&records), authenticator, health, metrics)
            .with_routes(audit, history::http::documentation())
            .with_routes(admin, queue_admin::document());
        let server = Server::bind(&api).await.map_err(|error| Failure::setting("BIND", error))?;
        tasks.spawn("api", server.run_until(stop.clone().cancelled_owned()));
        let stop = stop.clone();
        tasks.spawn("case records", async move { records.watch(stop.cancelled_owned()).await });
        Ok(())
    }
}
