//! The history as tables for a terminal of 100 columns, in London time.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::{
    audit::{
        history::{Answer, DatesPeriod, Entry, Held, History, HistoryDifference},
        render::words,
    },
    case::Holder,
    london::{date_of, date_time, date_time_zone},
};

const WIDTH: u16 = 100;

/// Renders the history for a terminal.
pub(crate) fn render(history: &History) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = headline(&mut out, history);
    let _ = periods(&mut out, history);
    let _ = entries(&mut out, history);
    let _ = parked(&mut out, history);
    let _ = waiting(&mut out, history);
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn headline(out: &mut String, history: &History) -> std::fmt::Result {
    writeln!(out, "History of case {}   (all times by the clock in London)", history.noms_id)?;
    if !history.numbers.is_empty() {
        writeln!(out, "  numbers of the person      {}", history.numbers.join(", "))?;
    }
    // The zone matters in the hour that comes twice in autumn.
    if let Some(as_of) = history.as_of {
        writeln!(out, "  as it was in the world at  {}", date_time_zone(as_of))?;
    }
    if let Some(known_at) = history.known_at {
        writeln!(out, "  as we knew it at           {}", date_time_zone(known_at))?;
    }
    if history.provisional {
        writeln!(
            out,
            "  PROVISIONAL: something of that time may still be recorded; ask again for the final answer"
        )?;
    }
    for erasure in &history.erasures {
        writeln!(out, "  {}", erasure.described())?;
    }
    let answer = &history.answer;
    writeln!(out, "  held on {}   {}", date_time(answer.at), held(answer))?;
    caveat(out, answer.caveat)?;
    writeln!(out, "  handover                     {}", dates(answer))
}

fn held(answer: &Answer) -> String {
    match (answer.held, &answer.holder, answer.since) {
        (Held::Somebody, Some(holder), Some(since)) => {
            format!("{}, since {}", who(Some(holder)), date_time(since))
        }
        (Held::Nobody, _, Some(since)) => format!("nobody, since {}", date_time(since)),
        _ => "nothing is known of that time".to_owned(),
    }
}

fn dates(answer: &Answer) -> String {
    answer.handover.as_ref().map_or_else(|| "no dates known".to_owned(), handover)
}

/// Renders what differs between two times for a terminal.
pub(crate) fn render_difference(difference: &HistoryDifference) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = differences(&mut out, difference);
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn differences(out: &mut String, difference: &HistoryDifference) -> std::fmt::Result {
    let HistoryDifference { noms_id, numbers, known_at, before, after, happened, learned } = difference;
    writeln!(out, "What differs in case {noms_id}   (all times by the clock in London)")?;
    if !numbers.is_empty() {
        writeln!(out, "  numbers of the person      {}", numbers.join(", "))?;
    }
    if let Some(known_at) = known_at {
        writeln!(out, "  as we knew it at           {}", date_time_zone(*known_at))?;
    }
    for answer in [before, after] {
        writeln!(out, "  held on {}   {}", date_time(answer.at), held(answer))?;
        writeln!(out, "  handover                     {}", dates(answer))?;
    }
    let is_same = |before: String, after: String| if before == after { "the same" } else { "another" };
    writeln!(
        out,
        "  holder: {}; handover dates: {}",
        is_same(held(before), held(after)),
        is_same(dates(before), dates(after))
    )?;
    for (entries, what) in [
        (happened, "What happened in between"),
        (learned, "What was recorded in between about the time before"),
    ] {
        writeln!(out, "\n{what}: {} entries", entries.len())?;
        if !entries.is_empty() {
            writeln!(out, "{}", entry_table(entries))?;
        }
    }
    Ok(())
}

fn caveat(out: &mut String, caveat: Option<&str>) -> std::fmt::Result {
    let Some(caveat) = caveat else { return Ok(()) };
    let text = format!("name unknown: {caveat}");
    let mut line = String::from("  !");
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > usize::from(WIDTH) {
            writeln!(out, "{line}")?;
            line = String::from("   ");
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(out, "{line}")
}

fn who(holder: Option<&Holder>) -> String {
    match holder {
        None => "nobody".to_owned(),
        Some(holder) => holder.described(),
    }
}

fn handover(dates: &DatesPeriod) -> String {
    words::dates(dates.handover_start_date, dates.handover_date)
}

fn new_table(header: &[&str], widths: &[u16]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header.to_vec());
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_constraints(widths.iter().map(|width| ColumnConstraint::UpperBoundary(Width::Fixed(*width))));
    table
}

fn until(until: Option<chrono::DateTime<chrono::Utc>>) -> String {
    until.map_or_else(|| "to this day".to_owned(), date_time)
}

fn positions(positions: &[u64]) -> String {
    positions.iter().map(|position| format!("#{position}")).collect::<Vec<_>>().join(" ")
}

fn periods(out: &mut String, history: &History) -> std::fmt::Result {
    if !history.timeline.is_empty() {
        let mut table = new_table(&["Held from", "until", "by", "says"], &[21, 21, 44, 14]);
        for period in &history.timeline {
            table.add_row(vec![
                date_time(period.from),
                until(period.until),
                who(period.holder.as_ref()),
                positions(&period.positions),
            ]);
        }
        writeln!(out, "\nWho held the case\n{table}")?;
        caveat(out, history.timeline.iter().find_map(|period| period.caveat))?;
    }
    if !history.handover.is_empty() {
        let mut table = new_table(&["In force from", "until", "dates", "says"], &[21, 21, 44, 14]);
        for period in &history.handover {
            table.add_row(vec![
                date_time(period.from),
                until(period.until),
                handover(period),
                positions(&[period.position]),
            ]);
        }
        writeln!(out, "\nHandover dates\n{table}")?;
    }
    Ok(())
}

/// The times of an entry, one a line; the date is repeated only where it changes.
fn times(entry: &Entry) -> String {
    let mut day = String::new();
    let mut lines = vec![];
    let stages = [
        ("happened", entry.occurred_at),
        ("received", entry.received_at),
        ("recorded", Some(entry.recorded_at)),
        (entry.settled_word(), entry.applied_at),
    ];
    for (label, at) in stages {
        let Some(at) = at else { continue };
        let full = date_time(at);
        let text = if date_of(at) == day { format!("{:>19}", &full[11..]) } else { full };
        day = date_of(at);
        lines.push(format!("{label:<8} {text}"));
    }
    lines.join("\n")
}

fn what(entry: &Entry) -> String {
    let mut lines = vec![entry.description.clone()];
    if let Some(by) = &entry.by {
        lines.push(format!("by {by}: {}", entry.why.as_deref().unwrap_or("")));
    } else if let Some(why) = &entry.why {
        lines.push(why.clone());
    }
    if let Some(noms) = &entry.noms_id {
        lines.push(format!("under {noms}"));
    }
    // The hashes do not fit in whole; `--explain` gives them with the bytes.
    let evidence = &entry.evidence;
    let short = |sha256: &String| format!("message {}…", &sha256.chars().take(12).collect::<String>());
    let journal = evidence.journal.as_ref().map(|place| format!("journal {}", place.position));
    let rests: Vec<String> = evidence.message_sha256.as_ref().map(short).into_iter().chain(journal).collect();
    if !rests.is_empty() {
        lines.push(rests.join(", "));
    }
    let marks = entry.marks.in_words();
    if !marks.is_empty() {
        lines.push(format!("! {}", marks.join("; ")));
    }
    lines.join("\n")
}

fn delius(entry: &Entry) -> String {
    if entry.writes.is_empty() {
        return words::nothing_to_write(entry);
    }
    entry.writes.iter().map(|write| words::result(write, entry.kind)).collect::<Vec<_>>().join("\n")
}

fn entries(out: &mut String, history: &History) -> std::fmt::Result {
    let counts = &history.counts;
    let remarkable = [
        (counts.late, "late"),
        (counts.out_of_order, "out of order"),
        (counts.duplicates, "delivered again"),
        (counts.superseded, "superseded"),
        (counts.unreflected, "not reflected in Delius"),
        (counts.refused_writes, "write(s) refused"),
        (counts.unfinished_writes, "write(s) unfinished"),
    ];
    let mut summary = vec![format!("{} entries", counts.entries)];
    summary.extend(
        remarkable.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")),
    );
    let (first, rest) = summary.split_at(summary.len().min(4));
    writeln!(out, "\nWhat we recorded: {}", first.join(", "))?;
    if !rest.is_empty() {
        writeln!(out, "                  {}", rest.join(", "))?;
    }
    if history.entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", entry_table(&history.entries))?;
    if let Some(next) = history.page.next {
        writeln!(out, "more: ask again with --after {next}")?;
    }
    Ok(())
}

fn entry_table(entries: &[Entry]) -> Table {
    let mut table = new_table(&["#", "when", "what", "in Delius"], &[6, 30, 36, 28]);
    for entry in entries {
        table.add_row(vec![entry.position.to_string(), times(entry), what(entry), delius(entry)]);
    }
    table
}

fn parked(out: &mut String, history: &History) -> std::fmt::Result {
    if history.parked.is_empty() {
        return Ok(());
    }
    let mut table = new_table(&["parked", "received", "why", "decided since"], &[8, 21, 47, 24]);
    for item in &history.parked {
        let decisions: Vec<String> = item
            .decisions
            .iter()
            .map(|decided| {
                format!("{} {} by {}: {}", date_time(decided.at), decided.decision, decided.by, decided.why)
            })
            .collect();
        table.add_row(vec![
            item.id.to_string(),
            date_time(item.received_at),
            format!("{}: {}", item.reason, item.detail),
            decisions.join("\n"),
        ]);
    }
    writeln!(out, "\nMessages about this case that could not become facts\n{table}")
}

fn waiting(out: &mut String, history: &History) -> std::fmt::Result {
    if history.waiting.is_empty() {
        return Ok(());
    }
    let mut table = new_table(&["waiting", "received", "last answer", "tried again"], &[8, 21, 47, 24]);
    for item in &history.waiting {
        let next = format!("{} after {} attempts", date_time(item.next_attempt_at), item.attempts);
        let (id, answer) = (item.id.to_string(), item.last_answer.clone());
        table.add_row(vec![id, date_time(item.received_at), answer, next]);
    }
    writeln!(out, "\nMessages about this case that could not be accepted yet\n{table}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::audit::history::{Question, build, samples::eventful};

    #[test]
    fn no_line_is_wider_than_a_hundred_columns() {
        let text = render(&build(&eventful().0, &Question::default()));
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn the_table_tells_times_in_london_marks_and_outcomes() {
        let text = render(&build(&eventful().0, &Question::default()));
        for expected in [
            "held on 31/12/2026 12:00:00   nobody, since 01/08/2026 13:00:00",
            "happened 01/07/2026 10:00:00",
            "! late by 6 days 23 h; out of",
            "NoActiveCustodialSentence:",
            "refused             11:00:03",
            "PomAllocated: the new POM",
        ] {
            assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
        }
    }
}
