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

/// What ends with the process: traces that were not sent yet are sent when it is dropped.
#[must_use]
pub struct Logging {
    #[cfg(feature = "otlp")]
    _exporter: Option<crate::trace::Exporter>,
}

/// Starts logging for the process.
pub fn start(format: LogFormat) -> Logging {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // The SDK logs its credentials lookups and every retry at info.
        EnvFilter::new("info,aws_config=warn,aws_smithy_runtime=warn,sqlx=warn,ldap3=warn")
    });
    // At level trace the SDK logs whole messages, which must never be in a log.
    let quiet = filter_fn(|line| !(line.target().starts_with("aws_") && *line.level() == Level::TRACE));
    let all = tracing_subscriber::registry().with(filter).with(quiet);
    #[cfg(feature = "otlp")]
    let (layer, exporter) = crate::trace::layer().unzip();
    #[cfg(feature = "otlp")]
    let all = all.with(layer);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => all.with(lines).init(),
        // One span at most is open: that of the message, of the write or of the request.
        LogFormat::Json => all.with(lines.json().flatten_event(true).with_span_list(false)).init(),
    }
    // The message of a panic may quote the value that caused it, so only its place is logged.
    std::panic::set_hook(Box::new(|panic| {
        if reader_is_gone(panic) {
            std::process::exit(READER_GONE);
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: this is a bug");
    }));
    Logging {
        #[cfg(feature = "otlp")]
        _exporter: exporter,
    }
}

/// Exit code when the reader closed our output (`… | head`): the code that the shell reports for SIGPIPE.
const READER_GONE: i32 = 141;

/// `println!` panics when its reader is gone. That is no bug, and there is nobody to report it to.
fn reader_is_gone(panic: &std::panic::PanicHookInfo<'_>) -> bool {
    panic.payload_as_str().is_some_and(|text| text.starts_with("failed printing to std"))
}
