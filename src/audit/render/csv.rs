//! The history as CSV: one line per write, or per entry where it has none; times in UTC. Behind them come lines that are
//! named in the column `event`: `Answer`, a `ParkedOfCase` each, `Provisional` and `NextPage` where there is one.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::{
    audit::{
        evidence::FetchedHash,
        history::{Entry, Held, History, ParkedItem, Write},
        render::words,
    },
    case::OutcomeName,
};

const HEADER: [&str; 32] = [
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
    "messageSha256",
    "fetched",
    "fetchedStatus",
    "fetchedSha256",
    "journalPosition",
    "journalHash",
];

/// Renders the history as CSV.
///
/// # Errors
/// Never in practice: it writes to memory.
pub(crate) fn render(history: &History) -> anyhow::Result<String> {
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
    for line in lines_behind(history) {
        writer.write_record(line)?;
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

/// A line that has these columns only.
fn line(history: &History, event: &str, columns: &[(&str, String)]) -> Vec<String> {
    let value = |name: &&str| match *name {
        "nomsId" => history.noms_id.clone(),
        "event" => event.to_owned(),
        name => {
            columns.iter().find(|(column, _)| *column == name).map(|(_, it)| text(it)).unwrap_or_default()
        }
    };
    HEADER.iter().map(value).collect()
}

fn lines_behind(history: &History) -> Vec<Vec<String>> {
    let mut lines = vec![line(
        history,
        "Answer",
        &[("description", answer(history)), ("occurredAt", utc(history.answer.since))],
    )];
    lines.extend(history.parked.iter().map(|item| parked(history, item)));
    for item in &history.waiting {
        let columns = [
            ("description", format!("tried {} times: {}", item.attempts, item.last_answer)),
            ("messageId", item.message_id.clone()),
            ("receivedAt", utc(Some(item.received_at))),
        ];
        lines.push(line(history, "WaitingMessage", &columns));
    }
    for erasure in &history.erasures {
        let columns = [("description", erasure.described()), ("recordedAt", utc(Some(erasure.at)))];
        lines.push(line(history, "Erasure", &columns));
    }
    if history.provisional {
        let said = "something of that time may still be recorded; ask again for the final answer";
        lines.push(line(history, "Provisional", &[("description", said.to_owned())]));
    }
    if let Some(next) = history.page.next {
        let said = format!("more entries follow; ask again for those after position {next}");
        lines.push(line(history, "NextPage", &[("description", said), ("position", next.to_string())]));
    }
    lines
}

fn answer(history: &History) -> String {
    let answer = &history.answer;
    let held = match (answer.held, &answer.holder) {
        (Held::Somebody, Some(holder)) => format!("held by {}", holder.described()),
        (Held::Nobody, _) => "held by nobody".to_owned(),
        _ => "nothing is known".to_owned(),
    };
    let caveat = answer.caveat.map(|caveat| format!("; {caveat}")).unwrap_or_default();
    format!("at {}: {held}{caveat}", utc(Some(answer.at)))
}

fn parked(history: &History, item: &ParkedItem) -> Vec<String> {
    let decided = |of: fn(&crate::audit::history::ParkedDecision) -> String| {
        item.decisions.iter().map(of).collect::<Vec<_>>().join("; ")
    };
    line(
        history,
        "ParkedMessage",
        &[
            ("description", format!("{}: {}", item.reason, item.detail)),
            ("receivedAt", utc(Some(item.received_at))),
            ("recordedAt", utc(Some(item.recorded_at))),
            ("messageId", item.message_id.clone()),
            ("messageType", or_empty(item.message_type.as_ref())),
            ("by", decided(|it| format!("{} by {}", it.decision, it.by))),
            ("why", decided(|it| it.why.clone())),
        ],
    )
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
    let fetched =
        |of: fn(&FetchedHash) -> String| entry.evidence.fetched.iter().map(of).collect::<Vec<_>>().join("; ");
    vec![
        entry.noms_id.as_ref().map_or_else(|| history.noms_id.clone(), ToString::to_string),
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
        or_empty(entry.evidence.message_sha256.as_ref()),
        text(&fetched(|answer| answer.url.clone())),
        fetched(|answer| answer.status.to_string()),
        fetched(|answer| answer.sha256.clone()),
        or_empty(entry.evidence.journal.as_ref().map(|place| place.position)),
        or_empty(entry.evidence.journal.as_ref().map(|place| &place.hash)),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::audit::history::{Question, build, samples::eventful};

    #[test]
    fn every_line_has_every_column_and_times_are_in_utc() {
        let csv = render(&build(&eventful().0, &Question::default())).unwrap();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let lines: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(lines.len(), 7);
        assert_eq!(&lines[0][4], "2026-07-01T09:00:00Z");
        assert_eq!(&lines[0][24], "PomAllocated");
        assert_eq!(&lines[0][25], "prison_offender_manager:101 v1");
    }

    #[test]
    fn what_the_other_forms_tell_beside_the_entries_has_lines_of_its_own() {
        let mut story = eventful();
        story.0.unsettled_since = Some(story.0.read_at);
        story.parked(&[("ForeignDetailUrl", "2026-07-02T00:00:00Z")]);
        let known_at = Some(story.0.read_at);
        let question = Question { known_at, limit: Some(1), ..Question::default() };
        let csv = render(&build(&story.0, &question)).unwrap();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let lines: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        let told: Vec<(&str, &str)> = lines.iter().map(|line| (&line[2], &line[3])).collect();
        assert_eq!(
            told[1..],
            [
                ("Answer", "at 2026-12-31T12:00:00Z: held by nobody"),
                ("ParkedMessage", "ForeignDetailUrl: ForeignDetailUrl: mend it"),
                (
                    "Provisional",
                    "something of that time may still be recorded; ask again for the final answer"
                ),
                ("NextPage", "more entries follow; ask again for those after position 1"),
            ]
        );
        assert_eq!((&lines[4][1], &lines[2][8]), ("1", "p1"));
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_take_for_a_formula_stays_a_text() {
        assert_eq!(text("=1+1"), "'=1+1");
        assert_eq!(text("O'Neill"), "O'Neill");
    }
}
