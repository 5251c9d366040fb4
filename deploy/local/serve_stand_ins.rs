//! `local stand-ins`: runs both stand-ins in the foreground, with answers from a file.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use support::stand_ins::{Client, MPC_ROLE, StandIns, StandInsConfig};
use tokio::signal::unix::{SignalKind, signal};

/// Roles of the client for trying the API.
const READER_ROLES: &[&str] = &[
    "ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL",
    "ROLE_PROBATION_API__MANAGE_POM_CASES__AUDIT",
    "ROLE_SAR_DATA_ACCESS",
    "ROLE_QUEUE_ADMIN",
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// Answers of Manage POM Cases: path → { "status": …, "body": … }
    #[arg(long, default_value = "deploy/local/mpc-answers.json")]
    answers: PathBuf,
    /// File to write the address to, once both listen
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Client id of the service
    #[arg(long, env = "CLIENT_ID")]
    client_id: String,
    /// Client secret of the service
    #[arg(long, env = "CLIENT_SECRET", hide_env_values = true)]
    client_secret: String,
    /// Client id for trying the API, with every role
    #[arg(long, env = "READER_ID", default_value = "reader")]
    reader_id: String,
    /// Client secret for trying the API
    #[arg(long, env = "READER_SECRET", default_value = "reader", hide_env_values = true)]
    reader_secret: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let answers = tokio::fs::read_to_string(&arguments.answers)
        .await
        .with_context(|| format!("while reading {}", arguments.answers.display()))?;
    let clients = vec![
        Client::new(&arguments.client_id, &arguments.client_secret, &[MPC_ROLE]),
        Client::new(&arguments.reader_id, &arguments.reader_secret, READER_ROLES),
    ];
    let mut stand_ins = StandIns::start(StandInsConfig { bind: arguments.bind, clients })
        .await
        .with_context(|| format!("while listening on {}", arguments.bind))?;
    stand_ins
        .mpc()
        .load(&answers)
        .with_context(|| format!("while reading the answers in {}", arguments.answers.display()))?;
    println!("MPC_URL={}", stand_ins.mpc_url());
    println!("AUTH_URL={}", stand_ins.auth_url());
    if let Some(file) = arguments.ready_file {
        tokio::fs::write(&file, stand_ins.address().to_string())
            .await
            .with_context(|| format!("while writing {}", file.display()))?;
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = stand_ins.wait() => anyhow::bail!("the server stopped unexpectedly"),
    }
    stand_ins.stop().await;
    Ok(ExitCode::SUCCESS)
}
