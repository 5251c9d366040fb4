//! The listeners: every role has one for probes and metrics; the role `api` serves its routes there too. A second one, for
//! the cluster alone, needs no token.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        Failure,
        settings::{
            MpcSettings,
            api::{ApiSettings, Listening},
            check::both,
        },
        tasks::Tasks,
    },
    breakers::Breakers,
    case_records::{CaseRecords, DeliusSource, EmailDirectory},
    delius::Delius,
    http::{self, Api, Authenticator, Health, Server, Site},
    operations::queue_admin::QueueAdmin,
};

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
    /// Checks the settings of the role `api`.
    pub(crate) fn reading(&self, mpc: &MpcSettings, breakers: &Arc<Breakers>) -> Result<Reading, Failure> {
        let (auth, directory) = both(self.auth(mpc), self.directory())?;
        let authenticator = Arc::new(Authenticator::new(auth)?);
        let directory =
            directory.map(|config| EmailDirectory::new(config).with_breakers(Arc::clone(breakers)));
        Ok(Reading { authenticator, directory })
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
