//! Invented people in Delius, inserted as plainly as a developer would.

use manage_pom_cases_and_delius::{
    case::PersonId,
    delius::records::{CaseFacts, CaseReader},
};
use sqlx::PgPool;

use super::oracle_mode;

/// Ids of the probation area and team that everybody here belongs to.
pub(crate) struct Ground {
    pub(crate) area: i64,
    pub(crate) team: i64,
}

/// A probation area with a team in a local delivery unit.
pub(crate) async fn ground(delius: &PgPool) -> Ground {
    let area = id(
        delius,
        "INSERT INTO probation_area (code, description) VALUES ('N07', 'Area seven') RETURNING probation_area_id",
    )
    .await;
    let district = id(
        delius,
        "INSERT INTO district (code, description) VALUES ('N07LDU1', 'LDU one') RETURNING district_id",
    )
    .await;
    let team = sqlx::query_scalar(
        "INSERT INTO team (code, description, district_id, probation_area_id) VALUES ('N07T01', 'Team one', $1, $2)
         RETURNING team_id",
    )
    .bind(district)
    .bind(area)
    .fetch_one(delius)
    .await
    .unwrap();
    Ground { area, team }
}

/// A statement that returns one id.
pub(crate) async fn id(delius: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(delius).await.unwrap()
}

/// A statement whose result does not matter.
pub(crate) async fn run(delius: &PgPool, sql: &str) {
    sqlx::query(sql).execute(delius).await.unwrap();
}

/// A person with nothing but identifiers.
pub(crate) async fn person(delius: &PgPool, crn: &str, noms: Option<&str>) -> i64 {
    sqlx::query_scalar("INSERT INTO offender (crn, noms_number) VALUES ($1, $2) RETURNING offender_id")
        .bind(crn)
        .bind(noms)
        .fetch_one(delius)
        .await
        .unwrap()
}

/// A member of staff with names and, perhaps, a user name.
pub(crate) async fn staff(
    delius: &PgPool,
    ground: &Ground,
    code: &str,
    names: [&str; 3],
    user: Option<&str>,
) -> i64 {
    let staff = sqlx::query_scalar(
        "INSERT INTO staff (officer_code, forename, forename2, surname, probation_area_id)
         VALUES ($1, $2, nullif($3, ''), $4, $5) RETURNING staff_id",
    )
    .bind(code)
    .bind(names[0])
    .bind(names[1])
    .bind(names[2])
    .bind(ground.area)
    .fetch_one(delius)
    .await
    .unwrap();
    if let Some(user) = user {
        sqlx::query("INSERT INTO user_ (distinguished_name, staff_id) VALUES ($1, $2)")
            .bind(user)
            .bind(staff)
            .execute(delius)
            .await
            .unwrap();
    }
    staff
}

/// Makes the member of staff the person's community offender manager from a date on.
pub(crate) async fn manage(delius: &PgPool, ground: &Ground, person: i64, staff: i64, since: &str) -> i64 {
    sqlx::query_scalar(
        "INSERT INTO offender_manager (offender_id, team_id, allocation_staff_id, probation_area_id, allocation_date)
         VALUES ($1, $2, $3, $4, $5::text::timestamp) RETURNING offender_manager_id",
    )
    .bind(person)
    .bind(ground.team)
    .bind(staff)
    .bind(ground.area)
    .bind(since)
    .fetch_one(delius)
    .await
    .unwrap()
}

/// A live registration of a type from a date on, with a level and a category by code.
pub(crate) async fn register(
    delius: &PgPool,
    person: i64,
    kind: &str,
    since: &str,
    level: Option<&str>,
    category: Option<&str>,
) -> i64 {
    sqlx::query_scalar(
        "INSERT INTO registration (offender_id, register_type_id, registration_date, register_level_id,
                                   register_category_id)
         VALUES ($1, (SELECT register_type_id FROM r_register_type WHERE code = $2), $3::text::date,
                 (SELECT standard_reference_list_id FROM r_standard_reference_list
                    JOIN r_reference_data_master USING (reference_data_master_id)
                   WHERE code_value = $4 AND code_set_name = 'REGISTER LEVEL'),
                 (SELECT standard_reference_list_id FROM r_standard_reference_list
                    JOIN r_reference_data_master USING (reference_data_master_id)
                   WHERE code_value = $5 AND code_set_name = 'REGISTER CATEGORY'))
         RETURNING registration_id",
    )
    .bind(person)
    .bind(kind)
    .bind(since)
    .bind(level)
    .bind(category)
    .fetch_one(delius)
    .await
    .unwrap()
}

/// An event with a disposal and an allocation decision (null date for an empty text). Returns the event's id.
pub(crate) async fn decision(delius: &PgPool, person: i64, code: Option<&str>, date: &str) -> i64 {
    let event =
        id(delius, &format!("INSERT INTO event (offender_id) VALUES ({person}) RETURNING event_id")).await;
    run(delius, &format!("INSERT INTO disposal (event_id) VALUES ({event})")).await;
    sqlx::query(
        "INSERT INTO case_allocation (offender_id, event_id, allocation_decision_id, allocation_decision_date)
         VALUES ($1, $2,
                 (SELECT standard_reference_list_id FROM r_standard_reference_list
                    JOIN r_reference_data_master USING (reference_data_master_id)
                   WHERE code_value = $3 AND code_set_name = 'CASE ALLOCATION DECISION'),
                 nullif($4, '')::timestamp)",
    )
    .bind(person)
    .bind(event)
    .bind(code)
    .bind(date)
    .execute(delius)
    .await
    .unwrap();
    event
}

/// The facts of the one person with this identifier.
pub(crate) async fn facts(delius: &PgPool, person: &str) -> CaseFacts {
    let person: PersonId = person.parse().unwrap();
    let mut found = reader(delius).find(&[person]).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// A reader of case records, on H2 in Oracle mode where `make test-oracle-mode` runs it.
pub(crate) fn reader(delius: &PgPool) -> CaseReader {
    oracle_mode::engine(delius).map_or_else(|| CaseReader::new(delius.clone()), CaseReader::over)
}
