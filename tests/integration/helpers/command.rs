//! The built program, run as an operator runs it, on the databases of a test.

use std::process::Output;

use sqlx::ConnectOptions;
use tokio::process::Command;

use crate::helpers::world::World;

/// The result of a command.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Lines of standard output, trimmed.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.out.lines().map(str::trim).collect()
    }
}

/// The command with the settings of this test and no others.
pub(crate) fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manage-pom-cases-and-delius"));
    command
        .args(arguments)
        .env_remove("BULK_QUEUE_URL")
        .env_remove("OUTCOME_TOPIC_ARN")
        .envs([("RUST_LOG", "warn"), ("USER", "tester")])
        .env("DATABASE_URL", world.store.connect_options().to_url_lossy().as_str())
        .env("DELIUS_DATABASE_URL", world.delius.connect_options().to_url_lossy().as_str())
        .env("MPC_URL", world.mpc.mpc_url())
        .env("AUTH_URL", world.mpc.auth_url())
        .env("CLIENT_ID", "client")
        .env("CLIENT_SECRET", "secret")
        .kill_on_drop(true);
    command
}

/// Runs the command to its end.
pub(crate) async fn run(world: &World, arguments: &[&str]) -> Ended {
    let Output { status, stdout, stderr } = command(world, arguments).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code(), out: text(stdout), err: text(stderr) }
}
