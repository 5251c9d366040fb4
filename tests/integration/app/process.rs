//! A running process of the built service, and what it logged.

use std::{
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::helpers::{api::until, command::command, world::World};

pub(super) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it with these roles, on free ports.
    pub(super) fn start(world: &World, roles: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = command(world, &["serve", "--roles", roles])
            .envs([("BIND", "127.0.0.1:0"), ("SHUTDOWN_DELAY_SECONDS", "0"), ("RUST_LOG", "info")])
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "eu-west-2"),
            ])
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (log, mut lines) =
            (Arc::<Mutex<String>>::default(), BufReader::new(child.stderr.take().unwrap()).lines());
        let written = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                written.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, log }
    }

    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has logged this, and returns the first word behind it.
    pub(super) async fn logged(&self, text: &str) -> String {
        until(text, || async { self.log().contains(text) }).await;
        self.log().split_once(text).unwrap().1.split_whitespace().next().unwrap_or_default().to_owned()
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(super) async fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().await.unwrap();
        (status, self.log())
    }

    pub(super) async fn stop(self) {
        self.signal(Signal::TERM);
        let (status, log) = self.ended().await;
        assert!(status.success(), "{status}: {log}");
    }
}

/// What it logged helps to understand a test that fails.
impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

pub(super) async fn get(url: impl AsRef<str>) -> (u16, String) {
    let answer = reqwest::get(url.as_ref()).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
