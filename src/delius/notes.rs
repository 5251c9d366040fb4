//! The notes of the contacts that a change of prison offender manager leaves in a person's log.

use super::plan::rows::PomRow;
use crate::london::{wall_date, wall_date_time};

/// Notes of a transfer to `new`; the last three lines only when somebody held the case before.
pub(crate) fn transfer(reason: &str, new_start: chrono::NaiveDateTime, previous: Option<&PomRow>) -> String {
    let mut notes = format!("Transfer Reason: {reason}\nTransfer Date: {}", wall_date(new_start));
    if let Some(PomRow { holder, .. }) = previous {
        notes += &format!(
            "\nFrom Establishment Provider: {}\nFrom Team: {}\nFrom Officer: {}, {}",
            holder.provider.description,
            holder.team.description,
            holder.officer.surname,
            holder.officer.forename,
        );
    }
    notes
}

/// Notes of a change of responsible officer.
pub(crate) fn responsible_officer_change(new: &PomRow, previous: &PomRow) -> String {
    format!("New Details:\n{}\n\nPrevious Details:\n{}", details(new), details(previous))
}

fn details(pom: &PomRow) -> String {
    let holder = &pom.holder;
    let mut lines = vec![
        "Responsible Officer Type: Prison Offender Manager".to_owned(),
        format!(
            "Responsible Officer: {}, {} ({}, {})",
            holder.officer.surname,
            holder.officer.forename,
            holder.team.description,
            holder.provider.description,
        ),
        format!("Start Date: {}", wall_date_time(pom.start)),
    ];
    lines.extend(pom.end.map(|end| format!("End Date: {}", wall_date_time(end))));
    lines.push(format!("Allocation Reason: {}", pom.reason.description));
    lines.join("\n")
}
