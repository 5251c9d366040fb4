//! Loads the rows that a plan is made from, inside the transaction of the write.

use super::{
    engine::{EngineFailure, Row, Session, Statement},
    error::{DeliusError, During},
    plan::{
        allocation::PersonRows,
        rows::{DeliusHolder, KeyDateRow, Officer, PomRow, Provider, RoRow, RowRef, TeamRow, TransferReason},
    },
    sql,
};
use crate::case::NomsNumber;

/// The persons with this NOMS number, locked until the end of the transaction when something may be written: one at a
/// time changes a person.
pub(super) async fn persons(
    session: &mut dyn Session,
    noms: &NomsNumber,
    lock: bool,
) -> Result<Vec<i64>, DeliusError> {
    let sql = if lock { sql::PERSONS_LOCKED } else { sql::PERSONS };
    let rows = session.query(&Statement::new(sql).bind("noms", noms.as_str())).await;
    read(rows, |row| row.int("offender_id")).during("while looking up the person")
}

/// Officer code of the unallocated placeholder of a provider, a member of the team whose code lacks the last letter.
pub(super) fn placeholder_code(provider_code: &str) -> String {
    format!("{provider_code}ALLU")
}

/// All prison offender managers and responsible officers of a person.
pub(super) async fn person_rows(
    session: &mut dyn Session,
    offender_id: i64,
) -> Result<PersonRows, DeliusError> {
    let of_person = |sql| Statement::new(sql).bind("offender_id", offender_id);
    let poms = session.query(&of_person(sql::POMS)).await;
    let poms = read(poms, |row| pom(row, offender_id)).during("while reading prison offender managers")?;
    let officers = session.query(&of_person(sql::RESPONSIBLE_OFFICERS)).await;
    let officers = read(officers, |row| {
        Ok(RoRow {
            id: Some(row.int("responsible_officer_id")?),
            version: row.int("row_version")?,
            offender_id,
            pom: row.int_or_null("prison_offender_manager_id")?.map(RowRef::Existing),
            com: row.int_or_null("offender_manager_id")?,
            start: row.time("start_date")?,
            end: row.time_or_null("end_date")?,
        })
    })
    .during("while reading responsible officers")?;
    Ok(PersonRows { offender_id, poms, officers })
}

/// Code of a provider's prison: without the blanks and in the capitals that Manage POM Cases writes it in.
pub(super) fn prison(row: &Row) -> Result<Option<String>, EngineFailure> {
    Ok(row.code("nomis_cde_code")?.map(|code| code.to_uppercase()))
}

fn pom(row: &Row, offender_id: i64) -> Result<PomRow, EngineFailure> {
    let provider = Provider {
        id: row.int("probation_area_id")?,
        code: row.text("provider_code")?.trim_end().to_owned(),
        description: row.text("provider")?,
        prison: prison(row)?,
    };
    // Officers without a code exist, and none of them is a placeholder.
    let placeholder = row.code("officer_code")?.is_some_and(|code| code == placeholder_code(&provider.code));
    Ok(PomRow {
        id: RowRef::Existing(row.int("prison_offender_manager_id")?),
        version: row.int("row_version")?,
        offender_id,
        start: row.time("allocation_date")?,
        end: row.time_or_null("end_date")?,
        holder: DeliusHolder {
            placeholder,
            provider,
            team: TeamRow {
                id: row.int("team_id")?,
                code: row.text("team_code")?.trim_end().to_owned(),
                description: row.text("team")?,
            },
            officer: Officer {
                id: RowRef::Existing(row.int("staff_id")?),
                forename: row.text("forename")?,
                surname: row.text("surname")?,
            },
        },
        reason: TransferReason { id: row.int("allocation_reason_id")?, description: row.text("reason")? },
        email: row.text_or_null("email_address")?,
        active: row.flag("active_flag")?,
        soft_deleted: row.flag("soft_deleted")?,
    })
}

/// A live custody (not soft-deleted, under an active disposal of an active event) with its key dates of the two types,
/// soft-deleted ones too.
pub(super) struct CustodyRows {
    pub(super) id: i64,
    pub(super) key_dates: Vec<KeyDateRow>,
}

/// The live custodies of a person.
pub(super) async fn live_custodies(
    session: &mut dyn Session,
    offender_id: i64,
    [start, handover]: [i64; 2],
) -> Result<Vec<CustodyRows>, DeliusError> {
    let statement = Statement::new(sql::LIVE_CUSTODIES)
        .bind("offender_id", offender_id)
        .bind("start_type", start)
        .bind("handover_type", handover);
    let rows = session.query(&statement).await;
    let rows = read(rows, |row| Ok((row.int("custody_id")?, key_date(row)?)));
    let mut custodies: Vec<CustodyRows> = vec![];
    for (id, key_date) in rows.during("while reading the custody and its key dates")? {
        if custodies.last().is_none_or(|last| last.id != id) {
            custodies.push(CustodyRows { id, key_dates: vec![] });
        }
        if let Some(custody) = custodies.last_mut() {
            custody.key_dates.extend(key_date);
        }
    }
    Ok(custodies)
}

/// The key date of a row; `None` for a custody without one.
fn key_date(row: &Row) -> Result<Option<KeyDateRow>, EngineFailure> {
    let Some(id) = row.int_or_null("key_date_id")? else { return Ok(None) };
    Ok(Some(KeyDateRow {
        id: Some(id),
        version: row.int("row_version")?,
        custody_id: row.int("custody_id")?,
        type_id: row.int("key_date_type_id")?,
        date: row.date("key_date")?,
        soft_deleted: row.flag("soft_deleted")?,
    }))
}

/// Every row of an answer, read in the same way.
pub(super) fn read<T>(
    rows: Result<Vec<Row>, EngineFailure>,
    row: impl Fn(&Row) -> Result<T, EngineFailure>,
) -> Result<Vec<T>, EngineFailure> {
    rows?.iter().map(row).collect()
}
