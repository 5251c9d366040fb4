//! The built service as a process, to be killed, stopped and started again.

use std::{
    fs::OpenOptions,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

use crate::{
    ground::{Ground, within},
    sqs_layer::SqsLayer,
};

pub(crate) struct Service {
    child: Child,
    log: PathBuf,
    /// Where the lines of this process begin in the log, which is one for all of the ground.
    begins: usize,
}

impl Service {
    /// Starts it and waits until it works, or has died of a failpoint already.
    pub(crate) async fn start(ground: &Ground, environment: &[(&str, &str)]) -> Self {
        let begins = std::fs::read(&ground.logs).map_or(0, |log| log.len());
        let log = || OpenOptions::new().create(true).append(true).open(&ground.logs).unwrap();
        let doors = &ground.doors;
        let url = |pool: &sqlx::PgPool, door: &crate::tcp_proxy::Door| {
            let options = pool.connect_options();
            let (host, port) = (door.address.ip(), door.address.port());
            let (user, database) = (options.get_username(), options.get_database().unwrap());
            let password =
                ground.password.as_deref().map(|password| format!(":{password}")).unwrap_or_default();
            format!("postgres://{user}{password}@{host}:{port}/{database}")
        };
        let child = Command::new(env!("CARGO_BIN_EXE_manage-pom-cases-and-delius"))
            .args(["serve", "--roles", "ingest,relay"])
            .env("DATABASE_URL", url(&ground.store, &doors.store))
            .env("DELIUS_DATABASE_URL", url(&ground.delius, &doors.delius))
            .env("QUEUE_URL", &ground.queue.url)
            .env("AWS_ENDPOINT_URL", format!("http://{}", doors.sqs.address))
            .env("MPC_URL", ground.mpc_url())
            .env("AUTH_URL", format!("{}/auth", ground.mpc_url()))
            .envs([("CLIENT_ID", "client"), ("CLIENT_SECRET", "secret"), ("RUST_LOG", "info")])
            // Everything is short, so that a fault and its healing fit into a test.
            .envs([("VISIBILITY_SECONDS", "3"), ("HANDLER_SECONDS", "40"), ("BACKOFF_SECONDS", "1")])
            .envs([("PROBE_SECONDS", "0.3"), ("LEASE_SECONDS", "2"), ("DELIUS_WRITE_SECONDS", "4")])
            .envs([("RELAY_BACKOFF_SECONDS", "0.5"), ("DRAIN_SECONDS", "5")])
            .env_remove("FAILPOINTS")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut service = Self { child, log: ground.logs.clone(), begins };
        let started = async || service.log().contains(" started ") || service.log().contains("kill -9");
        assert!(within(Duration::from_secs(60), started).await, "not started: {}", service.log());
        assert!(service.child.try_wait().unwrap().is_none_or(|_| service.log().contains("kill -9")));
        service
    }

    /// The same behind a layer in front of SQS, whose faults begin when it works: a start that finds no queue ends at
    /// once, which is another matter.
    pub(crate) async fn start_calm(ground: &Ground, layer: &SqsLayer, environment: &[(&str, &str)]) -> Self {
        let faults = layer.calm();
        let service = Self::start(ground, environment).await;
        layer.resume(faults);
        service
    }

    /// What this process has said.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()[self.begins..]).into_owned()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it goes on: {}", self.log())).unwrap()
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &process]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.signal("TERM");
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Memory in use, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap_or_default()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }
}
