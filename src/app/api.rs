//! The listeners: every role has one for probes and metrics; the role `api` serves its routes there too. A second one, for
//! the cluster alone, needs no token.

use std::{net::SocketAddr, sync::Arc, time::Duration};

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
            secret::Secret,
            tuning::seconds_or_none,
        },
        tasks::Tasks,
    },
    breakers::Breakers,
    case_records::{CaseRecords, DeliusSource, DirectoryConfig, EmailDirectory},
    delius::Delius,
    http::{self, Api, ApiConfig, AuthConfig, Authenticator, Health, Server, Site},
    operations::queue_admin::QueueAdmin,
};

/// Settings of the listeners and of the API.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApiSettings {
    /// Address of probes, metrics and the API, whatever the roles; port 0 picks one and the log line says which
    #[arg(long, env = "BIND", default_value = "0.0.0.0:8080")]
    bind: String,
    /// Second listener for the cluster alone: probes, metrics and retry-all-dlqs without a token. Off when absent
    #[arg(long, env = "INTERNAL_BIND")]
    internal_bind: Option<String>,
    /// Seconds after SIGTERM for which requests are still answered while readiness says 503
    #[arg(long, env = "SHUTDOWN_DELAY_SECONDS", default_value = "5", value_parser = seconds_or_none)]
    shutdown_delay_seconds: Duration,
    /// Issuer that tokens of callers must name; AUTH_URL followed by /issuer when absent
    #[arg(long, env = "AUTH_ISSUER")]
    auth_issuer: Option<String>,
    /// Where the keys of tokens come from; AUTH_URL followed by /.well-known/jwks.json when absent
    #[arg(long, env = "AUTH_JWKS_URL")]
    auth_jwks_url: Option<String>,
    /// Directory of staff e-mail addresses, for example ldaps://host:636; without it every address is null
    #[arg(long, env = "LDAP_URL", hide_env_values = true)]
    ldap_url: Option<String>,
    /// Who binds to the directory; anonymous when absent
    #[arg(long, env = "LDAP_BIND_DN", hide_env_values = true)]
    ldap_bind_dn: Option<String>,
    /// Password of who binds to the directory
    #[arg(long, env = "LDAP_PASSWORD", hide_env_values = true)]
    ldap_password: Option<Secret>,
    /// The entry below which, one level down, the staff are
    #[arg(long, env = "LDAP_BASE", hide_env_values = true)]
    ldap_base: Option<String>,
    #[command(flatten)]
    pub(crate) limits: ApiLimits,
}

/// Where this process listens.
pub(crate) struct Listening {
    bind: SocketAddr,
    internal: Option<SocketAddr>,
}

/// What the role `api` is started with.
pub(crate) struct Reading {
    authenticator: Arc<Authenticator>,
    directory: Option<EmailDirectory>,
}

/// What every listener shows.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) health: &'a Health,
    pub(crate) metrics: &'a PrometheusHandle,
}

impl ApiSettings {
    /// Checks where to listen.
    pub(crate) fn listening(&self) -> Result<Listening, Failure> {
        let internal = given(self.internal_bind.as_deref());
        let internal = internal.map(|address| check::bind("INTERNAL_BIND", address)).transpose();
        let (bind, internal) = both(check::bind("BIND", &self.bind), internal)?;
        Ok(Listening { bind, internal })
    }

    /// Checks the settings of the role `api`.
    pub(crate) fn reading(&self, mpc: &MpcSettings, breakers: &Arc<Breakers>) -> Result<Reading, Failure> {
        let (auth, directory) = both(self.auth(mpc), self.directory())?;
        let authenticator = Arc::new(Authenticator::new(auth)?);
        let directory =
            directory.map(|config| EmailDirectory::new(config).with_breakers(Arc::clone(breakers)));
        Ok(Reading { authenticator, directory })
    }

    fn auth(&self, mpc: &MpcSettings) -> Result<AuthConfig, Failure> {
        let keys = given(self.auth_jwks_url.as_deref()).map(|url| {
            let example = "http://hmpps-auth.hmpps-auth-prod.svc.cluster.local/auth/.well-known/jwks.json";
            check::url("AUTH_JWKS_URL", Some(url), &["http", "https"], example)
        });
        let (auth_url, keys) = both(mpc.auth_url(), keys.transpose())?;
        let usual = AuthConfig::new(auth_url);
        // The issuer is a name that is compared, not an address that is asked: it is taken as it is.
        let issuer = given(self.auth_issuer.as_deref()).map_or_else(|| usual.issuer.clone(), str::to_owned);
        let key_set_url = keys.map_or_else(|| usual.key_set_url.clone(), str::to_owned);
        Ok(AuthConfig { issuer, key_set_url, ..usual })
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
            password: self.ldap_password.as_ref().map(|password| password.reveal().to_owned()),
            ..DirectoryConfig::new(url, base)
        }))
    }

    fn config(&self, bind: SocketAddr) -> ApiConfig {
        ApiConfig { shutdown_delay: self.shutdown_delay_seconds, ..self.limits.server(bind) }
    }

    /// Listens with probes and metrics alone.
    pub(crate) async fn listen(
        &self,
        listening: &Listening,
        shown: Shown<'_>,
        (tasks, stop): (&Tasks, &CancellationToken),
    ) -> Result<(), Failure> {
        let config = self.config(listening.bind);
        let site = Site::operational("service", config, shown.health, shown.metrics);
        serve("BIND", Server::of(&site).await, (tasks, stop))
    }

    /// Listens with the whole API. At once, so that a port in use is known before anything else starts.
    pub(crate) async fn serve_api(
        &self,
        listening: &Listening,
        Reading { authenticator, directory }: Reading,
        (store, delius): (&PgPool, &Delius),
        admin: &QueueAdmin,
        shown: Shown<'_>,
        (tasks, stop): (&Tasks, &CancellationToken),
    ) -> Result<(), Failure> {
        let bounds = self.limits.records();
        let reader = delius.reader(bounds.load_timeout / 2);
        let source = DeliusSource::new(reader, directory.map(Arc::new));
        let records = Arc::new(CaseRecords::new(store.clone(), Arc::new(source), bounds));
        let audit = http::history::routes(store, delius, &authenticator);
        let queues = http::queue_admin::routes(admin, &authenticator);
        let (health, metrics) = (shown.health.clone(), shown.metrics.clone());
        let config = self.config(listening.bind);
        let api = Api::new(config, Arc::clone(&records), authenticator, health, metrics)
            .with_routes(audit, http::history::documentation())
            .with_routes(queues, http::queue_admin::document());
        serve("BIND", Server::bind(&api).await, (tasks, stop))?;
        let stop = stop.clone();
        tasks.spawn("case records", async move { records.watch(stop.cancelled_owned()).await });
        Ok(())
    }

    /// Opens the listener for the cluster alone, if there is to be one.
    pub(crate) async fn listen_internally(
        &self,
        listening: &Listening,
        admin: &QueueAdmin,
        shown: Shown<'_>,
        (tasks, stop): (&Tasks, &CancellationToken),
    ) -> Result<(), Failure> {
        let Some(bind) = listening.internal else { return Ok(()) };
        let site = Site::operational("internal listener", self.config(bind), shown.health, shown.metrics)
            .with_routes(http::queue_admin::internal_routes(admin), http::queue_admin::document());
        serve("INTERNAL_BIND", Server::of(&site).await, (tasks, stop))
    }
}

fn serve(
    setting: &'static str,
    bound: Result<Server, http::BindError>,
    (tasks, stop): (&Tasks, &CancellationToken),
) -> Result<(), Failure> {
    let server = bound.map_err(|error| Failure::setting(setting, error))?;
    tasks.spawn("listener", server.run_until(stop.clone().cancelled_owned()));
    Ok(())
}
