//! The tables of the page.

use std::fmt::Write as _;

use crate::{
    audit::{
        history::{DatesPeriod, Entry, Kind, Write},
        render::{
            html::{History, caveat, escape, time, who},
            words,
        },
    },
    case::WriteState,
};

pub(crate) fn dates(dates: &DatesPeriod) -> String {
    words::dates(dates.handover_start_date, dates.handover_date)
}

fn link(position: u64) -> String {
    format!("<a href=\"#entry-{position}\">#{position}</a>")
}

fn until(until: Option<chrono::DateTime<chrono::Utc>>) -> String {
    until.map_or_else(|| "to this day".to_owned(), time)
}

pub(crate) fn periods(page: &mut String, history: &History) -> std::fmt::Result {
    if history.timeline.is_empty() {
        return Ok(());
    }
    page.push_str(
        "<section aria-labelledby=\"periods\">\n<h2 id=\"periods\">Periods of holding</h2>\n<table>\n\
         <thead><tr><th scope=\"col\">Held by</th><th scope=\"col\">From</th><th scope=\"col\">Until</th>\
         <th scope=\"col\">Entries that say so</th></tr></thead>\n<tbody>\n",
    );
    for period in &history.timeline {
        let entries: Vec<String> = period.positions.iter().copied().map(link).collect();
        writeln!(
            page,
            "<tr><th scope=\"row\">{}{}</th><td data-label=\"From\">{}</td><td data-label=\"Until\">{}</td>\
             <td data-label=\"Entries that say so\">{}</td></tr>",
            who(period.holder.as_ref()),
            caveat(period.caveat),
            time(period.from),
            until(period.until),
            entries.join(" ")
        )?;
    }
    page.write_str("</tbody>\n</table>\n</section>\n")
}

pub(crate) fn handover(page: &mut String, history: &History) -> std::fmt::Result {
    if history.handover.is_empty() {
        return Ok(());
    }
    page.push_str(
        "<section aria-labelledby=\"handover\">\n<h2 id=\"handover\">Handover dates</h2>\n<table>\n\
         <thead><tr><th scope=\"col\">Dates</th><th scope=\"col\">In force from</th><th scope=\"col\">Until</th>\
         <th scope=\"col\">Entry that says so</th></tr></thead>\n<tbody>\n",
    );
    for period in &history.handover {
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td data-label=\"In force from\">{}</td><td data-label=\"Until\">{}</td>\
             <td data-label=\"Entry that says so\">{}</td></tr>",
            dates(period),
            time(period.from),
            until(period.until),
            link(period.position)
        )?;
    }
    page.write_str("</tbody>\n</table>\n</section>\n")
}

pub(crate) fn entries(page: &mut String, history: &History) -> std::fmt::Result {
    let counts = &history.counts;
    writeln!(
        page,
        "<section aria-labelledby=\"entries\">\n<h2 id=\"entries\">What we recorded</h2>\n\
         <p>Entries: {}, of them late {}, out of order {}, superseded {}, not reflected in Delius {}. Deliveries that \
         changed nothing: {}. Writes refused: {}, unfinished: {}.</p>",
        counts.entries,
        counts.late,
        counts.out_of_order,
        counts.superseded,
        counts.unreflected,
        counts.duplicates,
        counts.refused_writes,
        counts.unfinished_writes
    )?;
    page.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Entry</th><th scope=\"col\">What</th><th scope=\"col\">When</th>\
         <th scope=\"col\">In Delius</th></tr></thead>\n<tbody>\n",
    );
    for entry in &history.entries {
        one_entry(page, entry)?;
    }
    page.push_str("</tbody>\n</table>\n");
    if let Some(next) = history.page.next {
        writeln!(page, "<p>More entries follow after position {next}.</p>")?;
    }
    page.write_str("</section>\n")
}

fn one_entry(page: &mut String, entry: &Entry) -> std::fmt::Result {
    let position = entry.position;
    write!(
        page,
        "<tr id=\"entry-{position}\"><th scope=\"row\">#{position}</th><td data-label=\"What\">{}",
        escape(&entry.description)
    )?;
    if let Some(by) = &entry.by {
        write!(page, "<br>By {}: {}", escape(by), escape(entry.why.as_deref().unwrap_or_default()))?;
    } else if let Some(why) = &entry.why {
        write!(page, "<br>{}", escape(why))?;
    }
    write!(page, "<div class=\"event\">{}", entry.event)?;
    if let Some(message_id) = &entry.message_id {
        write!(page, ", message {}", escape(message_id))?;
    }
    page.push_str("</div>");
    if let Some(noms) = &entry.noms_id {
        write!(page, "<div class=\"number\">Came under {noms}</div>")?;
    }
    let marks = entry.marks.in_words();
    if !marks.is_empty() {
        page.push_str("<ul class=\"marks\" aria-label=\"Marks\">");
        for mark in marks {
            write!(page, "<li>{}</li>", escape(&mark))?;
        }
        page.push_str("</ul>");
    }
    evidence(page, entry)?;
    page.push_str("</td><td data-label=\"When\"><dl class=\"times\">");
    let stages = [
        ("happened", entry.occurred_at),
        ("received", entry.received_at),
        ("recorded", Some(entry.recorded_at)),
        (entry.settled_word(), entry.applied_at),
    ];
    for (label, at) in stages {
        if let Some(at) = at {
            write!(page, "<dt>{label}</dt><dd>{}</dd>", time(at))?;
        }
    }
    page.push_str("</dl></td><td data-label=\"In Delius\">");
    if entry.writes.is_empty() {
        write!(page, "<span class=\"quiet\">{}</span>", escape(&words::nothing_to_write(entry)))?;
    } else {
        page.push_str("<ul>");
        for write in &entry.writes {
            one_write(page, write, entry.kind)?;
        }
        page.push_str("</ul>");
    }
    page.write_str("</td></tr>\n")
}

/// What the entry rests on. The address is written without its scheme: the page names nothing that could be fetched.
fn evidence(page: &mut String, entry: &Entry) -> std::fmt::Result {
    let mut line = |text: String| write!(page, "<div class=\"event evidence\">{}</div>", escape(&text));
    let evidence = &entry.evidence;
    if let Some(sha256) = &evidence.message_sha256 {
        line(format!("message SHA-256 {sha256}"))?;
    }
    for fetched in &evidence.fetched {
        let address = fetched.url.split_once("://").map_or(fetched.url.as_str(), |(_, rest)| rest);
        line(format!("fetched {address}: status {}, SHA-256 {}", fetched.status, fetched.sha256))?;
    }
    match &evidence.journal {
        Some(place) => line(format!("journal position {}, hash {}", place.position, place.hash)),
        None => Ok(()),
    }
}

fn one_write(page: &mut String, write: &Write, kind: Kind) -> std::fmt::Result {
    let class = if write.state == WriteState::Refused { " class=\"refused\"" } else { "" };
    let text = words::result(write, kind);
    write!(page, "<li{class} title=\"{}\">{}", escape(&write.description), escape(&text))?;
    for row in &write.changes {
        write!(
            page,
            "<div class=\"event\">{} {} (version {})</div>",
            escape(&row.table),
            escape(&row.row_id),
            row.row_version
        )?;
    }
    page.write_str("</li>")
}

pub(crate) fn parked(page: &mut String, history: &History) -> std::fmt::Result {
    if history.parked.is_empty() {
        return Ok(());
    }
    page.push_str(
        "<section aria-labelledby=\"parked\">\n<h2 id=\"parked\">Messages that could not become facts</h2>\n<table>\n\
         <thead><tr><th scope=\"col\">Parked</th><th scope=\"col\">Received</th><th scope=\"col\">Why</th>\
         <th scope=\"col\">Decided since</th></tr></thead>\n<tbody>\n",
    );
    for item in &history.parked {
        let decisions: Vec<String> = item
            .decisions
            .iter()
            .map(|decided| {
                format!(
                    "{} by {} on {}: {}",
                    escape(&decided.decision),
                    escape(&decided.by),
                    time(decided.at),
                    escape(&decided.why)
                )
            })
            .collect();
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td data-label=\"Received\">{}</td><td data-label=\"Why\">{}: {}</td>\
             <td data-label=\"Decided since\">{}</td></tr>",
            item.id,
            time(item.received_at),
            escape(&item.reason),
            escape(&item.detail),
            decisions.join("<br>")
        )?;
    }
    page.write_str("</tbody>\n</table>\n</section>\n")
}

pub(crate) fn waiting(page: &mut String, history: &History) -> std::fmt::Result {
    if history.waiting.is_empty() {
        return Ok(());
    }
    page.push_str(
        "<section aria-labelledby=\"waiting\">\n<h2 id=\"waiting\">Messages that could not be accepted yet</h2>\n<table>\n\
         <thead><tr><th scope=\"col\">Waiting</th><th scope=\"col\">Received</th><th scope=\"col\">Last answer</th>\
         <th scope=\"col\">Tried again</th></tr></thead>\n<tbody>\n",
    );
    for item in &history.waiting {
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td data-label=\"Received\">{}</td><td data-label=\"Last answer\">{}</td>\
             <td data-label=\"Tried again\">{} after {} attempts</td></tr>",
            item.id,
            time(item.received_at),
            escape(&item.last_answer),
            time(item.next_attempt_at),
            item.attempts
        )?;
    }
    page.write_str("</tbody>\n</table>\n</section>\n")
}
