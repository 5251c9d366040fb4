//! The table of metrics.

use super::{
    Metric,
    MetricKind::{Counter, Gauge, Histogram},
};

/// Answers to a caller: from a hit in memory to the limit of a request.
const FAST: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Work of the service: calls to others, transactions.
const WORK: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0];
/// From the record of a message to Delius: seconds when all is well, hours after an outage.
const WAYS: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0];

/// Names of outcomes of writes, and `Parked`.
const OUTCOMES: &[&str] = &[
    "PomAllocated",
    "PomDeallocated",
    "NoPomChange",
    "KeyDateCreated",
    "KeyDateUpdated",
    "KeyDateDeleted",
    "NoKeyDateChange",
    "DryRunKeyDateCreated",
    "DryRunKeyDateUpdated",
    "DryRunKeyDateDeleted",
    "DryRunNoKeyDateChange",
    "PersonNotFound",
    "DuplicatePerson",
    "NoActiveCustodialSentence",
    "MultipleActiveCustodialSentences",
    "UnknownPrison",
    "UnknownTeam",
    "StaffCodesExhausted",
    "Parked",
];
/// Why a caller is not let in.
const REFUSALS: &[&str] = &[
    "no-token",
    "several-authorization-headers",
    "malformed-token",
    "algorithm-not-rs256",
    "critical-extension",
    "unknown-key",
    "signature-does-not-verify",
    "other-issuer",
    "no-expiry",
    "expired",
    "not-yet-valid",
    "keys-unavailable",
    "no-role",
];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Counter, help, labels: &[], zero: true }
}

/// A gauge that has to be looked up before it says anything.
const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Gauge, help, labels: &[], zero: false }
}

const fn histogram(name: &'static str, buckets: &'static [f64], help: &'static str) -> Metric {
    Metric { name, kind: Histogram(buckets), help, labels: &[], zero: true }
}

/// Every metric, by room.
pub const CATALOGUE: &[Metric] = &[
    // Messages
    Metric {
        labels: &[(
            "disposition",
            &[
                "recorded",
                "duplicate",
                "parked",
                "waiting",
                "change_feed",
                "not_applicable",
                "erasure_requested",
            ],
        )],
        ..counter("ingest_messages_total", "Messages that were accounted for, by what became of them")
    },
    histogram("ingest_message_duration_seconds", WORK, "Handling of a message, to what became of it"),
    histogram(
        "write_to_delius_seconds",
        WAYS,
        "From the record of what is to be written to its rows in Delius",
    ),
    counter("ingest_redeliveries_total", "Messages that a queue delivered once more"),
    counter(
        "ingest_returned_total",
        "Messages that went back to their queue because the event store was away at shutdown",
    ),
    gauge("ingest_waiting_messages", "Messages that wait in the store for their next attempt"),
    gauge("ingest_waiting_oldest_age_seconds", "How long the oldest waiting message has been waiting"),
    Metric {
        labels: &[("reason", &[])],
        ..gauge("ingest_parked_messages", "Messages that wait for an operator, by the reason")
    },
    gauge("unreflected_allocations", "Allocations that wait for the name of their officer"),
    // Queues
    Metric {
        labels: &[("queue", &[]), ("state", &["visible", "in_flight", "delayed"])],
        ..gauge("queue_messages", "Messages in a queue, as SQS approximates them")
    },
    Metric {
        labels: &[("queue", &[])],
        ..gauge("queue_dead_letters", "Messages in the dead-letter queue of a queue")
    },
    // Manage POM Cases and HMPPS Auth
    Metric {
        labels: &[("endpoint", &["allocation", "handover", "other"])],
        ..histogram(
            "mpc_request_duration_seconds",
            WORK,
            "Calls to Manage POM Cases, to the end of the answer",
        )
    },
    Metric {
        labels: &[("answered", &["true", "false"])],
        ..counter("auth_key_fetches_total", "Fetches of the key set of HMPPS Auth")
    },
    Metric {
        labels: &[("reason", REFUSALS)],
        ..counter("auth_refusals_total", "Requests that were not let in, by the reason")
    },
    // Writes
    Metric {
        labels: &[("outcome", OUTCOMES)],
        ..counter("relay_writes_total", "Writes that were settled, by their outcome")
    },
    counter("relay_deferrals_total", "Attempts at a write that failed and are repeated"),
    counter("relay_lease_losses_total", "Claims on writes that ran out while they were worked on"),
    histogram("delius_write_duration_seconds", WORK, "The transaction of a write in Delius"),
    gauge("outbox_pending", "Writes that wait for their turn"),
    gauge("outbox_parked", "Writes that wait for an operator; each blocks its case"),
    gauge("outbox_refused", "Writes that a rule refused and that were not released since"),
    gauge("outbox_stuck", "Writes that failed too often and could not be parked either"),
    gauge("outbox_oldest_age_seconds", "How long the oldest write has been waiting"),
    // Notices
    counter("outcome_notices_sent_total", "Notices that the outcome topic took"),
    counter(
        "outcome_notices_deferred_total",
        "Notices that the outcome topic did not take; they are repeated",
    ),
    gauge("outcome_notices_waiting", "Notices that are not sent yet"),
    // Store and journal
    histogram(
        "store_append_duration_seconds",
        WORK,
        "An append of one or more cases: events, outbox rows and receipts",
    ),
    counter("journal_events_total", "Events that this process gave a position in the journal"),
    gauge("journal_last_position", "The last position of the journal that this process gave"),
    gauge(
        "journal_checkpoint_size",
        "Size of the journal in the last checkpoint that this process published",
    ),
    gauge("journal_horizon_age_seconds", "How far the journal is behind the store"),
    gauge("journal_horizon_unknown", "1 while a transaction that we may not see holds the journal back"),
    Metric {
        labels: &[("pool", &[]), ("state", &["idle", "used"])],
        ..gauge("database_pool_connections", "Connections of a pool")
    },
    Metric {
        labels: &[("pool", &[])],
        ..gauge("database_pool_connections_max", "The most connections that a pool may have")
    },
    // Dependencies
    Metric {
        labels: &[("dependency", &[])],
        ..gauge("dependency_breaker_open", "1 while a dependency is taken to be down")
    },
    Metric {
        labels: &[("dependency", &[])],
        ..counter("dependency_outages_total", "How often a dependency went down")
    },
    // Reads
    Metric {
        labels: &[("from", &["memory", "store", "delius", "stale", "nowhere", "unavailable"])],
        ..counter("case_record_reads_total", "Reads of case records, by where the answer came from")
    },
    counter("case_record_invalidations_total", "Cached case records that were dropped"),
    counter("delius_unknown_tiers_total", "Case records read with a tier code that is no tier"),
    gauge("case_records_current", "1 while cached case records may be trusted"),
    gauge("change_feed_lag_seconds", "Age of the oldest change that may not have been heard yet"),
    histogram("delius_read_duration_seconds", WORK, "Reading one case record from Delius"),
    counter("email_directory_failures_total", "Look-ups in the e-mail directory that failed"),
    counter("email_directory_skipped_total", "Look-ups that were not made because the directory is down"),
    // HTTP
    Metric {
        labels: &[("route", &[])],
        ..histogram("http_request_duration_seconds", FAST, "Answers, by route")
    },
    Metric {
        labels: &[("route", &[]), ("method", &[]), ("status", &[])],
        ..counter("http_requests_total", "Answers, by route, method and status")
    },
    Metric { zero: true, ..gauge("http_connections", "Open connections") },
    counter("http_connections_turned_away_total", "Connections beyond the most that are allowed"),
    // The process
    Metric {
        labels: &[("version", &[]), ("commit", &[]), ("build", &[])],
        ..gauge("build_info", "Always 1; the labels say which build this is")
    },
    counter("process_cpu_seconds_total", "CPU time of the process"),
    gauge("process_resident_memory_bytes", "Resident memory of the process"),
    gauge("process_virtual_memory_bytes", "Virtual memory of the process"),
    gauge("process_start_time_seconds", "Start of the process, seconds since 1970"),
    gauge("process_threads", "Threads of the process"),
    gauge("process_open_fds", "Open files of the process"),
    gauge("process_max_fds", "The most files that the process may open"),
];
