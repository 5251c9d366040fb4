//! Settings of the listeners and of the API.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use super::{
    MpcSettings,
    check::{self, both, given, required},
    limits::ApiLimits,
    secret::Secret,
    tuning::seconds_or_none,
};
use crate::{
    app::Failure,
    case_records::DirectoryConfig,
    http::{ApiConfig, AuthConfig},
};

/// Settings of the listeners and of the API.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApiSettings {
    /// Address of probes, metrics and the API, whatever the roles; port 0 picks one and the log line says which
    #[arg(long, env = "BIND", default_value = "0.0.0.0:8080")]
    pub(in crate::app) bind: String,
    /// Second listener for the cluster alone: probes, metrics and retry-all-dlqs without a token. Off when absent
    #[arg(long, env = "INTERNAL_BIND")]
    pub(in crate::app) internal_bind: Option<String>,
    /// The HMPPS product that the service belongs to, which /info shows
    #[arg(long, env = "PRODUCT_ID")]
    pub(in crate::app) product_id: Option<String>,
    /// Seconds after SIGTERM for which requests are still answered while readiness says 503
    #[arg(long, env = "SHUTDOWN_DELAY_SECONDS", default_value = "5", value_parser = seconds_or_none)]
    pub(in crate::app) shutdown_delay_seconds: Duration,
    /// Issuer that tokens of callers must name; AUTH_URL followed by /issuer when absent
    #[arg(long, env = "AUTH_ISSUER")]
    pub(in crate::app) auth_issuer: Option<String>,
    /// Where the keys of tokens come from; AUTH_URL followed by /.well-known/jwks.json when absent
    #[arg(long, env = "AUTH_JWKS_URL")]
    pub(in crate::app) auth_jwks_url: Option<String>,
    /// Directory of staff e-mail addresses, for example ldaps://host:636; without it every address is null
    #[arg(long, env = "LDAP_URL", hide_env_values = true)]
    pub(in crate::app) ldap_url: Option<String>,
    /// Who binds to the directory; anonymous when absent
    #[arg(long, env = "LDAP_BIND_DN", hide_env_values = true)]
    pub(in crate::app) ldap_bind_dn: Option<String>,
    /// Password of who binds to the directory
    #[arg(long, env = "LDAP_PASSWORD", hide_env_values = true)]
    pub(in crate::app) ldap_password: Option<Secret>,
    /// The entry below which, one level down, the staff are
    #[arg(long, env = "LDAP_BASE", hide_env_values = true)]
    pub(in crate::app) ldap_base: Option<String>,
    #[command(flatten)]
    pub(crate) limits: ApiLimits,
}

/// Where this process listens.
pub(crate) struct Listening {
    pub(in crate::app) bind: SocketAddr,
    pub(in crate::app) internal: Option<SocketAddr>,
}

impl ApiSettings {
    /// Checks where to listen.
    pub(crate) fn listening(&self) -> Result<Listening, Failure> {
        let internal = given(self.internal_bind.as_deref());
        let internal = internal.map(|address| check::bind("INTERNAL_BIND", address)).transpose();
        let (bind, internal) = both(check::bind("BIND", &self.bind), internal)?;
        Ok(Listening { bind, internal })
    }

    pub(in crate::app) fn auth(&self, mpc: &MpcSettings) -> Result<AuthConfig, Failure> {
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

    pub(in crate::app) fn directory(&self) -> Result<Option<DirectoryConfig>, Failure> {
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

    pub(in crate::app) fn config(&self, bind: SocketAddr) -> ApiConfig {
        let product_id = given(self.product_id.as_deref()).map(str::to_owned);
        ApiConfig { shutdown_delay: self.shutdown_delay_seconds, product_id, ..self.limits.server(bind) }
    }
}
