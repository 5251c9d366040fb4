//! How patient the service is. The defaults suit production; what does not fit together is told at the start.

use std::time::Duration;

use clap::Args;

use crate::{
    breakers::{BreakerConfig, Breakers},
    case_records::CaseRecordsConfig,
    delius::Limits,
    ingest::{sqs::ConsumerConfig, waiting::WorkerConfig},
    relay::RelayConfig,
};

/// Settings of time and number.
#[derive(Debug, Clone, Args)]
pub(crate) struct Tuning {
    /// Messages worked on at once, of each queue
    #[arg(long, env = "INGEST_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    ingest_concurrency: u32,
    /// Seconds that a received message stays invisible to other consumers; extended while it is in progress
    #[arg(long, env = "VISIBILITY_SECONDS", default_value = "30", value_parser = seconds)]
    visibility_seconds: Duration,
    /// Seconds that one message may be worked on
    #[arg(long, env = "HANDLER_SECONDS", default_value = "25", value_parser = seconds)]
    handler_seconds: Duration,
    /// Seconds between two probes of a dependency that is down, at most
    #[arg(long, env = "PROBE_SECONDS", default_value = "30", value_parser = seconds)]
    probe_seconds: Duration,
    /// Writes applied to Delius at once, each of another case
    #[arg(long, env = "RELAY_CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    relay_concurrency: u32,
    /// Seconds that a claim on a write holds; renewed while it is applied
    #[arg(long, env = "LEASE_SECONDS", default_value = "15", value_parser = seconds)]
    lease_seconds: Duration,
    /// Seconds that one write to Delius may take
    #[arg(long, env = "DELIUS_WRITE_SECONDS", default_value = "12", value_parser = seconds)]
    delius_write_seconds: Duration,
    /// Seconds between two attempts of a write, at most
    #[arg(long, env = "RELAY_BACKOFF_SECONDS", default_value = "60", value_parser = seconds)]
    relay_backoff_seconds: Duration,
    /// Seconds that work may take after SIGTERM, before it is given back
    #[arg(long, env = "DRAIN_SECONDS", default_value = "15", value_parser = seconds)]
    drain_seconds: Duration,
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim().parse().map_err(|_| "expected a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration >= Duration::from_millis(100) => Ok(duration),
        _ => Err("expected at least 0.1 seconds".to_owned()),
    }
}

/// The same, and none at all.
pub(crate) fn seconds_or_none(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" { Ok(Duration::ZERO) } else { seconds(text) }
}

impl Tuning {
    pub(crate) fn consumer(&self, usual: ConsumerConfig) -> ConsumerConfig {
        ConsumerConfig {
            concurrency: self.ingest_concurrency,
            visibility: self.visibility_seconds,
            handler_timeout: self.handler_seconds,
            drain: self.drain_seconds,
            ..usual
        }
    }

    pub(crate) fn waiting(&self, worker: String) -> WorkerConfig {
        WorkerConfig {
            concurrency: (self.ingest_concurrency / 2).max(1),
            handler_timeout: self.handler_seconds,
            // A claim needs no renewal: it outlasts the attempt.
            lease: self.handler_seconds + Duration::from_secs(15),
            ..WorkerConfig::of(worker)
        }
    }

    pub(crate) fn relay(&self, worker: String) -> RelayConfig {
        RelayConfig {
            concurrency: self.relay_concurrency,
            lease: self.lease_seconds,
            longest_backoff: self.relay_backoff_seconds,
            drain: self.drain_seconds,
            ..RelayConfig::of(worker)
        }
    }

    pub(crate) fn delius(&self) -> Limits {
        let (usual, write) = (Limits::default(), self.delius_write_seconds);
        Limits { write, statement: usual.statement.min(write), lock: usual.lock.min(write) }
    }

    pub(crate) fn breakers(&self) -> Breakers {
        let usual = BreakerConfig::default();
        let longest_pause = self.probe_seconds;
        Breakers::new(BreakerConfig {
            longest_pause,
            first_pause: usual.first_pause.min(longest_pause),
            ..usual
        })
    }

    /// Tells of settings that do not fit together, or not with those of the records.
    pub(crate) fn warn(&self, records: &CaseRecordsConfig) {
        let consumer = self.consumer(ConsumerConfig::of(""));
        if consumer.visibility >= records.feed_forget_after {
            let risk = "a message may be hidden longer than a consumer that died is remembered: a record that it was \
                        about to drop can be served";
            tracing::warn!(risk, "risky settings");
        }
        for risk in consumer.risks().into_iter().chain(self.relay(String::new()).risks(self.delius())) {
            tracing::warn!(risk, "risky settings");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        tuning: Tuning,
    }

    fn risks(arguments: &[&str]) -> Vec<&'static str> {
        let command = Command::try_parse_from([&["command"], arguments].concat()).unwrap();
        let tuning = command.tuning;
        let consumer = tuning.consumer(ConsumerConfig::of(""));
        let relay = tuning.relay(String::new()).risks(tuning.delius());
        consumer.risks().into_iter().chain(relay).collect()
    }

    #[test]
    fn the_defaults_fit_together_and_risky_pairs_are_told() {
        assert!(risks(&[]).is_empty(), "{:?}", risks(&[]));
        for (arguments, word) in [
            (["--visibility-seconds", "20"], "visibility"),
            (["--visibility-seconds", "120"], "visibility"),
            (["--lease-seconds", "10"], "lease"),
            (["--delius-write-seconds", "20"], "lease"),
            (["--drain-seconds", "40"], "drain"),
        ] {
            let risks = risks(&arguments);
            assert!(risks.iter().any(|risk| risk.contains(word)), "{arguments:?}: {risks:?}");
        }
        for wrong in ["-1", "0", "soon", "NaN", "1e300"] {
            assert!(Command::try_parse_from(["command", "--lease-seconds", wrong]).is_err(), "{wrong}");
        }
    }
}
