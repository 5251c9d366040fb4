//! The part of `parked` that is about waiting messages: those that could not be accepted yet and are tried again.

use std::process::ExitCode;

use anyhow::anyhow;

use super::listing::time;
use crate::{
    app::{
        Failure,
        settings::{Decision, StoreSettings},
    },
    ingest::waiting::{self, WaitingDecision},
};

/// Messages read at once.
const PAGE: u32 = 500;

/// Lists every waiting message, those that began to wait first at the top.
pub(super) async fn list(store: &StoreSettings) -> Result<ExitCode, Failure> {
    let pool = store.connect().await?;
    let (mut after, mut count) = (0, 0);
    loop {
        let page = waiting::list(&pool, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        count += page.len();
        for message in &page {
            println!(
                "{}  {}  {}  {}  attempts {}, next {}\n    {}",
                message.id,
                time(message.received_at),
                message.event_type.as_deref().unwrap_or("(no event type)"),
                message.case_id.as_deref().unwrap_or("(no NOMS number)"),
                message.attempts,
                time(message.next_attempt_at),
                message.last_answer,
            );
        }
    }
    println!("{count} messages wait");
    Ok(ExitCode::SUCCESS)
}

/// Makes a waiting message due, or parks it.
pub(super) async fn decide(
    store: &StoreSettings,
    id: i64,
    what: WaitingDecision,
    decision: &Decision,
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
