//! Which member of staff a name means, and what to write when there is none yet.

use chrono::NaiveDateTime;

use super::{
    change::{Change, WrittenRow},
    rows::{Officer, Provider, RowRef, StaffRow, StaffTeamRow, TeamRow},
};
use crate::delius::{officer_code, staff_name::StaffName};

/// A member of staff of the provider, active at the time, whose name is the one looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: i64,
    pub(crate) forename: String,
    pub(crate) surname: String,
    pub(crate) in_team: bool,
}

/// A member of staff with the rows that make them one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Appointment {
    pub(crate) officer: Officer,
    pub(crate) changes: Vec<Change>,
}

fn member(officer: RowRef, team: &TeamRow) -> Change {
    Change::Insert(WrittenRow::StaffTeam(StaffTeamRow { officer, team_id: team.id }))
}

/// The one with the lowest id; joins the team if not yet in it.
pub(crate) fn found(candidates: Vec<Candidate>, team: &TeamRow) -> Option<Appointment> {
    let candidate = candidates.into_iter().min_by_key(|candidate| candidate.id)?;
    let id = RowRef::Existing(candidate.id);
    Some(Appointment {
        officer: Officer { id, forename: candidate.forename, surname: candidate.surname },
        changes: if candidate.in_team { vec![] } else { vec![member(id, team)] },
    })
}

/// A new member of staff with the next free code, in the team; `None` when the provider's codes are used up.
pub(crate) fn created(
    name: StaffName,
    provider: &Provider,
    team: &TeamRow,
    taken: &[String],
    at: NaiveDateTime,
) -> Option<Appointment> {
    let prefix: String = provider.code.chars().take(3).collect();
    let officer_code = officer_code::next(&prefix, taken.iter().map(String::as_str))?;
    let StaffName { forename, surname, .. } = name;
    let staff = StaffRow {
        officer_code,
        forename: forename.clone(),
        surname: surname.clone(),
        provider_id: provider.id,
        start: at,
    };
    Some(Appointment {
        officer: Officer { id: RowRef::New, forename, surname },
        changes: vec![Change::Insert(WrittenRow::Staff(staff)), member(RowRef::New, team)],
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(day: u32) -> NaiveDateTime {
        chrono::NaiveDate::from_ymd_opt(2026, 7, day).unwrap().and_hms_opt(9, 0, 0).unwrap()
    }

    fn candidate(id: i64, in_team: bool) -> Candidate {
        Candidate { id, forename: "Ada".into(), surname: "Byron".into(), in_team }
    }

    fn team() -> TeamRow {
        TeamRow { id: 7, code: "N03POM".into(), description: "POMs".into() }
    }

    #[test]
    fn the_lowest_id_is_meant() {
        for (candidates, expected) in [
            (vec![], None),
            (vec![candidate(5, true), candidate(3, true)], Some(3)),
            (vec![candidate(5, true)], Some(5)),
        ] {
            let id = found(candidates.clone(), &team()).map(|appointed| appointed.officer.id);
            assert_eq!(id, expected.map(RowRef::Existing), "{candidates:?}");
        }
    }

    #[test]
    fn found_staff_outside_the_team_are_added_to_it() {
        let added = found(vec![candidate(3, false)], &team()).unwrap();
        let membership = StaffTeamRow { officer: RowRef::Existing(3), team_id: 7 };
        assert_eq!(added.changes, [Change::Insert(WrittenRow::StaffTeam(membership))]);
        assert_eq!(found(vec![candidate(3, true)], &team()).unwrap().changes, []);
    }

    #[test]
    fn new_staff_get_the_next_code_of_the_provider_and_join_the_team() {
        let provider = Provider { id: 4, code: "N03".into(), description: "Leeds".into(), prison: None };
        let name = || StaffName::new("ADA", "O'NEILL");
        let created = |taken: &[String]| created(name(), &provider, &team(), taken, at(2));
        let appointed = created(&["N03A004".to_owned()]).unwrap();
        let Change::Insert(WrittenRow::Staff(staff)) = &appointed.changes[0] else { unreachable!() };
        assert_eq!(staff.officer_code, "N03A005");
        assert_eq!((staff.forename.as_str(), staff.surname.as_str()), ("Ada", "O'Neill"));
        assert_eq!((staff.provider_id, staff.start), (4, at(2)));
        let membership = StaffTeamRow { officer: RowRef::New, team_id: 7 };
        assert_eq!(appointed.changes[1..], [Change::Insert(WrittenRow::StaffTeam(membership))]);
        assert_eq!(created(&["N03Z999".to_owned()]), None);
    }
}
