//! The built service as a process, to be killed, stopped and started again.

use std::{
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::{
    ground::{Ground, within},
    sqs_layer::SqsLayer,
};

pub(crate) struct Service {
    child: Child,
    log: PathBuf,
}

/// The built program with the settings of this test and no others.
pub(crate) fn command(ground: &Ground, arguments: &[&str]) -> Command {
    let doors = &ground.doors;
    let mut command = Command::new(env!("CARGO_BIN_EXE_manage-pom-cases-and-delius"));
    command
        .args(arguments)
        .env("DATABASE_URL", ground.url_of(&ground.store, &doors.store))
        .env("DELIUS_DATABASE_URL", ground.url_of(&ground.delius, &doors.delius))
        .env("QUEUE_URL", &ground.queue.url)
        .env("AWS_ENDPOINT_URL", format!("http://{}", doors.sqs.address))
        .env("MPC_URL", ground.mpc_url())
        .env("AUTH_URL", format!("{}/auth", ground.mpc_url()))
        .envs([("CLIENT_ID", "client"), ("CLIENT_SECRET", "secret"), ("BIND", "127.0.0.1:0")])
        .envs([("SHUTDOWN_DELAY_SECONDS", "0"), ("USER", "tester")])
        // Every log line of our own code, so that the invariants check all of them.
        .env("RUST_LOG", "info,manage_pom_cases_and_delius=trace")
        .env_remove("FAILPOINTS")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// The result of a command. Its log lines are checked like those of a service.
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) async fn run(ground: &Ground, command: &mut Command) -> Ended {
    let output = command.output().await.unwrap();
    std::fs::write(ground.new_log(), &output.stderr).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Service {
    /// Starts it and waits until it works or was killed by a failpoint.
    pub(crate) async fn start(ground: &Ground, environment: &[(&str, &str)]) -> Self {
        Self::start_as(ground, "ingest,relay", environment).await
    }

    /// The same with these roles.
    pub(crate) async fn start_as(ground: &Ground, roles: &str, environment: &[(&str, &str)]) -> Self {
        let mut service = Self::launch(ground, roles, environment);
        let started = async || service.log().contains(" started ") || service.log().contains("kill -9");
        assert!(within(Duration::from_secs(60), started).await, "not started: {}", service.log());
        assert!(service.child.try_wait().unwrap().is_none_or(|_| service.log().contains("kill -9")));
        service
    }

    fn launch(ground: &Ground, roles: &str, environment: &[(&str, &str)]) -> Self {
        let log = ground.new_log();
        let file = || std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = command(ground, &["serve", "--roles", roles])
            // All times are short, so that a fault and the recovery fit into a test.
            .envs([("VISIBILITY_SECONDS", "3"), ("HANDLER_SECONDS", "40")])
            .envs([("PROBE_SECONDS", "0.3"), ("LEASE_SECONDS", "2"), ("DELIUS_WRITE_SECONDS", "4")])
            .envs([("RELAY_BACKOFF_SECONDS", "0.5"), ("DRAIN_SECONDS", "5")])
            .envs(environment.iter().copied())
            .stdout(file())
            .stderr(file())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// The same behind a faulty SQS, whose faults begin once the service works.
    pub(crate) async fn start_calm(ground: &Ground, layer: &SqsLayer, environment: &[(&str, &str)]) -> Self {
        let faults = layer.calm();
        let service = Self::start(ground, environment).await;
        layer.resume(faults);
        service
    }

    /// The log of this process.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Address of its API.
    pub(crate) fn api_url(&self) -> String {
        let log = self.log();
        let (_, rest) = log.split_once("the API listens on ").expect("it has the role api");
        rest.split_whitespace().next().unwrap().to_owned()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it goes on: {}", self.log())).unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        let pid = self.child.id().expect("it runs");
        Pid::from_raw(pid.try_into().unwrap()).expect("no process has the number zero")
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends SIGTERM and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::TERM);
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
