//! The rows of the report.

mod append;
mod audit;
mod claim;
pub(crate) mod growth;
mod reads;
mod relay;
pub(crate) mod stream;

use async_trait::async_trait;

use crate::{ground::Ground, report::Report};

/// Something that is measured once in every round, beside its floor.
#[async_trait]
pub(crate) trait Row {
    fn name(&self) -> &'static str;
    async fn measure(&mut self, ground: &Ground, report: &mut Report) -> anyhow::Result<()>;
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Invented persons in Delius.
    pub(crate) persons: u32,
    /// Messages of a short run.
    pub(crate) short: u32,
    /// Messages of a long one.
    pub(crate) long: u32,
    /// Seconds of each closed loop.
    pub(crate) seconds: u32,
    /// Cases that wait in the outbox.
    pub(crate) pending: u32,
    /// Rows that wait behind parked ones.
    pub(crate) blocked: u32,
    /// Events that are verified and replayed.
    pub(crate) events: u32,
}

impl Sizes {
    pub(crate) const FULL: Self = Self {
        persons: 20_000,
        short: 2_000,
        long: 20_000,
        seconds: 3,
        pending: 100_000,
        blocked: 300_000,
        events: 100_000,
    };
    pub(crate) const QUICK: Self = Self {
        persons: 2_000,
        short: 500,
        long: 2_000,
        seconds: 1,
        pending: 5_000,
        blocked: 10_000,
        events: 10_000,
    };
}

/// The rows with these names, all when there are none; what they need is set up here, once.
pub(crate) async fn all(ground: &Ground, sizes: Sizes, only: &[String]) -> anyhow::Result<Vec<Box<dyn Row>>> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|it| it == name);
    let mut rows: Vec<Box<dyn Row>> = vec![];
    if wanted("stream") {
        rows.push(Box::new(stream::Stream { sizes }));
    }
    if wanted("counts") {
        rows.push(Box::new(stream::Counts { sizes }));
    }
    if wanted("latency") {
        rows.push(Box::new(stream::Latency { sizes }));
    }
    if wanted("relay") {
        rows.push(Box::new(relay::Relay { sizes }));
    }
    if wanted("append") {
        rows.push(Box::new(append::Append { sizes }));
    }
    if wanted("claim") {
        rows.push(Box::new(claim::Claim::prepare(ground, sizes).await?));
    }
    if wanted("audit") {
        rows.push(Box::new(audit::Audit::prepare(ground, sizes).await?));
    }
    if wanted("reads") {
        rows.push(Box::new(reads::Reads { sizes }));
    }
    Ok(rows)
}
