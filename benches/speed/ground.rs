//! What a run stands on: databases of its own, copied from templates, and a process of the service.

use std::{
    net::TcpListener as PortFinder,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use manage_pom_cases_and_delius::{database, event_store};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::sleep;

use crate::stand_in::StandIn;

const SERVICE: &str = env!("CARGO_BIN_EXE_manage-pom-cases-and-delius");
const REFERENCE_DATA: &str = include_str!("../../deploy/local/seed.sql");
const PERSONS: &str = include_str!("persons.sql");

/// Servers that every run uses.
pub(crate) struct Ground {
    server: PgConnectOptions,
    admin: PgPool,
    pub(crate) server_url: String,
    pub(crate) stand_in: StandIn,
    /// Directory with the programs of PostgreSQL, `pgbench` among them.
    pub(crate) postgres_bin: PathBuf,
    /// For files that other programs read.
    pub(crate) state: PathBuf,
    persons: u32,
}

impl Ground {
    /// Makes the templates: our store with its schema, and a Delius with so many invented persons.
    pub(crate) async fn lay(server_url: &str, persons: u32) -> anyhow::Result<Self> {
        let server: PgConnectOptions = server_url.parse().context("DATABASE_URL")?;
        let admin = PgPoolOptions::new().max_connections(1).connect_with(server.clone()).await?;
        let variable = |name: &str| std::env::var(name).with_context(|| format!("{name}; run `make bench`"));
        let ground = Self {
            server,
            admin,
            server_url: server_url.to_owned(),
            stand_in: StandIn::start().await?,
            postgres_bin: variable("POSTGRES_BIN")?.into(),
            state: variable("STATE")?.into(),
            persons,
        };
        let store = ground.create("speed_store_template", None).await?;
        event_store::migrator().run(&store).await?;
        store.close().await;
        let delius = ground.create("speed_delius_template", None).await?;
        sqlx::migrate!("migrations/delius").run(&delius).await?;
        sqlx::raw_sql(REFERENCE_DATA).execute(&delius).await.context("while adding the reference data")?;
        sqlx::raw_sql(&PERSONS.replace(":persons", &persons.to_string())).execute(&delius).await?;
        sqlx::raw_sql("vacuum analyze").execute(&delius).await?;
        delius.close().await;
        Ok(ground)
    }

    pub(crate) fn persons(&self) -> u32 {
        self.persons
    }

    pub(crate) fn options(&self, name: &str) -> PgConnectOptions {
        self.server.clone().database(name)
    }

    /// Makes a database, dropping the one of that name.
    pub(crate) async fn create(&self, name: &str, template: Option<&str>) -> anyhow::Result<PgPool> {
        self.drop(name).await?;
        let template = template.unwrap_or("template0");
        sqlx::query(&format!("create database {name} template {template}")).execute(&self.admin).await?;
        let options = database::indexed(database::bounded(self.options(name)));
        Ok(database::pool(16).connect_with(options).await?)
    }

    pub(crate) async fn drop(&self, name: &str) -> anyhow::Result<()> {
        sqlx::query(&format!("drop database if exists {name} with (force)")).execute(&self.admin).await?;
        Ok(())
    }

    /// Writes what earlier runs left in memory, so that this run does not pay for it.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        sqlx::query("checkpoint").execute(&self.admin).await?;
        Ok(())
    }

    pub(crate) fn admin(&self) -> &PgPool {
        &self.admin
    }

    /// Fresh databases for one run.
    pub(crate) async fn world(&self) -> anyhow::Result<World<'_>> {
        let store = self.create("speed_store", Some("speed_store_template")).await?;
        let delius = self.create("speed_delius", Some("speed_delius_template")).await?;
        self.settle().await?;
        Ok(World { ground: self, store, delius })
    }
}

/// Two databases.
pub(crate) struct World<'a> {
    ground: &'a Ground,
    pub(crate) store: PgPool,
    pub(crate) delius: PgPool,
}

impl World<'_> {
    /// Starts the service with these roles and waits until it is ready.
    pub(crate) async fn serve(&self, roles: &str) -> anyhow::Result<Service> {
        let address = free_address()?;
        let url = |name: &str| {
            let (base, _) = self.ground.server_url.rsplit_once('/').unwrap_or_default();
            format!("{base}/{name}")
        };
        let log = std::fs::File::create(self.ground.state.join("speed-service.log"))?;
        let began = Instant::now();
        let child = Command::new(SERVICE)
            .args(["serve", "--roles", roles])
            .envs(self.ground.stand_in.environment())
            .env("DATABASE_URL", url("speed_store"))
            .env("DELIUS_DATABASE_URL", url("speed_delius"))
            .env("BIND", &address)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("while starting the service")?;
        let mut service = Service { child, address, start_to_ready: Duration::ZERO };
        let ready = format!("http://{}/health/readiness", service.address);
        let http = reqwest::Client::new();
        loop {
            if roles.contains("api") {
                let answer = http.get(&ready).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
            } else if self.has_started()? {
                break;
            }
            ensure!(service.child.try_wait()?.is_none(), "the service ended; see {:?}", self.ground.state);
            ensure!(began.elapsed() < Duration::from_secs(30), "the service did not become ready");
            sleep(Duration::from_millis(2)).await;
        }
        service.start_to_ready = began.elapsed();
        Ok(service)
    }

    fn has_started(&self) -> anyhow::Result<bool> {
        let log = std::fs::read_to_string(self.ground.state.join("speed-service.log"))?;
        Ok(log.contains("started"))
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.store.close().await;
        self.delius.close().await;
        self.ground.drop("speed_store").await?;
        self.ground.drop("speed_delius").await
    }
}

fn free_address() -> anyhow::Result<String> {
    Ok(PortFinder::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// A running process of the service.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: String,
    pub(crate) start_to_ready: Duration,
}

impl Service {
    /// CPU time used so far, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok());
        // A tick is 10 ms on Linux.
        Ok((ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default()) * 10.0)
    }

    /// Resident memory in MiB.
    pub(crate) fn memory_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap_or_default();
        Ok(kib / 1024.0)
    }

    /// Stops it as an orchestrator does, and waits for its end.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid]).status()?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(began.elapsed() < Duration::from_secs(40), "the service does not stop");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
