use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) async fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet")
}
