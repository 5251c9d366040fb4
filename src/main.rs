//! `manage-pom-cases-and-delius`: see the library's documentation and the README.

use std::process::ExitCode;

use clap::Parser;
use manage_pom_cases_and_delius::{app, cli};

/// The read API makes and frees many small values for each answer; the system's allocator is slower at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let _logging = app::logging::start(arguments.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: could not start the asynchronous runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli::run(arguments.command)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
