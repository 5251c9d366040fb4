//! `healthcheck`: whether the service on this machine is alive; for an image, which has no other client.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use clap::Args;

use crate::app::{Failure, settings::check};

/// Arguments of `healthcheck`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 0: it answers. 1: it does not.\n\nExamples:\n  healthcheck\n  \
                        healthcheck --ready --bind 0.0.0.0:8081")]
pub struct Healthcheck {
    /// Address on which the service listens
    #[arg(long, env = "BIND", default_value = "0.0.0.0:8080")]
    bind: String,
    /// Ask for readiness instead of liveness
    #[arg(long)]
    ready: bool,
}

impl Healthcheck {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let address = reachable(check::bind("BIND", &self.bind)?);
        let probe = if self.ready { "readiness" } else { "liveness" };
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(4)).build()?;
        let answer = client.get(format!("http://{address}/health/{probe}")).send().await;
        let status = answer.with_context(|| format!("nobody answers on {address}"))?.status();
        if !status.is_success() {
            return Err(anyhow!("{probe} answers {status} on {address}").into());
        }
        println!("{probe} is {status} on {address}");
        Ok(ExitCode::SUCCESS)
    }
}

/// Who listens on every address is asked on this machine's own.
fn reachable(bind: SocketAddr) -> SocketAddr {
    if !bind.ip().is_unspecified() {
        return bind;
    }
    let local = if bind.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(local, bind.port())
}
