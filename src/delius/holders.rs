//! Finds in Delius whom an allocation means, and creates the member of staff if there is none.

use chrono::NaiveDateTime;
use sqlx::PgConnection;

use super::{
    error::{DeliusError, During},
    load::placeholder_code,
    plan::{
        change::Change,
        rows::{Holder, Officer, Provider, RowRef, Team},
        staff::{self, Appointment, Candidate},
    },
    staff_name::StaffName,
};
use crate::case::{OutcomeName, Pom};

/// A holder, with the rows to write before the case can be theirs; or why there can be none.
pub(super) type Found = Result<(Holder, Vec<Change>), OutcomeName>;

/// The POM whom a message names, in the POM team of the prison's provider.
pub(super) async fn of_pom(
    connection: &mut PgConnection,
    pom: &Pom,
    at: NaiveDateTime,
) -> Result<Found, DeliusError> {
    let Some(provider) = provider(connection, pom.prison.as_str()).await? else {
        return Ok(Err(OutcomeName::UnknownPrison));
    };
    let Some(team) = team(connection, &format!("{}POM", provider.code)).await? else {
        return Ok(Err(OutcomeName::UnknownTeam));
    };
    let name = StaffName::new(&pom.forename, &pom.surname);
    Ok(match officer(connection, name, &provider, &team, at).await? {
        Some(Appointment { officer, changes }) => {
            Ok((Holder { provider, team, officer, placeholder: false }, changes))
        }
        None => Err(OutcomeName::StaffCodesExhausted),
    })
}

/// The unallocated placeholder of a provider; a provider without one cannot have a case deallocated.
pub(super) async fn placeholder(
    connection: &mut PgConnection,
    provider: &Provider,
) -> Result<Found, DeliusError> {
    let Some(team) = team(&mut *connection, &format!("{}ALL", provider.code)).await? else {
        return Ok(Err(OutcomeName::UnknownTeam));
    };
    let staff: Option<(i64, String, String)> = sqlx::query_as(
        "select staff_id, forename, surname from staff where officer_code = cast($1 as char(7))",
    )
    .bind(placeholder_code(&provider.code))
    .fetch_optional(connection)
    .await
    .during("while looking up the unallocated placeholder")?;
    Ok(match staff {
        Some((id, forename, surname)) => {
            let officer = Officer { id: RowRef::Existing(id), forename, surname };
            Ok((Holder { provider: provider.clone(), team, officer, placeholder: true }, vec![]))
        }
        None => Err(OutcomeName::UnknownTeam),
    })
}

async fn provider(connection: &mut PgConnection, prison: &str) -> Result<Option<Provider>, DeliusError> {
    let found: Option<(i64, String, String)> = sqlx::query_as(
        "select provider.probation_area_id, provider.code, provider.description
         from probation_area provider
         join r_institution institution on institution.institution_id = provider.institution_id
         where institution.nomis_cde_code = $1
         order by provider.probation_area_id",
    )
    .bind(prison)
    .fetch_all(connection)
    .await
    .during("while looking up the provider of a prison")?
    .into_iter()
    .next();
    Ok(found.map(|(id, code, description)| Provider {
        id,
        code: code.trim_end().to_owned(),
        description,
        prison: Some(prison.to_owned()),
    }))
}

async fn team(connection: &mut PgConnection, code: &str) -> Result<Option<Team>, DeliusError> {
    let found: Option<(i64, String)> =
        sqlx::query_as("select team_id, description from team where code = cast($1 as char(6))")
            .bind(code)
            .fetch_optional(connection)
            .await
            .during("while looking up a team")?;
    Ok(found.map(|(id, description)| Team { id, description }))
}

/// Looks the name up, and creates the member of staff under a lock on the provider: whoever waited for the lock looks
/// again, so that two never create the same person or take the same code.
///
/// A person's lock is always taken before a provider's, and there is no third, so no two writes wait for each other.
async fn officer(
    connection: &mut PgConnection,
    name: StaffName,
    provider: &Provider,
    team: &Team,
    at: NaiveDateTime,
) -> Result<Option<Appointment>, DeliusError> {
    let known = candidates(&mut *connection, &name, provider, team).await?;
    if let Some(found) = staff::found(known, team, at) {
        return Ok(Some(found));
    }
    sqlx::query("select probation_area_id from probation_area where probation_area_id = $1 for update")
        .bind(provider.id)
        .execute(&mut *connection)
        .await
        .during("while waiting to create a member of staff")?;
    let known = candidates(&mut *connection, &name, provider, team).await?;
    if let Some(found) = staff::found(known, team, at) {
        return Ok(Some(found));
    }
    let taken: Vec<String> = sqlx::query_scalar(
        "select officer_code from staff
         where officer_code >= cast($1 as char(7)) and officer_code <= cast($2 as char(7))",
    )
    .bind(format!("{}A000", provider.code))
    .bind(format!("{}Z999", provider.code))
    .fetch_all(connection)
    .await
    .during("while reading officer codes")?;
    Ok(staff::created(name, provider, team, &taken, at))
}

async fn candidates(
    connection: &mut PgConnection,
    name: &StaffName,
    provider: &Provider,
    team: &Team,
) -> Result<Vec<Candidate>, DeliusError> {
    type Loaded = (i64, String, String, Option<NaiveDateTime>, bool);
    let loaded: Vec<Loaded> = sqlx::query_as(
        "select staff.staff_id, staff.forename, staff.surname, staff.end_date, member.staff_id is not null
         from staff
         left join staff_team member on member.staff_id = staff.staff_id and member.team_id = $4
         where staff.probation_area_id = $1
           and upper(trim(staff.surname)) = upper($2) and upper(trim(staff.forename)) = upper($3)",
    )
    .bind(provider.id)
    .bind(&name.surname)
    .bind(&name.forename)
    .bind(team.id)
    .fetch_all(connection)
    .await
    .during("while looking up a member of staff")?;
    Ok(loaded
        .into_iter()
        .map(|(id, forename, surname, end, in_team)| Candidate { id, forename, surname, end, in_team })
        .collect())
}
