//! Which member of staff in Delius each staff code of a prison was written to, as far as the write needs it.

use sqlx::PgPool;

use crate::{
    case::DeliusWrite,
    database::in_time,
    delius::{OtherStaff, StaffRows},
    event_store::ExecuteError,
};

/// A staff code with the `staff_id` that it was written to, and the names that it has.
type RecordedStaff = (i64, i64, String, String);

/// What is recorded about the staff of the prison that a case is allocated in.
pub(super) async fn recorded(pool: &PgPool, write: &DeliusWrite) -> Result<StaffRows, ExecuteError> {
    let Some(pom) = write.pom() else { return Ok(StaffRows::default()) };
    let rows = sqlx::query_as(
        "select staff_code, written.staff_id, coalesce(name.forename, ''), coalesce(name.surname, '')
         from delius_staff written left join staff_directory name using (staff_code)
         where written.prison = $1",
    )
    .bind(pom.prison.as_str())
    .fetch_all(pool);
    let rows: Vec<RecordedStaff> =
        in_time(rows).await.map_err(|error| ExecuteError::Unavailable(error.to_string()))?;
    let mut staff = StaffRows::default();
    for (staff_code, staff_id, forename, surname) in rows {
        if staff_code == pom.staff_code {
            staff.of_pom = Some(staff_id);
        } else {
            staff.of_others.push(OtherStaff { staff_id, forename, surname });
        }
    }
    Ok(staff)
}
