//! The developer's tools of this project: stand-ins for the services around it, queues, invented cases and the
//! demonstration that `make run` shows. An example target, so that nothing of it is in the release binary.

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
    /// Runs stand-ins for Manage POM Cases and HMPPS Auth until a signal ends them
    StandIns(serve_stand_ins::Arguments),
    /// Makes a topic, a queue with its dead-letter queue, and the subscription; prints their names as shell exports
    Queues(queues::Arguments),
    /// Adds invented prisons, staff and cases to a development Delius
    Seed(seed::Arguments),
    /// Publishes the event samples, waits for what they lead to and shows it
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
