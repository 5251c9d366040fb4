//! The history as CSV: one line per write, or per entry where it has none; times in UTC.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Entry, History, Write, words};
use crate::case::OutcomeName;

const HEADER: [&str; 26] = [
    "nomsId",
    "position",
    "event",
    "description",
    "occurredAt",
    "receivedAt",
    "recordedAt",
    "appliedAt",
    "messageId",
    "messageType",
    "late",
    "delaySeconds",
    "outOfOrder",
    "duplicates",
    "superseded",
    "supersededBy",
    "unreflected",
    "reflectedBy",
    "dryRun",
    "by",
    "why",
    "writeId",
    "write",
    "writeState",
    "outcome",
    "deliusRows",
];

/// Renders the entries of the history as CSV.
///
/// # Errors
/// Never in practice: it writes to memory.
pub(super) fn render(history: &History) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(HEADER)?;
    for entry in &history.entries {
        if entry.writes.is_empty() {
            writer.write_record(record(history, entry, None))?;
        }
        for write in &entry.writes {
            writer.write_record(record(history, entry, Some(write)))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn utc(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)).unwrap_or_default()
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A spreadsheet takes a cell that begins so for a formula; an apostrophe in front keeps it a text.
fn text(value: &str) -> String {
    if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{value}") } else { value.to_owned() }
}

fn record(history: &History, entry: &Entry, write: Option<&Write>) -> Vec<String> {
    let marks = &entry.marks;
    let rows = write.map(|write| {
        let rows: Vec<String> = write
            .changes
            .iter()
            .map(|row| format!("{}:{} v{}", row.table, row.row_id, row.row_version))
            .collect();
        rows.join("; ")
    });
    vec![
        history.noms_id.clone(),
        entry.position.to_string(),
        entry.event.to_owned(),
        text(&entry.description),
        utc(entry.occurred_at),
        utc(entry.received_at),
        utc(Some(entry.recorded_at)),
        utc(write.map_or(entry.applied_at, |write| write.applied_at)),
        text(&or_empty(entry.message_id.as_ref())),
        text(&or_empty(entry.message_type.as_ref())),
        marks.late.to_string(),
        or_empty(marks.delay_seconds),
        marks.out_of_order.to_string(),
        marks.duplicates.to_string(),
        marks.superseded.to_string(),
        or_empty(marks.superseded_by),
        marks.unreflected.to_string(),
        or_empty(marks.reflected_by),
        marks.dry_run.to_string(),
        text(&or_empty(entry.by.as_ref())),
        text(&or_empty(entry.why.as_ref())),
        or_empty(write.map(|write| write.id)),
        text(&or_empty(write.map(|write| &write.description))),
        or_empty(write.map(|write| words::state(write.state))),
        or_empty(match write {
            Some(write) => write.outcome.map(OutcomeName::as_str),
            None => entry.outcome,
        }),
        or_empty(rows),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::history::{Question, build, samples::eventful};

    #[test]
    fn every_line_has_every_column_and_times_are_in_utc() {
        let csv = render(&build(&eventful().0, &Question::default())).unwrap();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let lines: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(lines.len(), 6);
        assert_eq!(&lines[0][4], "2026-07-01T09:00:00Z");
        assert_eq!(&lines[0][24], "PomAllocated");
        assert_eq!(&lines[0][25], "prison_offender_manager:101 v1");
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_take_for_a_formula_stays_a_text() {
        assert_eq!(text("=1+1"), "'=1+1");
        assert_eq!(text("O'Neill"), "O'Neill");
    }
}
