//! Log lines on standard error. No line carries a name, a date of birth or a body.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Starts logging for the process.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // The SDK logs its credentials lookups and every retry at info.
        EnvFilter::new("info,aws_config=warn,aws_smithy_runtime=warn,sqlx=warn,ldap3=warn")
    });
    // At its finest the SDK logs the messages themselves, and nobody who asks for more lines asks for that.
    let quiet = filter_fn(|line| !(line.target().starts_with("aws_") && *line.level() == Level::TRACE));
    let all = tracing_subscriber::registry().with(filter).with(quiet);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => all.with(lines).init(),
        LogFormat::Json => all.with(lines.json().flatten_event(true)).init(),
    }
    // What a panic says may quote the value that caused it, so only its place is told.
    std::panic::set_hook(Box::new(|panic| {
        if reader_is_gone(panic) {
            std::process::exit(READER_GONE);
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: this is a bug");
    }));
}

/// Exit code when whoever reads our output has closed it (`… | head`): what the shell reports for SIGPIPE.
const READER_GONE: i32 = 141;

/// `println!` panics when its reader is gone. That is no bug, and nothing can be said to anybody.
fn reader_is_gone(panic: &std::panic::PanicHookInfo<'_>) -> bool {
    panic.payload_as_str().is_some_and(|text| text.starts_with("failed printing to std"))
}
