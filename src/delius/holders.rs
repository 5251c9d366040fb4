//! Finds in Delius whom an allocation means, and plans a new member of staff if there is none.

use chrono::NaiveDateTime;

use super::{
    engine::{Session, Statement},
    error::{DeliusError, During},
    load::{self, placeholder_code, read},
    plan::{
        change::Change,
        rows::{DeliusHolder, Officer, Provider, RowRef, TeamRow},
        staff::{self, Appointment, Candidate},
    },
    sql,
    staff_name::StaffName,
};
use crate::case::{OutcomeName, Pom, PrisonCode};

/// A holder, with the rows to write before the case can be theirs; or why there can be none.
pub(super) type HolderLookup = Result<(DeliusHolder, Vec<Change>), OutcomeName>;

/// Members of staff of the prison of a write, as far as it is known which NOMIS staff code each stands for. Delius has no
/// column for the code; without it two people of one name, or a person whose name changes, cannot be told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaffRows {
    /// `staff_id` that the POM's own staff code was written to before.
    pub of_pom: Option<i64>,
    /// Those that other staff codes were written to: not this POM, whatever the name.
    pub of_others: Vec<OtherStaff>,
}

/// A member of staff whom another staff code stands for, by the name that Manage POM Cases gives to that code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherStaff {
    /// `staff_id` that the code was written to.
    pub staff_id: i64,
    pub forename: String,
    pub surname: String,
}

/// The POM whom a message names, in the POM team of the prison's provider.
pub(super) async fn of_pom(
    session: &mut dyn Session,
    pom: &Pom,
    staff: &StaffRows,
    at: NaiveDateTime,
) -> Result<HolderLookup, DeliusError> {
    let Some(provider) = provider(session, &pom.prison, at).await? else {
        return Ok(Err(OutcomeName::UnknownPrison));
    };
    let Some(team) = team(session, &format!("{}POM", provider.code), &provider, at).await? else {
        return Ok(Err(OutcomeName::UnknownTeam));
    };
    let wanted = WantedOfficer { name: StaffName::new(&pom.forename, &pom.surname), rows: staff };
    Ok(match officer(session, wanted, &provider, &team, at).await? {
        Some(Appointment { officer, changes }) => {
            Ok((DeliusHolder { provider, team, officer, placeholder: false }, changes))
        }
        None => Err(OutcomeName::StaffCodesExhausted),
    })
}

/// The unallocated placeholder of a provider; a provider without one cannot have a case deallocated.
pub(super) async fn placeholder(
    session: &mut dyn Session,
    provider: &Provider,
    at: NaiveDateTime,
) -> Result<HolderLookup, DeliusError> {
    let Some(team) = team(session, &format!("{}ALL", provider.code), provider, at).await? else {
        return Ok(Err(OutcomeName::UnknownTeam));
    };
    let statement = Statement::new(sql::PLACEHOLDERS)
        .bind("code", placeholder_code(&provider.code))
        .bind("provider_id", provider.id)
        .bind("at", at);
    let officers = session.query(&statement).await;
    let officers = read(officers, |row| {
        let id = RowRef::Existing(row.int("staff_id")?);
        Ok(Officer { id, forename: row.text("forename")?, surname: row.text("surname")? })
    })
    .during("while looking up the unallocated placeholder")?;
    Ok(match officers.into_iter().next() {
        Some(officer) => {
            Ok((DeliusHolder { provider: provider.clone(), team, officer, placeholder: true }, vec![]))
        }
        None => Err(OutcomeName::UnknownTeam),
    })
}

/// The provider of a prison at a time: the lowest id among those that have not ended by then.
async fn provider(
    session: &mut dyn Session,
    prison: &PrisonCode,
    at: NaiveDateTime,
) -> Result<Option<Provider>, DeliusError> {
    let statement =
        Statement::new(sql::PROVIDERS_OF_PRISON).bind("pattern", format!("%{prison}%")).bind("at", at);
    let found = session.query(&statement).await;
    let found = read(found, |row| {
        let same = load::prison(row)?.is_some_and(|held| held == prison.as_str());
        let provider = Provider {
            id: row.int("probation_area_id")?,
            code: row.text("code")?.trim_end().to_owned(),
            description: row.text("description")?,
            prison: Some(prison.to_string()),
        };
        Ok(same.then_some(provider))
    })
    .during("while looking up the provider of a prison")?;
    Ok(found.into_iter().flatten().next())
}

async fn team(
    session: &mut dyn Session,
    code: &str,
    provider: &Provider,
    at: NaiveDateTime,
) -> Result<Option<TeamRow>, DeliusError> {
    let statement =
        Statement::new(sql::TEAMS).bind("code", code).bind("provider_id", provider.id).bind("at", at);
    let found = session.query(&statement).await;
    let found = read(found, |row| {
        Ok(TeamRow { id: row.int("team_id")?, code: code.to_owned(), description: row.text("description")? })
    });
    Ok(found.during("while looking up a team")?.into_iter().next())
}

/// The member of staff to find or to create.
struct WantedOfficer<'a> {
    name: StaffName,
    rows: &'a StaffRows,
}

/// Looks the member of staff up, and creates the member of staff under a lock on the provider: an attempt that waited for the lock
/// looks again, so that two never create the same person or take the same code. No key of Delius would prevent it.
///
/// A person's lock is always taken before a provider's, and there is no third, so no two writes wait for each other.
async fn officer(
    session: &mut dyn Session,
    wanted: WantedOfficer<'_>,
    provider: &Provider,
    team: &TeamRow,
    at: NaiveDateTime,
) -> Result<Option<Appointment>, DeliusError> {
    let known = candidates(session, &wanted, provider, team, at).await?;
    if let Some(found) = staff::found(known, team) {
        return Ok(Some(found));
    }
    let lock = Statement::new(sql::LOCK_PROVIDER).bind("provider_id", provider.id);
    session.query(&lock).await.during("while waiting to create a member of staff")?;
    let known = candidates(session, &wanted, provider, team, at).await?;
    if let Some(found) = staff::found(known, team) {
        return Ok(Some(found));
    }
    let statement = Statement::new(sql::OFFICER_CODES).bind("pattern", format!("{}%", provider.code));
    let taken = session.query(&statement).await;
    let taken = read(taken, |row| row.text("officer_code")).during("while reading officer codes")?;
    Ok(staff::created(wanted.name, provider, team, &taken, at))
}

/// Members of staff of the provider who are still there at that time and may be the POM: the one that is known to be, or
/// those of the name.
async fn candidates(
    session: &mut dyn Session,
    WantedOfficer { name, rows }: &WantedOfficer<'_>,
    provider: &Provider,
    team: &TeamRow,
    at: NaiveDateTime,
) -> Result<Vec<Candidate>, DeliusError> {
    let statement = Statement::new(sql::STAFF_OF_PROVIDER)
        .bind("provider_id", provider.id)
        .bind("team_id", team.id)
        .bind("at", at);
    let staff = session.query(&statement).await;
    let staff = read(staff, |row| {
        Ok(Candidate {
            id: row.int("staff_id")?,
            forename: row.text("forename")?,
            surname: row.text("surname")?,
            in_team: row.flag("in_team")?,
        })
    })
    .during("while looking up a member of staff")?;
    Ok(may_be(staff, name, rows))
}

/// What is recorded about a row counts while the row still has one of the names of the person: after a restore of Delius
/// its id can be another person's.
fn may_be(staff: Vec<Candidate>, name: &StaffName, rows: &StaffRows) -> Vec<Candidate> {
    let is_recorded = |staff: &&Candidate| {
        Some(staff.id) == rows.of_pom && name.shares_a_name(&staff.forename, &staff.surname)
    };
    if let Some(known) = staff.iter().find(is_recorded) {
        return vec![known.clone()];
    }
    let is_another = |staff: &Candidate| {
        rows.of_others.iter().any(|other| {
            other.staff_id == staff.id
                && StaffName::new(&other.forename, &other.surname)
                    .shares_a_name(&staff.forename, &staff.surname)
        })
    };
    let of_name = |staff: &Candidate| name.is_of(&staff.forename, &staff.surname) && !is_another(staff);
    staff.into_iter().filter(of_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, forename: &str, surname: &str) -> Candidate {
        Candidate { id, forename: forename.into(), surname: surname.into(), in_team: true }
    }

    fn other(staff_id: i64, forename: &str, surname: &str) -> OtherStaff {
        OtherStaff { staff_id, forename: forename.into(), surname: surname.into() }
    }

    #[test]
    fn a_recorded_row_counts_while_it_has_a_name_of_the_person_and_the_name_decides_else() {
        let ada = StaffName::new("ADA", "BYRON");
        let cases = [
            ("nothing is recorded", vec![row(1, "Ada", "Byron")], None, vec![], vec![1]),
            ("renamed in MPC", vec![row(1, "Ada", "King"), row(2, "Ada", "Byron")], Some(1), vec![], vec![1]),
            ("another person has the id now", vec![row(1, "Emmy", "Noether")], Some(1), vec![], vec![]),
            ("the row is gone", vec![row(2, "Ada", "Byron")], Some(1), vec![], vec![2]),
            ("a namesake's row", vec![row(1, "Ada", "Byron")], None, vec![other(1, "ADA", "BYRON")], vec![]),
            (
                "a namesake who was renamed",
                vec![row(1, "Ada", "Byron")],
                None,
                vec![other(1, "ADA", "KING")],
                vec![],
            ),
            (
                "no longer the namesake's",
                vec![row(1, "Ada", "Byron")],
                None,
                vec![other(1, "EMMY", "NOETHER")],
                vec![1],
            ),
            (
                "one row, two codes",
                vec![row(1, "Ada", "Byron")],
                Some(1),
                vec![other(1, "ADA", "BYRON")],
                vec![1],
            ),
        ];
        for (case, staff, of_pom, of_others, expected) in cases {
            let found = may_be(staff, &ada, &StaffRows { of_pom, of_others });
            assert_eq!(found.iter().map(|staff| staff.id).collect::<Vec<_>>(), expected, "{case}");
        }
    }
}
