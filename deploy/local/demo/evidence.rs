//! The outcome of a message, read from our store: its receipt, its events and the outcomes of their writes.

use std::{collections::BTreeSet, fmt::Write};

use anyhow::Context;
use manage_pom_cases_and_delius::case::{CaseEvent, DeliusWrite, RowAction, RowChange, WriteResult};
use sqlx::{PgPool, types::Json};

/// The outcome of one message so far.
#[derive(Default)]
pub(crate) struct Finding {
    /// NOMS number, when the message became part of a case.
    pub(crate) case: Option<String>,
    /// The names to compare with the expectation: outcomes of the writes, events without a write, or how else the message
    /// was accounted for.
    pub(crate) names: BTreeSet<String>,
    /// What happened, line by line.
    pub(crate) told: Vec<String>,
    /// Whether every write has an outcome.
    pub(crate) settled: bool,
}

/// Looks up one message.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn find(store: &PgPool, message_id: &str) -> anyhow::Result<Finding> {
    let receipt: Option<(String, Option<String>, Option<String>)> = sqlx::query_as(
        "select disposition, detail, case_id from message_receipts where message_id = $1 order by id limit 1",
    )
    .bind(message_id)
    .fetch_optional(store)
    .await
    .context("while reading the receipts")?;
    let mut finding = Finding::default();
    let Some((disposition, detail, case)) = receipt else {
        return Ok(finding);
    };
    finding.case = case;
    finding.settled = true;
    let detail = detail.unwrap_or_default();
    match disposition.as_str() {
        "parked" => drop(finding.names.insert(format!("Parked {detail}"))),
        "changeFeed" => drop(finding.names.insert("ChangeFeed".into())),
        "erasureRequested" => drop(finding.names.insert("ErasureRequested".into())),
        "notApplicable" => {
            finding.names.insert("NotApplicable".into());
            finding.told.push(detail);
        }
        _ => {
            let case = finding.case.clone().context("a recorded message has a case")?;
            read_events(&events(store, &case).await?, message_id, &mut finding);
        }
    }
    Ok(finding)
}

async fn events(store: &PgPool, case: &str) -> anyhow::Result<Vec<(u64, CaseEvent)>> {
    let rows: Vec<(i64, Json<CaseEvent>)> = sqlx::query_as(
        "select sequence, payload from events where aggregate_type = 'case' and aggregate_id = $1 order by sequence",
    )
    .bind(case)
    .fetch_all(store)
    .await
    .with_context(|| format!("while reading the events of {case}"))?;
    Ok(rows.into_iter().map(|(sequence, Json(event))| (sequence.cast_unsigned(), event)).collect())
}

fn read_events(events: &[(u64, CaseEvent)], message_id: &str, finding: &mut Finding) {
    let own: Vec<u64> = events
        .iter()
        .filter(|(_, event)| event.provenance().is_some_and(|source| source.message_id == message_id))
        .map(|(sequence, _)| *sequence)
        .collect();
    for (sequence, event) in events {
        let made_good =
            matches!(event, CaseEvent::PomAllocated { reflects: Some(of), .. } if own.contains(of));
        if own.contains(sequence) || made_good {
            read_fact(events, *sequence, event, finding);
        }
    }
}

fn read_fact(events: &[(u64, CaseEvent)], sequence: u64, event: &CaseEvent, finding: &mut Finding) {
    finding.told.push(format!("event {sequence}: {}", event.name()));
    let results: Vec<&WriteResult> = events
        .iter()
        .filter_map(|(_, event)| event.write_result())
        .filter(|result| result.write.sequence == sequence)
        .collect();
    let first = results.iter().find(|result| result.write.ordinal == 0);
    match event {
        CaseEvent::PomAllocated { .. }
        | CaseEvent::PomDeallocated { .. }
        | CaseEvent::HandoverDatesChanged { .. } => match first {
            Some(result) => drop(finding.names.insert(result.outcome.name.as_str().into())),
            None => finding.settled = false,
        },
        CaseEvent::AllocationSuperseded { .. } => {
            let is_made_good = events.iter().any(
                |(_, later)| matches!(later, CaseEvent::PomAllocated { reflects: Some(of), .. } if *of == sequence),
            );
            if !is_made_good {
                finding.names.insert(event.name().into());
            }
        }
        // The facts that it was fetched for stand beside it.
        CaseEvent::IdentifierLinked { .. } => {}
        CaseEvent::AllocationNotReady { .. }
        | CaseEvent::HandoverNotFound { .. }
        | CaseEvent::MessageNotApplicable { .. }
        | CaseEvent::DeliusUpdated(_)
        | CaseEvent::DeliusUnchanged(_)
        | CaseEvent::DeliusWriteRefused(_)
        | CaseEvent::DeliusWriteParked { .. }
        | CaseEvent::DeliusWriteRetried { .. }
        | CaseEvent::WritesReasserted { .. }
        | CaseEvent::IdentityChanged { .. }
        | CaseEvent::DeliusWriteSkipped { .. } => drop(finding.names.insert(event.name().into())),
    }
    for result in results {
        let again = if result.write.ordinal == 0 { "" } else { " (the next holder, asserted again)" };
        let who = intent(&result.intent);
        finding.told.push(format!("Delius: {}{who}{again}", result.outcome.name.as_str()));
        finding.told.extend(result.outcome.changes.iter().map(|change| format!("  {}", line(change))));
    }
}

/// Who was to be allocated where, in words; the rows have only ids.
fn intent(write: &DeliusWrite) -> String {
    match write {
        DeliusWrite::AllocatePom { pom, .. } => {
            format!("  {} {} at {}", pom.forename, pom.surname, pom.prison)
        }
        DeliusWrite::DeallocatePom { .. } | DeliusWrite::SetHandoverDates { .. } => String::new(),
    }
}

/// One row change in one line, without the columns that every row has.
fn line(change: &RowChange) -> String {
    let action = match change.action {
        RowAction::Insert => "insert",
        RowAction::Update => "update",
        RowAction::SoftDelete => "soft-delete",
        RowAction::Delete => "delete",
    };
    let mut line = format!("{action} {} {}", change.table, change.row_id);
    let telling = |column: &str| match change.action {
        RowAction::Insert => matches!(
            column,
            "allocation_date"
                | "start_date"
                | "end_date"
                | "key_date"
                | "contact_start_time"
                | "officer_code"
                | "forename"
                | "surname"
        ),
        _ => !column.starts_with("last_updated") && column != "row_version",
    };
    for (column, values) in change.columns.iter().filter(|(column, _)| telling(column)) {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".into());
        match (&values.from, &values.to) {
            (None, None) => {}
            (None, to) if change.action == RowAction::Insert => drop(write!(line, "  {column} {}", show(to))),
            (from, to) => drop(write!(line, "  {column} {} → {}", show(from), show(to))),
        }
    }
    line
}
