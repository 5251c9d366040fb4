//! The forms in which a history is handed over.

mod csv;
pub mod duration;
mod html;
mod table;
pub mod words;

use clap::ValueEnum;

use crate::audit::history::{History, HistoryDifference};

/// A form in which a history is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for a terminal of 100 columns, in London time.
    Table,
    /// JSON, times in UTC.
    Json,
    /// CSV for spreadsheets, times in UTC.
    Csv,
    /// One self-contained page to read, print and keep.
    Html,
}

impl Format {
    /// The name, as the access log keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Html => "html",
        }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Table => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// The form that an `Accept` header asks for: the best of JSON, CSV and HTML by its weights, JSON where it
    /// leaves the choice; `None` when it accepts none of them.
    ///
    /// ```
    /// use manage_pom_cases_and_delius::audit::render::Format;
    /// assert_eq!(Format::accepted(None), Some(Format::Json));
    /// assert_eq!(Format::accepted(Some("text/html,application/xhtml+xml,*/*;q=0.8")), Some(Format::Html));
    /// assert_eq!(Format::accepted(Some("image/png")), None);
    /// ```
    pub fn accepted(accept: Option<&str>) -> Option<Self> {
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
            return Some(Self::Json);
        };
        let offers =
            [(Self::Json, "application", "json"), (Self::Csv, "text", "csv"), (Self::Html, "text", "html")];
        let weight_of = |kind: &str, subtype: &str| {
            // The most specific range that matches decides.
            accept
                .split(',')
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let media = parts.next()?.to_ascii_lowercase();
                    let weight = parts
                        .find_map(|parameter| parameter.strip_prefix("q=")?.parse::<f32>().ok())
                        .unwrap_or(1.0);
                    let specific = match media.split_once('/')? {
                        (given_kind, given) if given_kind == kind && given == subtype => 2,
                        (given_kind, "*") if given_kind == kind => 1,
                        ("*", "*") => 0,
                        _ => return None,
                    };
                    Some((specific, weight))
                })
                .max_by_key(|(specific, _)| *specific)
                .map_or(0.0, |(_, weight)| weight)
        };
        let mut best: Option<(Self, f32)> = None;
        for (format, kind, subtype) in offers {
            let weight = weight_of(kind, subtype);
            if weight > best.map_or(0.0, |(_, best)| best) {
                best = Some((format, weight));
            }
        }
        best.map(|(format, _)| format)
    }
}

/// Renders the history in the format.
///
/// # Errors
/// Never in practice: everything is written to memory.
pub fn render(history: &History, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Table => table::render(history),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(history)?),
        Format::Csv => csv::render(history)?,
        Format::Html => html::render(history),
    })
}

/// Renders what differs between two times as JSON or for a terminal; `None` for the other forms, which it does not have.
///
/// # Errors
/// Never in practice: everything is written to memory.
pub fn render_difference(difference: &HistoryDifference, format: Format) -> anyhow::Result<Option<String>> {
    Ok(match format {
        Format::Table => Some(table::render_difference(difference)),
        Format::Json => Some(format!("{}\n", serde_json::to_string_pretty(difference)?)),
        Format::Csv | Format::Html => None,
    })
}

/// Renders the history as a page that carries the text of an evidence file and checks itself in the browser.
pub fn render_with_evidence(history: &History, evidence: &str) -> String {
    html::render_with_evidence(history, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_acceptable_form_is_chosen() {
        for (accept, format) in [
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("text/*", Some(Format::Csv)),
            ("text/html;q=0.5, text/csv;q=0.9", Some(Format::Csv)),
            ("application/json;q=0, */*", Some(Format::Csv)),
            ("Text/HTML", Some(Format::Html)),
            ("application/pdf", None),
            ("nonsense", None),
        ] {
            assert_eq!(Format::accepted(Some(accept)), format, "{accept}");
        }
    }
}
