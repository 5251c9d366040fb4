//! Development tools: stand-ins for the services around this one, queues, invented cases, and the demonstration of
//! `make run`. This is an example target, so nothing of it is in the release binary.

mod demo;
mod queues;
mod seed;
mod serve_stand_ins;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Development tools of manage-pom-cases-and-delius")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run stand-ins for Manage POM Cases and HMPPS Auth until a signal arrives
    StandIns(serve_stand_ins::Arguments),
    /// Create a topic, queues with their dead-letter queues, and the subscription; print their names as shell exports
    Queues(queues::Arguments),
    /// Add invented prisons, staff and cases to a development Delius
    Seed(seed::Arguments),
    /// Publish the event samples, wait for the result and show it
    Demo(demo::Arguments),
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let result = match Arguments::parse().command {
        Command::StandIns(arguments) => serve_stand_ins::run(arguments).await,
        Command::Queues(arguments) => queues::run(arguments).await,
        Command::Seed(arguments) => seed::run(arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
