//! What the listings share: filters, a table that fits the terminal, and JSON.

use std::io::{IsTerminal, Write};

use chrono::{DateTime, Duration, Utc};
use clap::Args;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use sqlx::PgPool;

use crate::{app::Failure, case::PersonId, event_store::identities, outbox::view};

/// Without a terminal, tables are as wide as this.
const WIDTH: u16 = 120;

/// The filters of a listing.
#[derive(Debug, Clone, Args)]
pub(super) struct Filters {
    /// Only of this person: a NOMS number or CRN; what came under the person's other numbers is listed too
    #[arg(long, value_name = "ID")]
    case: Option<PersonId>,
    /// Only where the reason, the error or the outcome contains this text
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Not older than this: a time (2026-07-01T09:00:00Z) or a span (90m, 12h, 7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<DateTime<Utc>>,
    /// At most so many
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// One JSON array, for programs
    #[arg(long)]
    pub(super) json: bool,
}

impl Filters {
    /// What the database is asked for.
    pub(super) async fn select(&self, store: &PgPool, state: Option<&str>) -> sqlx::Result<view::Select> {
        let case = match &self.case {
            None => None,
            Some(id) => {
                let person = identities::person(store, id, None, None).await?;
                let numbers = person.map(|person| person.numbers()).unwrap_or_default();
                Some(numbers.iter().map(ToString::to_string).collect())
            }
        };
        Ok(view::Select {
            case,
            reason: self.reason.clone(),
            state: state.map(str::to_owned),
            since: self.since,
            limit: self.limit,
        })
    }

    /// Prints what was found: as JSON, or as a table with these headings and a last line that counts.
    pub(super) fn print<T: Serialize>(
        &self,
        found: &[T],
        (what, headings): (&str, &[&str]),
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, found)?;
            writeln!(out)?;
            return Ok(());
        }
        if !found.is_empty() {
            let mut table = Table::new();
            table
                .load_preset(presets::UTF8_HORIZONTAL_ONLY)
                .set_content_arrangement(ContentArrangement::Dynamic);
            if !std::io::stdout().is_terminal() {
                table.set_width(WIDTH);
            }
            table.set_header(headings);
            table.add_rows(found.iter().map(row));
            // Whoever copies an id needs it in one line.
            for (index, _) in headings.iter().enumerate().filter(|(_, heading)| **heading == "id") {
                if let Some(column) = table.column_mut(index) {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
            }
            writeln!(out, "{table}")?;
        }
        let more = if found.len() == self.limit as usize { " (there may be more: --limit)" } else { "" };
        writeln!(out, "{} {what}{more}", found.len())?;
        Ok(())
    }
}

/// A time in UTC to the second, for tables.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn since(text: &str) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    let wrong = || "expected a time (2026-07-01T09:00:00Z) or a span (90m, 12h, 7d)".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let span = match unit {
        'm' => Duration::try_minutes(number),
        'h' => Duration::try_hours(number),
        'd' => Duration::try_days(number),
        _ => None,
    };
    let span = span.filter(|span| *span >= Duration::zero()).ok_or_else(wrong)?;
    Utc::now().checked_sub_signed(span).ok_or_else(wrong)
}

/// Asks before a command that changes many cases and says so itself (`--all`): scripts and scheduled jobs have no
/// terminal and are not asked.
pub(super) fn confirmed_on_terminal(question: &str, yes: bool) -> Result<bool, Failure> {
    if std::io::stdin().is_terminal() { confirmed(question, yes) } else { Ok(true) }
}

/// Asks before something that changes many cases. Without a terminal nobody can answer, so `--yes` has to say it.
pub(super) fn confirmed(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Setting(format!("{question}: nobody can be asked here; say --yes")));
    }
    eprint!("{question}? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn since_takes_a_time_or_a_span() {
        assert_eq!(since("2026-07-01T10:00:00+01:00").unwrap().to_rfc3339(), "2026-07-01T09:00:00+00:00");
        let days = (Utc::now() - since("7d").unwrap()).num_days();
        assert!((6..=7).contains(&days));
        for wrong in ["", "soon", "7", "d", "-1h", "7w", "99999999999999d", "1é"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
