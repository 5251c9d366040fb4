//! The history as one page that needs nothing else: no script, no font, no picture from elsewhere. It can be mailed,
//! kept and printed; times are London time, with UTC when pointed at.

mod evidence;
mod picture;
mod tables;

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
pub(crate) use evidence::render as render_with_evidence;

use crate::{
    audit::history::{Held, History},
    case::Holder,
    london,
};

/// Renders the page.
pub(crate) fn render(history: &History) -> String {
    let mut page = String::with_capacity(32 * 1024);
    // Writing to a String cannot fail.
    let _ = write_page(&mut page, history);
    page
}

fn write_page(page: &mut String, history: &History) -> std::fmt::Result {
    let noms = escape(&history.noms_id);
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <title>History of case {noms}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>History of case {noms}</h1>\n",
        include_str!("page.css")
    )?;
    question(page, history)?;
    page.push_str("</header>\n");
    answer(page, history)?;
    picture::timeline(page, history)?;
    picture::knowledge(page, history)?;
    tables::periods(page, history)?;
    tables::handover(page, history)?;
    tables::entries(page, history)?;
    tables::parked(page, history)?;
    tables::waiting(page, history)?;
    write!(
        page,
        "<footer><p>All times are London time; point at one for UTC. \
         Made {} by {} {}.</p></footer>\n</main>\n</body>\n</html>\n",
        time(history.asked_at),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION")
    )
}

fn question(page: &mut String, history: &History) -> std::fmt::Result {
    let as_of = match history.as_of {
        Some(at) => format!("as it was in the world at {}", time(at)),
        None => "of all times".to_owned(),
    };
    let known = match history.known_at {
        Some(at) => format!("as we knew it at {}", time(at)),
        None => format!("as we know it now, {}", time(history.asked_at)),
    };
    writeln!(page, "<p class=\"question\">The story {as_of}, {known}.</p>")?;
    for erasure in &history.erasures {
        writeln!(page, "<p class=\"warning\" role=\"note\">Case {}.</p>", escape(&erasure.described()))?;
    }
    if history.provisional {
        writeln!(
            page,
            "<p class=\"warning\" role=\"note\"><strong>Provisional.</strong> Something of that time may still be \
             recorded; ask again for the final answer.</p>"
        )?;
    }
    Ok(())
}

fn answer(page: &mut String, history: &History) -> std::fmt::Result {
    let answer = &history.answer;
    let held = match (answer.held, &answer.holder, answer.since) {
        (Held::Somebody, Some(holder), Some(since)) => {
            format!("<strong>{}</strong>, since {}", who(Some(holder)), time(since))
        }
        (Held::Nobody, _, Some(since)) => format!("<strong>Nobody</strong>, since {}", time(since)),
        _ => "<strong>Nothing is known</strong> of that time".to_owned(),
    };
    let dates = match &answer.handover {
        None => "none known".to_owned(),
        Some(dates) => tables::dates(dates),
    };
    writeln!(
        page,
        "<section aria-labelledby=\"answer\">\n<h2 id=\"answer\">At {}</h2>\n<dl class=\"answer\">\
         <div><dt>Held by</dt><dd>{held}{}</dd></div><div><dt>Handover</dt><dd>{dates}</dd></div></dl>\n</section>",
        time(answer.at),
        caveat(answer.caveat)
    )
}

/// Text as it may stand in markup and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn time(at: DateTime<Utc>) -> String {
    format!(
        "<time datetime=\"{}\" title=\"{} UTC\">{}</time>",
        at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        at.format("%Y-%m-%d %H:%M:%S%.3f"),
        london::date_time_zone(at)
    )
}

fn caveat(caveat: Option<&str>) -> String {
    let said = |caveat| format!("<div class=\"caveat\">{}</div>", escape(caveat));
    caveat.map(said).unwrap_or_default()
}

/// A holder as escaped text.
fn who(holder: Option<&Holder>) -> String {
    escape(&match holder {
        None => "nobody".to_owned(),
        Some(holder) => holder.described(),
    })
}

#[cfg(test)]
mod tests;
