//! The e-mail directory (LDAP). It may be slow, down or empty; the record is served without an address then.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, ldap_escape};
use moka::future::Cache;
use tokio::sync::Mutex;

use crate::breakers::{Admission, Breakers, DIRECTORY};

/// Names in one search: keeps a batch to a few searches and each filter to a few kilobytes.
const NAMES_PER_SEARCH: usize = 100;

/// Address and limits of the directory.
#[derive(Clone)]
pub struct DirectoryConfig {
    /// `ldap://host:port` or `ldaps://host:port`.
    pub url: String,
    /// Who binds; anonymous when absent.
    pub bind_dn: Option<String>,
    /// Password of who binds.
    pub password: Option<String>,
    /// Base of the search; the staff are one level below it.
    pub base: String,
    /// Limit of connecting, and of each search. Default 2 seconds.
    pub timeout: Duration,
    /// How long an address (or its absence) is cached. Default 5 minutes.
    pub max_age: Duration,
}

impl DirectoryConfig {
    /// The defaults for a directory.
    pub fn new(url: impl Into<String>, base: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            base: base.into(),
            bind_dn: None,
            password: None,
            timeout: Duration::from_secs(2),
            max_age: Duration::from_secs(300),
        }
    }
}

/// Client of the directory: one connection, reused and reopened when it breaks.
pub struct EmailDirectory {
    config: DirectoryConfig,
    connection: Mutex<Option<Ldap>>,
    known: Cache<String, Option<String>>,
    breakers: Arc<Breakers>,
}

impl EmailDirectory {
    /// Connects when it is first asked.
    pub fn new(config: DirectoryConfig) -> Self {
        Self {
            connection: Mutex::new(None),
            known: Cache::builder().max_capacity(100_000).time_to_live(config.max_age).build(),
            breakers: Arc::default(),
            config,
        }
    }

    /// Shares the breakers of the process.
    pub fn with_breakers(self, breakers: Arc<Breakers>) -> Self {
        Self { breakers, ..self }
    }

    /// The e-mail address of each user name; `None` for a name without one. A name that the directory did not answer for
    /// is missing from the map.
    pub async fn emails(self: &Arc<Self>, users: &[String]) -> HashMap<String, Option<String>> {
        let (mut answers, mut open) = (HashMap::new(), Vec::new());
        for user in users {
            match self.known.get(&user.to_lowercase()).await {
                Some(email) => {
                    answers.insert(user.clone(), email);
                }
                None => open.push(user.clone()),
            }
        }
        for names in open.chunks(NAMES_PER_SEARCH) {
            let Some(found) = self.ask(names).await else { break };
            for name in names {
                let email = found.get(&name.to_lowercase()).cloned();
                self.known.insert(name.to_lowercase(), email.clone()).await;
                answers.insert(name.clone(), email);
            }
        }
        answers
    }

    /// One search, unless the breaker is open. It runs in a task of its own because the LDAP library panics on an answer
    /// that it cannot decode.
    async fn ask(self: &Arc<Self>, names: &[String]) -> Option<HashMap<String, String>> {
        let admission = self.breakers.turn(DIRECTORY, Instant::now());
        if matches!(admission, Admission::Paused(_)) {
            metrics::counter!("email_directory_skipped_total").increment(1);
            return None;
        }
        let (directory, names) = (Arc::clone(self), names.to_vec());
        let asked = tokio::spawn(async move { directory.search_again_if_broken(&names).await }).await;
        let failure = match asked {
            Ok(Ok(found)) => {
                self.breakers.answered(&[DIRECTORY]);
                return Some(found);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the answer could not be read".to_owned(),
        };
        metrics::counter!("email_directory_failures_total").increment(1);
        tracing::warn!(failure, "e-mail directory unavailable; records are served without e-mail addresses");
        // Requests already in flight when the breaker opened must not lengthen its pause: only probes do.
        if admission == Admission::Probe || !self.breakers.is_open(DIRECTORY) {
            self.breakers.trip(DIRECTORY, Instant::now());
        }
        None
    }

    /// A reused connection may have been closed by the server: its first failure is retried on a new connection.
    async fn search_again_if_broken(&self, names: &[String]) -> Result<HashMap<String, String>, LdapError> {
        let (kept, ldap) = self.connection().await?;
        match self.search(ldap, names).await {
            Err(_) if kept => {
                *self.connection.lock().await = None;
                let (_, ldap) = self.connection().await?;
                self.search(ldap, names).await
            }
            result => result,
        }
    }

    /// The connection, and whether it was reused. Searches on it run concurrently.
    async fn connection(&self) -> Result<(bool, Ldap), LdapError> {
        let mut connection = self.connection.lock().await;
        if let Some(ldap) = connection.as_mut()
            && !ldap.is_closed()
        {
            return Ok((true, ldap.clone()));
        }
        let settings = LdapConnSettings::new().set_conn_timeout(self.config.timeout);
        let (driver, mut ldap) = LdapConnAsync::with_settings(settings, &self.config.url).await?;
        tokio::spawn(async move {
            if let Err(error) = driver.drive().await {
                tracing::debug!(%error, "the connection to the e-mail directory ended");
            }
        });
        if let Some(bind_dn) = &self.config.bind_dn {
            let password = self.config.password.as_deref().unwrap_or_default();
            ldap.with_timeout(self.config.timeout).simple_bind(bind_dn, password).await?.success()?;
        }
        *connection = Some(ldap.clone());
        Ok((false, ldap))
    }

    async fn search(&self, mut ldap: Ldap, names: &[String]) -> Result<HashMap<String, String>, LdapError> {
        let (entries, _) = ldap
            .with_timeout(self.config.timeout)
            .search(&self.config.base, Scope::OneLevel, &filter(names), vec!["cn", "mail"])
            .await?
            .success()?;
        let mut found = HashMap::new();
        for entry in entries.into_iter().filter(|entry| !entry.is_ref()).map(SearchEntry::construct) {
            let values = |name: &str| {
                entry.attrs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, values)| values)
            };
            if let (Some(names), Some(mail)) = (values("cn"), values("mail").and_then(|mail| mail.first())) {
                found.extend(names.iter().map(|name| (name.to_lowercase(), mail.clone())));
            }
        }
        Ok(found)
    }
}

/// A filter for any of these names, with special characters escaped.
fn filter(names: &[String]) -> String {
    let terms: String = names.iter().map(|name| format!("(cn={})", ldap_escape(name.as_str()))).collect();
    if names.len() == 1 { terms } else { format!("(|{terms})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_cannot_change_the_search() {
        assert_eq!(filter(&["AdaByron".into()]), "(cn=AdaByron)");
        assert_eq!(filter(&["*)(uid=*".into(), "b".into()]), "(|(cn=\\2a\\29\\28uid=\\2a)(cn=b))");
    }

    #[tokio::test]
    async fn a_directory_that_refuses_the_connection_leaves_names_unanswered_and_is_then_left_alone() {
        let directory = Arc::new(EmailDirectory::new(DirectoryConfig::new("ldap://127.0.0.1:1", "ou=Users")));
        assert!(directory.emails(&["AdaByron".into()]).await.is_empty());
        assert!(directory.breakers.is_open(DIRECTORY));
        assert!(directory.emails(&["AdaByron".into()]).await.is_empty());
    }
}
