//! The directory of staff codes, and the allocations that wait for it.

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};

use super::effects::Effects;
use crate::{
    breakers::STORE,
    case::{FetchError, NomsNumber, StaffDirectory, StaffMember},
    database::in_time,
};

/// The directory as kept in our store.
pub struct StoredStaffDirectory {
    pool: PgPool,
}

impl StoredStaffDirectory {
    /// A directory on our store.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

fn staff(row: &PgRow) -> sqlx::Result<StaffMember> {
    Ok(StaffMember {
        code: row.try_get("staff_code")?,
        forename: row.try_get("forename")?,
        surname: row.try_get("surname")?,
        email: row.try_get("email")?,
    })
}

#[async_trait]
impl StaffDirectory for StoredStaffDirectory {
    async fn find(&self, staff_code: i64) -> Result<Option<StaffMember>, FetchError> {
        let found = sqlx::query(
            "select staff_code, forename, surname, email from staff_directory where staff_code = $1",
        )
        .bind(staff_code)
        .try_map(|row: PgRow| staff(&row))
        .fetch_optional(&self.pool);
        in_time(found)
            .await
            .map_err(|error| FetchError::Unavailable { dependency: STORE, reason: error.to_string() })
    }
}

/// Cases with allocations that waited for a staff code which is known by now, up to `limit`.
pub async fn reflectable(pool: &PgPool, limit: u32) -> sqlx::Result<Vec<(NomsNumber, StaffMember)>> {
    sqlx::query(
        "select distinct waiting.case_id, known.staff_code, known.forename, known.surname, known.email
         from unreflected_allocations waiting join staff_directory known using (staff_code)
         limit $1",
    )
    .bind(i64::from(limit))
    .try_map(|row: PgRow| {
        let noms: String = row.try_get("case_id")?;
        let noms = noms.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok((noms, staff(&row)?))
    })
    .fetch_all(pool)
    .await
}

/// Adds the names that the events give to staff codes, for a rebuild.
pub(crate) async fn learn(connection: &mut PgConnection, effects: &Effects) -> sqlx::Result<()> {
    // In the order of the codes, so that two appends cannot wait for each other.
    for (code, (staff, learned_at)) in &effects.learned {
        sqlx::query(
            "insert into staff_directory as known (staff_code, forename, surname, email, learned_at)
             values ($1, $2, $3, $4, $5)
             on conflict (staff_code) do update
             set forename = excluded.forename, surname = excluded.surname, email = excluded.email,
                 learned_at = excluded.learned_at
             where known.learned_at < excluded.learned_at
               and (known.forename, known.surname, known.email)
                   is distinct from (excluded.forename, excluded.surname, excluded.email)",
        )
        .bind(code)
        .bind(&staff.forename)
        .bind(&staff.surname)
        .bind(&staff.email)
        .bind(learned_at)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Adds whom in Delius the staff codes were written to, for a rebuild.
pub(crate) async fn learn_officers(connection: &mut PgConnection, effects: &Effects) -> sqlx::Result<()> {
    for ((prison, staff_code), (staff_id, written_at)) in &effects.officers {
        sqlx::query(
            "insert into delius_staff as known (prison, staff_code, staff_id, written_at) values ($1, $2, $3, $4)
             on conflict (prison, staff_code) do update
             set staff_id = excluded.staff_id, written_at = excluded.written_at
             where known.written_at < excluded.written_at",
        )
        .bind(prison.as_str())
        .bind(staff_code)
        .bind(staff_id)
        .bind(written_at)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Makes the list of allocations without a name follow the events, for a rebuild.
pub(crate) async fn keep_waiting(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    effects: &Effects,
) -> sqlx::Result<()> {
    for (sequence, code) in &effects.waiting {
        sqlx::query(
            "insert into unreflected_allocations (case_id, sequence, staff_code) values ($1, $2, $3)
             on conflict do nothing",
        )
        .bind(noms.as_str())
        .bind(sequence.cast_signed())
        .bind(code)
        .execute(&mut *connection)
        .await?;
    }
    for sequence in &effects.reflected {
        sqlx::query("delete from unreflected_allocations where case_id = $1 and sequence = $2")
            .bind(noms.as_str())
            .bind(sequence.cast_signed())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
