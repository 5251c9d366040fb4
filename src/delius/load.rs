//! Loads the rows that a plan is made from, inside the transaction of the write.

use chrono::{NaiveDate, NaiveDateTime};
use sqlx::PgConnection;

use super::{
    error::{DeliusError, During},
    plan::{
        allocation::PersonRows,
        rows::{Holder, KeyDateRow, Officer, PomRow, Provider, Reason, RoRow, RowRef, Team},
    },
};
use crate::case::NomsNumber;

/// The persons with this NOMS number, locked until the end of the transaction when something may be written: one at a
/// time changes a person.
pub(super) async fn persons(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    lock: bool,
) -> Result<Vec<i64>, DeliusError> {
    let sql = match lock {
        true => {
            "select offender_id from offender where noms_number = $1 and soft_deleted = 0
             order by offender_id for update"
        }
        false => {
            "select offender_id from offender where noms_number = $1 and soft_deleted = 0 order by offender_id"
        }
    };
    sqlx::query_scalar(sql)
        .bind(noms.as_str())
        .fetch_all(connection)
        .await
        .during("while looking up the person")
}

#[derive(sqlx::FromRow)]
struct LoadedPom {
    prison_offender_manager_id: i64,
    row_version: i64,
    allocation_date: NaiveDateTime,
    end_date: Option<NaiveDateTime>,
    active_flag: i16,
    soft_deleted: i16,
    email_address: Option<String>,
    allocation_reason_id: i64,
    reason: String,
    probation_area_id: i64,
    provider_code: String,
    provider: String,
    nomis_cde_code: Option<String>,
    team_id: i64,
    team: String,
    staff_id: i64,
    officer_code: String,
    forename: String,
    surname: String,
}

impl LoadedPom {
    fn into_row(self, offender_id: i64) -> PomRow {
        let provider_code = self.provider_code.trim_end().to_owned();
        PomRow {
            id: RowRef::Existing(self.prison_offender_manager_id),
            version: self.row_version,
            offender_id,
            start: self.allocation_date,
            end: self.end_date,
            holder: Holder {
                placeholder: self.officer_code.trim_end() == placeholder_code(&provider_code),
                provider: Provider {
                    id: self.probation_area_id,
                    code: provider_code,
                    description: self.provider,
                    prison: self.nomis_cde_code,
                },
                team: Team { id: self.team_id, description: self.team },
                officer: Officer {
                    id: RowRef::Existing(self.staff_id),
                    forename: self.forename,
                    surname: self.surname,
                },
            },
            reason: Reason { id: self.allocation_reason_id, description: self.reason },
            email: self.email_address,
            active: self.active_flag != 0,
            soft_deleted: self.soft_deleted != 0,
        }
    }
}

/// Officer code of the unallocated placeholder of a provider, a member of the team whose code lacks the last letter.
pub(super) fn placeholder_code(provider_code: &str) -> String {
    format!("{provider_code}ALLU")
}

/// All prison offender managers and responsible officers of a person.
pub(super) async fn person_rows(
    connection: &mut PgConnection,
    offender_id: i64,
) -> Result<PersonRows, DeliusError> {
    let poms: Vec<LoadedPom> = sqlx::query_as(
        "select pom.prison_offender_manager_id, pom.row_version, pom.allocation_date, pom.end_date, pom.active_flag,
                pom.soft_deleted, pom.email_address, pom.allocation_reason_id, reason.code_description as reason,
                provider.probation_area_id, provider.code as provider_code, provider.description as provider,
                institution.nomis_cde_code, team.team_id, team.description as team,
                staff.staff_id, staff.officer_code, staff.forename, staff.surname
         from prison_offender_manager pom
         join r_standard_reference_list reason on reason.standard_reference_list_id = pom.allocation_reason_id
         join probation_area provider on provider.probation_area_id = pom.probation_area_id
         left join r_institution institution on institution.institution_id = provider.institution_id
         join team on team.team_id = pom.allocation_team_id
         join staff on staff.staff_id = pom.allocation_staff_id
         where pom.offender_id = $1
         order by pom.allocation_date, pom.prison_offender_manager_id",
    )
    .bind(offender_id)
    .fetch_all(&mut *connection)
    .await
    .during("while reading prison offender managers")?;

    type LoadedRo = (i64, i64, Option<i64>, Option<i64>, NaiveDateTime, Option<NaiveDateTime>);
    let officers: Vec<LoadedRo> = sqlx::query_as(
        "select responsible_officer_id, row_version, prison_offender_manager_id, offender_manager_id,
                start_date, end_date
         from responsible_officer where offender_id = $1 order by start_date, responsible_officer_id",
    )
    .bind(offender_id)
    .fetch_all(connection)
    .await
    .during("while reading responsible officers")?;

    Ok(PersonRows {
        offender_id,
        poms: poms.into_iter().map(|pom| pom.into_row(offender_id)).collect(),
        officers: officers
            .into_iter()
            .map(|(id, version, pom, com, start, end)| RoRow {
                id: Some(id),
                version,
                offender_id,
                pom: pom.map(RowRef::Existing),
                com,
                start,
                end,
            })
            .collect(),
    })
}

/// Live custodies of a person: not soft-deleted, under an active disposal of an active event.
pub(super) async fn live_custodies(
    connection: &mut PgConnection,
    offender_id: i64,
) -> Result<Vec<i64>, DeliusError> {
    sqlx::query_scalar(
        "select custody.custody_id
         from event
         join disposal on disposal.event_id = event.event_id
         join custody on custody.disposal_id = disposal.disposal_id
         where event.offender_id = $1 and event.active_flag = 1 and event.soft_deleted = 0
           and disposal.active_flag = 1 and disposal.soft_deleted = 0 and custody.soft_deleted = 0
         order by custody.custody_id",
    )
    .bind(offender_id)
    .fetch_all(connection)
    .await
    .during("while looking up the custody")
}

/// Live key dates of a custody of the two types.
pub(super) async fn key_dates(
    connection: &mut PgConnection,
    custody_id: i64,
    types: [i64; 2],
) -> Result<Vec<KeyDateRow>, DeliusError> {
    let loaded: Vec<(i64, i64, i64, NaiveDate)> = sqlx::query_as(
        "select key_date_id, row_version, key_date_type_id, key_date
         from key_date where custody_id = $1 and key_date_type_id in ($2, $3) and soft_deleted = 0
         order by key_date_id",
    )
    .bind(custody_id)
    .bind(types[0])
    .bind(types[1])
    .fetch_all(connection)
    .await
    .during("while reading key dates")?;
    Ok(loaded
        .into_iter()
        .map(|(id, version, type_id, date)| KeyDateRow {
            id: Some(id),
            version,
            custody_id,
            type_id,
            date,
            soft_deleted: false,
        })
        .collect())
}
