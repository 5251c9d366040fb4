//! The API with real databases, a stand-in for HMPPS Auth, and the server on its own port.

use std::{future::Future, sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    app::metrics,
    case_records::{self, CaseRecords, CaseRecordsConfig, DeliusSource, FeedHealth, RecordSource},
    delius,
    delius::records::CaseReader,
    http::{Api, ApiConfig, AuthConfig, Authenticator, Component, Health, Role, Server},
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::stand_ins::{StandIns, StandInsConfig};

/// One replica of the API.
pub(crate) struct Replica {
    pub(crate) records: Arc<CaseRecords>,
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<()>,
    token: String,
    http: reqwest::Client,
}

/// Settings that differ from test to test.
pub(crate) struct Settings {
    pub(crate) api: ApiConfig,
    pub(crate) records: CaseRecordsConfig,
}

impl Default for Settings {
    fn default() -> Self {
        let records = CaseRecordsConfig {
            // One heartbeat lasts for a whole test, and a busy machine does not make the replica distrust its memory.
            feed_poll_limit: Duration::from_secs(3600),
            feed_forget_after: Duration::from_secs(7200),
            coherence_interval: Duration::from_millis(20),
            coherence_limit: Duration::from_secs(30),
            ..CaseRecordsConfig::default()
        };
        Self { api: ApiConfig { bind: ([127, 0, 0, 1], 0).into(), ..ApiConfig::default() }, records }
    }
}

/// The Delius of a test: its own schema beside our tables.
pub(crate) async fn delius_beside(store: &PgPool) -> PgPool {
    sqlx::query("CREATE SCHEMA delius").execute(store).await.unwrap();
    let options = (*store.connect_options()).clone().options([("search_path", "delius")]);
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options)
        .await
        .unwrap();
    delius::migrator().run(&pool).await.unwrap();
    pool
}

pub(crate) async fn stand_ins() -> StandIns {
    StandIns::start(StandInsConfig::default()).await.unwrap()
}

/// Case records from the test's Delius.
pub(crate) fn from_delius(delius: &PgPool) -> Arc<dyn RecordSource> {
    Arc::new(DeliusSource::new(CaseReader::new(delius.clone()), None))
}

pub(crate) fn api(records: &Arc<CaseRecords>, config: ApiConfig, authenticator: Arc<Authenticator>) -> Api {
    let metrics = metrics::install().unwrap();
    let health = Health::default().with("store", || async { Component::up() });
    Api::new(config, Arc::clone(records), authenticator, health, metrics)
}

pub(crate) fn authenticator(auth: &StandIns) -> Arc<Authenticator> {
    Arc::new(Authenticator::new(AuthConfig::new(&auth.auth_url())).unwrap())
}

/// Ends what runs in the background: it would keep a connection, and with it the end of the test, waiting for seconds.
impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Replica {
    /// A replica that reads from `source` and watches the store.
    pub(crate) async fn start(
        store: &PgPool,
        source: Arc<dyn RecordSource>,
        auth: &StandIns,
        settings: Settings,
    ) -> Self {
        let records = Arc::new(CaseRecords::new(store.clone(), source, settings.records));
        let api = api(&records, settings.api, authenticator(auth));
        Self::serve(&api, records, auth).await
    }

    /// Another replica of the same API.
    pub(crate) async fn serve(api: &Api, records: Arc<CaseRecords>, auth: &StandIns) -> Self {
        let server = Server::bind(api).await.unwrap();
        let url = format!("http://{}", server.local_addr());
        let stop = CancellationToken::new();
        let (watched, watch_stop) = (Arc::clone(&records), stop.clone());
        tokio::spawn(async move { watched.watch(watch_stop.cancelled()).await });
        let server_stop = stop.clone();
        let server = tokio::spawn(async move { server.run_until(server_stop.cancelled()).await });
        let token = auth.token(&[Role::CaseDetail.authority()]).unwrap();
        Self { records, url, stop, server, token, http: reqwest::Client::new() }
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).timeout(Duration::from_secs(20))
    }

    /// A request with a token that may read case records.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Status and body of an answer.
    pub(crate) async fn get_json(&self, path: &str) -> (StatusCode, Value) {
        read(self.get(path).await).await
    }

    /// Waits until the replica trusts its memory cache.
    pub(crate) async fn trusts_its_memory(&self) {
        until("the replica hears invalidations and the feed is current", || async {
            self.records.receives_invalidations() && self.records.feed_health() == FeedHealth::Current
        })
        .await;
    }
}

/// Status and JSON body of an answer.
pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Makes the change feed current from now on.
pub(crate) async fn feed_is_current(store: &PgPool) {
    case_records::feed::heartbeat(store, "ingest-1", Duration::ZERO, None).await.unwrap();
}

/// Waits for a condition, with a deadline.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited for: {what}"));
}
