//! The reference model: what Delius must contain in the end, computed from what happened.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::stream::{Holding, STAFF};

/// Who held the case: start, end, team and surname, as [`in_delius`] prints it.
pub(crate) fn holdings(happened: &BTreeMap<DateTime<Utc>, Holding>) -> Vec<String> {
    let mut rows: Vec<(DateTime<Utc>, Option<DateTime<Utc>>, String)> = vec![];
    let mut current: Option<(Holding, &'static str)> = None;
    for (at, holding) in happened {
        // A deallocation without a POM changes nothing, and neither does the same POM again.
        let nothing_to_do = match (&current, holding) {
            (None | Some((None, _)), None) => true,
            (Some((before, _)), now) => before == now,
            (None, Some(_)) => false,
        };
        if nothing_to_do {
            continue;
        }
        // A case that nobody holds belongs to the placeholder of its last prison.
        let prison =
            holding.map_or_else(|| current.map_or("LEI", |(_, prison)| prison), |(_, prison)| prison);
        if let Some(last) = rows.last_mut() {
            last.1 = Some(*at);
        }
        rows.push((*at, None, described(*holding, prison)));
        current = Some((*holding, prison));
    }
    let london = |at: DateTime<Utc>| {
        at.with_timezone(&chrono_tz::Europe::London).format("%Y-%m-%d %H:%M:%S").to_string()
    };
    rows.into_iter()
        .map(|(start, end, who)| {
            format!("{} - {} {who}", london(start), end.map_or_else(|| "open".to_owned(), london))
        })
        .collect()
}

fn described(holding: Holding, prison: &str) -> String {
    let provider = if prison == "LEI" { "N03" } else { "N04" };
    match holding {
        None => format!("{provider}ALL Staff"),
        Some((code, _)) => {
            let (.., surname) = STAFF.into_iter().find(|(known, ..)| *known == code).unwrap();
            format!("{provider}POM {}", surname.to_uppercase())
        }
    }
}

/// The live rows of a case in Delius, in the form of [`holdings`].
pub(crate) const IN_DELIUS: &str = "
    select to_char(p.allocation_date, 'YYYY-MM-DD HH24:MI:SS') || ' - '
           || coalesce(to_char(p.end_date, 'YYYY-MM-DD HH24:MI:SS'), 'open') || ' ' || t.code || ' '
           || case when t.code like '%ALL' then s.surname else upper(s.surname) end
    from prison_offender_manager p
    join offender o using (offender_id)
    join team t on t.team_id = p.allocation_team_id
    join staff s on s.staff_id = p.allocation_staff_id
    where o.noms_number = $1 and p.soft_deleted = 0
    order by p.allocation_date, p.prison_offender_manager_id";
