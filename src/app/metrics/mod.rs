//! Every metric of the service, in one place: name, kind, help, and the label values that exist from the start. Rooms
//! record them by name with the macros of the `metrics` crate; a test checks that they use no name that is not here, and
//! that alert rules, dashboard and runbooks name none either.
//!
//! Names end in their base unit (`_seconds`, `_bytes`), counters in `_total`. Labels take few values: never an identifier
//! of a person, a message or a write.

mod catalogue;
pub mod process;

use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use catalogue::CATALOGUE;

/// What kind of metric it is; a histogram with the upper bounds of its buckets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

/// A label and the values that are known before anything happened. Empty: they are known only when they occur.
pub type Label = (&'static str, &'static [&'static str]);

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
    pub labels: &'static [Label],
    /// Whether 0 is true before anything was measured. Not so for a gauge that somebody has to look up first: an alert
    /// must not take "not looked yet" for "nothing there".
    pub zero: bool,
}

impl Metric {
    /// Every combination of the label values that are known from the start.
    fn series(&self) -> Vec<Vec<(&'static str, &'static str)>> {
        self.labels.iter().fold(vec![vec![]], |series, (label, values)| {
            series
                .iter()
                .flat_map(|known| values.iter().map(move |value| [&known[..], &[(*label, *value)]].concat()))
                .collect()
        })
    }

    fn start(&self) {
        match self.kind {
            MetricKind::Counter => metrics::describe_counter!(self.name, self.help),
            MetricKind::Gauge => metrics::describe_gauge!(self.name, self.help),
            MetricKind::Histogram(_) => metrics::describe_histogram!(self.name, self.help),
        }
        if !self.zero {
            return;
        }
        for labels in self.series() {
            match self.kind {
                MetricKind::Counter => metrics::counter!(self.name, &labels).absolute(0),
                MetricKind::Gauge => metrics::gauge!(self.name, &labels).set(0.0),
                // To be there is enough: it is shown with empty buckets.
                MetricKind::Histogram(_) => drop(metrics::histogram!(self.name, &labels)),
            }
        }
    }
}

/// Starts to collect the metrics of this process; once, however often it is asked for.
///
/// # Errors
/// When something else collects them.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let mut builder = PrometheusBuilder::new().add_global_label("application", env!("CARGO_PKG_NAME"));
    for metric in CATALOGUE {
        if let MetricKind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    let handle = builder.install_recorder()?;
    CATALOGUE.iter().for_each(Metric::start);
    metrics::gauge!("build_info", "version" => env!("CARGO_PKG_VERSION"), "commit" => env!("BUILD_COMMIT"),
        "build" => env!("BUILD_NUMBER"))
    .set(1.0);
    process::measure();
    *installed = Some(handle.clone());
    Ok(handle)
}
