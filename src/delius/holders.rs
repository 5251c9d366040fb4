//! Finds in Delius whom an allocation means, and plans a new member of staff if there is none.

use chrono::NaiveDateTime;

use super::{
    engine::{Session, Statement},
    error::{DeliusError, During},
    load::{self, placeholder_code, read},
    plan::{
        change::Change,
        rows::{Holder, Officer, Provider, RowRef, Team},
        staff::{self, Appointment, Candidate},
    },
    sql,
    staff_name::StaffName,
};
use crate::case::{OutcomeName, Pom, PrisonCode};

/// A holder, with the rows to write before the case can be theirs; or why there can be none.
pub(super) type Found = Result<(Holder, Vec<Change>), OutcomeName>;

/// Members of staff of the prison of a write, as far as it is known which NOMIS staff code each stands for. Delius has no
/// column for the code; without it two people of one name, or a person whose name changes, cannot be told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaffRows {
    /// `staff_id` that the POM's own staff code was written to before.
    pub of_pom: Option<i64>,
    /// `staff_id`s that other staff codes were written to: never this POM, whatever the name.
    pub of_others: Vec<i64>,
}

/// The POM whom a message names, in the POM team of the prison's provider.
pub(super) async fn of_pom(
    session: &mut dyn Session,
    pom: &Pom,
    staff: &StaffRows,
    at: NaiveDateTime,
) -> Result<Found, DeliusError> {
    let Some(provider) = provider(session, &pom.prison, at).await? else {
        return Ok(Err(OutcomeName::UnknownPrison));
    };
    let Some(team) = team(session, &format!("{}POM", provider.code), &provider, at).await? else {
        return Ok(Err(OutcomeName::UnknownTeam));
    };
    let wanted = Wanted { name: StaffName::new(&pom.forename, &pom.surname), rows: staff };
    Ok(match officer(session, wanted, &provider, &team, at).await? {
        Some(Appointment { officer, changes }) => {
            Ok((Holder { provider, team, officer, placeholder: false }, changes))
        }
        None => Err(OutcomeName::StaffCodesExhausted),
    })
}

/// The unallocated placeholder of a provider; a provider without one cannot have a case deallocated.
pub(super) async fn placeholder(
    session: &mut dyn Session,
    provider: &Provider,
    at: NaiveDateTime,
) -> Result<Found, DeliusError> {
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
            Ok((Holder { provider: provider.clone(), team, officer, placeholder: true }, vec![]))
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
) -> Result<Option<Team>, DeliusError> {
    let statement =
        Statement::new(sql::TEAMS).bind("code", code).bind("provider_id", provider.id).bind("at", at);
    let found = session.query(&statement).await;
    let found = read(found, |row| {
        Ok(Team { id: row.int("team_id")?, code: code.to_owned(), description: row.text("description")? })
    });
    Ok(found.during("while looking up a team")?.into_iter().next())
}

/// The member of staff to find or to create.
struct Wanted<'a> {
    name: StaffName,
    rows: &'a StaffRows,
}

/// Looks the member of staff up, and creates the member of staff under a lock on the provider: an attempt that waited for the lock
/// looks again, so that two never create the same person or take the same code. No key of Delius would prevent it.
///
/// A person's lock is always taken before a provider's, and there is no third, so no two writes wait for each other.
async fn officer(
    session: &mut dyn Session,
    wanted: Wanted<'_>,
    provider: &Provider,
    team: &Team,
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
    Wanted { name, rows }: &Wanted<'_>,
    provider: &Provider,
    team: &Team,
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
    if let Some(known) = staff.iter().find(|staff| Some(staff.id) == rows.of_pom) {
        return Ok(vec![known.clone()]);
    }
    let of_name = |staff: &Candidate| {
        !rows.of_others.contains(&staff.id) && name.is_of(&staff.forename, &staff.surname)
    };
    Ok(staff.into_iter().filter(of_name).collect())
}
