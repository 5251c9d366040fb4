//! The limits of the API and of the cached case records. The defaults suit production.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, value_parser};

use crate::{
    app::settings::tuning::seconds,
    case_records::{CaseRecordsConfig, OUTLIVED},
    http::ApiConfig,
};

/// Settings of time, number and size.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApiLimits {
    /// Seconds after which a request is answered with 503
    #[arg(long, env = "API_REQUEST_SECONDS", default_value = "10", value_parser = seconds)]
    api_request_seconds: Duration,
    /// Requests in progress at once; one more is answered with 503
    #[arg(long, env = "API_MAX_REQUESTS", default_value_t = 512, value_parser = value_parser!(u32).range(1..))]
    api_max_requests: u32,
    /// Open connections; one more is answered with 503 and closed
    #[arg(long, env = "API_MAX_CONNECTIONS", default_value_t = 4096, value_parser = value_parser!(u32).range(1..))]
    api_max_connections: u32,
    /// Bytes of the longest request body; five hundred identifiers need less than 10000
    #[arg(long, env = "API_MAX_BODY_BYTES", default_value_t = 65_536, value_parser = value_parser!(u32).range(1024..))]
    api_max_body_bytes: u32,
    /// Bytes of the longest request header; strangers can make the service hold twice this for each open connection
    #[arg(long, env = "API_MAX_HEADER_BYTES", default_value_t = 16_384, value_parser = value_parser!(u32).range(8192..=1_048_576))]
    api_max_header_bytes: u32,
    /// Seconds from the first byte of a request to the end of its header
    #[arg(long, env = "API_HEADER_SECONDS", default_value = "10", value_parser = seconds)]
    api_header_seconds: Duration,
    /// Seconds after which an idle connection is closed; must be longer than the ingress keeps it
    #[arg(long, env = "API_IDLE_SECONDS", default_value = "75", value_parser = seconds)]
    api_idle_seconds: Duration,
    /// Age in seconds at which a cached case record is read again although no message invalidated it, at most 300
    #[arg(long, env = "RECORD_MAX_AGE_SECONDS", default_value = "300", value_parser = record_age)]
    record_max_age_seconds: Duration,
    /// Age in seconds up to which a cached case record is served, marked as stale, while Delius does not answer
    #[arg(long, env = "RECORD_STALE_SECONDS", default_value = "14400", value_parser = seconds)]
    record_stale_seconds: Duration,
}

/// A cached record must expire before the cache is trusted again after a lost or purged change-feed message.
fn record_age(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        age if age <= OUTLIVED => Ok(age),
        _ => Err(format!("expected at most {} seconds", OUTLIVED.as_secs())),
    }
}

impl ApiLimits {
    pub(crate) fn server(&self, bind: SocketAddr) -> ApiConfig {
        ApiConfig {
            bind,
            max_connections: self.api_max_connections as usize,
            max_in_flight: self.api_max_requests as usize,
            header_timeout: self.api_header_seconds,
            idle_timeout: self.api_idle_seconds,
            request_timeout: self.api_request_seconds,
            max_body_bytes: self.api_max_body_bytes as usize,
            max_header_bytes: self.api_max_header_bytes as usize,
            ..ApiConfig::default()
        }
    }

    pub(crate) fn records(&self) -> CaseRecordsConfig {
        CaseRecordsConfig {
            max_age: self.record_max_age_seconds,
            stale_limit: self.record_stale_seconds,
            ..CaseRecordsConfig::default()
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
        limits: ApiLimits,
    }

    fn limits(arguments: &[&str]) -> ApiLimits {
        Command::try_parse_from([&["command"], arguments].concat()).unwrap().limits
    }

    fn any_address() -> SocketAddr {
        ApiConfig::default().bind
    }

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_server_and_of_the_records() {
        let limits = limits(&[]);
        assert_eq!(format!("{:?}", limits.server(any_address())), format!("{:?}", ApiConfig::default()));
        assert_eq!(format!("{:?}", limits.records()), format!("{:?}", CaseRecordsConfig::default()));
    }

    #[test]
    fn every_flag_reaches_its_limit() {
        let given = [
            "--api-request-seconds=1",
            "--api-max-requests=2",
            "--api-max-connections=3",
            "--api-max-body-bytes=4000",
            "--api-max-header-bytes=9000",
            "--api-header-seconds=5",
            "--api-idle-seconds=6",
            "--record-max-age-seconds=7",
            "--record-stale-seconds=8",
        ];
        let seconds = Duration::from_secs;
        let (limits, bind) = (limits(&given), any_address());
        let server = limits.server(bind);
        assert_eq!(
            (server.request_timeout, server.max_in_flight, server.max_connections),
            (seconds(1), 2, 3)
        );
        assert_eq!((server.max_body_bytes, server.max_header_bytes), (4000, 9000));
        assert_eq!((server.header_timeout, server.idle_timeout), (seconds(5), seconds(6)));
        let records = limits.records();
        assert_eq!((records.max_age, records.stale_limit), (seconds(7), seconds(8)));
    }

    #[test]
    fn no_record_is_trusted_for_longer_than_a_lost_message_is_remembered() {
        assert_eq!(limits(&["--record-max-age-seconds", "300"]).records().max_age, OUTLIVED);
        let parsed = Command::try_parse_from(["x", "--record-max-age-seconds", "301"]);
        assert!(parsed.is_err_and(|error| error.to_string().contains("at most 300 seconds")));
    }
}
