//! The part of `parked` that is about waiting messages: those that could not be accepted yet and are tried again.

use std::process::ExitCode;

use anyhow::anyhow;

use super::listing::{Filters, time};
use crate::{
    app::{
        Failure,
        settings::{Decider, StoreSettings},
    },
    ingest::waiting::{self, WaitingDecision},
};

/// Lists the waiting messages that match, those that began to wait first at the top.
pub(super) async fn list(store: &StoreSettings, filters: &Filters) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    let found = waiting::list(&pool, &filters.select(&pool, None).await?).await?;
    let headings = ["no", "received", "event type", "case", "attempts", "next attempt", "last answer"];
    filters.print(&found, ("waiting messages", &headings), |message| {
        vec![
            message.id.to_string(),
            time(message.received_at),
            message.event_type.clone().unwrap_or_default(),
            message.case_id.clone().unwrap_or_default(),
            message.attempts.to_string(),
            time(message.next_attempt_at),
            message.last_answer.clone(),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a waiting message due, or parks it.
pub(super) async fn decide(
    store: &StoreSettings,
    id: i64,
    what: WaitingDecision,
    decision: &Decider,
) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    if !waiting::decide(&pool, id, what, &decision.by, &decision.why).await? {
        return Err(anyhow!("no message {id} waits; see `parked list --waiting`").into());
    }
    match what {
        WaitingDecision::Retry => println!("waiting message {id} is due now; the running service tries it"),
        WaitingDecision::Park => println!("waiting message {id} is parked; see `parked list`"),
    }
    Ok(ExitCode::SUCCESS)
}
