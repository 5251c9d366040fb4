//! Prisons and invented people in Delius, and the writes that concern them.

use chrono::{DateTime, NaiveDate, Utc};
use manage_pom_cases_and_delius::{
    case::{AddressedWrite, DeliusWrite, OutcomeName, Pom, WriteOutcome},
    delius::Delius,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::oracle_mode;

pub(crate) const NOMS: &str = "A1234BC";

pub(crate) fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A prison with its provider, POM team and unallocated placeholder.
pub(crate) async fn prison(pool: &PgPool, nomis: &str, provider: &str) {
    sqlx::query(
        "with institution as (
             insert into r_institution (nomis_cde_code) values ($1) returning institution_id),
         provider as (
             insert into probation_area (code, description, institution_id)
             select $2, 'Provider ' || $2, institution_id from institution returning probation_area_id),
         teams as (
             insert into team (code, description, probation_area_id)
             select $2 || kind, 'Team ' || kind, probation_area_id
             from provider, unnest(array['POM', 'ALL']) as kind)
         insert into staff (officer_code, forename, surname, probation_area_id)
         select $2 || 'ALLU', 'Unallocated', 'Staff', probation_area_id from provider",
    )
    .bind(nomis)
    .bind(provider)
    .execute(pool)
    .await
    .unwrap();
}

pub(crate) async fn person(pool: &PgPool, crn: &str, noms: &str) -> i64 {
    sqlx::query_scalar("insert into offender (crn, noms_number) values ($1, $2) returning offender_id")
        .bind(crn)
        .bind(noms)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// A live custody.
pub(crate) async fn custody(pool: &PgPool, person: i64) -> i64 {
    sqlx::query_scalar(
        "with event as (insert into event (offender_id) values ($1) returning event_id),
         disposal as (insert into disposal (event_id) select event_id from event returning disposal_id)
         insert into custody (disposal_id, prisoner_number)
         select disposal_id, 'AB1234' from disposal returning custody_id",
    )
    .bind(person)
    .fetch_one(pool)
    .await
    .unwrap()
}

/// The audit columns, and values for them, for rows that a test adds after the defaults were dropped.
pub(crate) const AUDIT: &str =
    "created_datetime, created_by_user_id, last_updated_datetime, last_updated_user_id";
pub(crate) const SIGNED: &str = "delius_now(), 1, delius_now(), 1";

pub(crate) async fn staff(pool: &PgPool, code: &str, forename: &str, surname: &str) -> i64 {
    sqlx::query_scalar(&format!(
        "insert into staff (staff_id, officer_code, forename, surname, probation_area_id, start_date, private, {AUDIT})
         select nextval('staff_id_seq'), $1, $2, $3, probation_area_id, '2020-01-01', 0, {SIGNED}
         from probation_area where code = left($1, 3) returning staff_id",
    ))
    .bind(code)
    .bind(forename)
    .bind(surname)
    .fetch_one(pool)
    .await
    .unwrap()
}

/// A Delius with Leeds (N03) and Moorland (N04), and one person without any sentence. What the service writes must be
/// complete: the defaults that the development schema has for plain INSERTs are gone.
pub(crate) async fn ground(pool: &PgPool) -> (Delius, i64) {
    let opened = development(pool).await;
    drop_defaults(pool).await;
    opened
}

/// The same with the defaults.
pub(crate) async fn development(pool: &PgPool) -> (Delius, i64) {
    prison(pool, "LEI", "N03").await;
    prison(pool, "MDI", "N04").await;
    let person = person(pool, "X123456", NOMS).await;
    (gateway(pool).await, person)
}

/// A gateway over this database, on H2 in Oracle mode where `make test-oracle-mode` runs it.
pub(crate) async fn gateway(pool: &PgPool) -> Delius {
    let delius = match oracle_mode::engine(pool) {
        Some(engine) => Delius::over(engine),
        None => Delius::new(pool.clone()),
    };
    delius.check().await.unwrap();
    delius
}

/// Drops every default of the tables that the service writes, but that of `row_version`, which Delius has.
async fn drop_defaults(pool: &PgPool) {
    let tables = WRITTEN.map(|table| format!("'{table}'")).join(", ");
    run(
        pool,
        &format!(
            "do $$ declare it record; begin
             for it in select table_name, column_name from information_schema.columns
                       where table_schema = 'public' and table_name in ({tables}) and column_default is not null
                         and column_name <> 'row_version' loop
                 execute format('alter table %I alter column %I drop default', it.table_name, it.column_name);
             end loop; end $$"
        ),
    )
    .await;
}

pub(crate) async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

pub(crate) async fn count(pool: &PgPool, table: &str) -> i64 {
    sqlx::query_scalar(&format!("select count(*) from {table}")).fetch_one(pool).await.unwrap()
}

pub(crate) fn addressed(write: DeliusWrite) -> AddressedWrite {
    AddressedWrite { id: Uuid::now_v7(), noms: NOMS.parse().unwrap(), write }
}

pub(crate) fn allocation(at: &str, name: &str, prison: &str) -> AddressedWrite {
    let (forename, surname) = name.split_once(' ').unwrap();
    addressed(DeliusWrite::AllocatePom {
        overtaken: false,
        at: instant(at),
        pom: Pom {
            prison: prison.parse().unwrap(),
            staff_code: 1,
            forename: forename.to_owned(),
            surname: surname.to_owned(),
            email: Some(format!("{}@example.org", surname.to_lowercase())),
        },
    })
}

pub(crate) fn deallocation(at: &str) -> AddressedWrite {
    addressed(DeliusWrite::DeallocatePom { at: instant(at), overtaken: false })
}

pub(crate) fn handover(start: Option<&str>, handover: Option<&str>, dry_run: bool) -> AddressedWrite {
    addressed(DeliusWrite::SetHandoverDates {
        handover_date: handover.map(date),
        handover_start_date: start.map(date),
        dry_run,
    })
}

pub(crate) async fn apply(delius: &Delius, write: &AddressedWrite) -> WriteOutcome {
    delius.apply(write).await.unwrap()
}

pub(crate) async fn outcome(delius: &Delius, write: &AddressedWrite) -> OutcomeName {
    apply(delius, write).await.name
}

/// The tables that a write can touch.
const WRITTEN: [&str; 7] = [
    "prison_offender_manager",
    "responsible_officer",
    "contact",
    "key_date",
    "staff",
    "staff_team",
    "pom_cases_write_ledger",
];

/// Everything that a write can touch, as text: equal before and after means that nothing was written.
pub(crate) async fn everything(pool: &PgPool) -> Vec<String> {
    let mut rows = Vec::new();
    for table in WRITTEN {
        let sql = format!("select '{table} ' || row_to_json(t)::text from {table} t order by 1");
        rows.extend(sqlx::query_scalar::<_, String>(&sql).fetch_all(pool).await.unwrap());
    }
    rows
}

/// Live POM rows: `2026-07-01 10:00:00 - open N03POM Byron EXT`.
pub(crate) async fn held(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select pom.allocation_date || ' - ' || coalesce(pom.end_date::text, 'open') || ' ' || team.code || ' '
                || staff.surname || ' ' || reason.code_value
         from prison_offender_manager pom
         join team on team.team_id = pom.allocation_team_id
         join staff on staff.staff_id = pom.allocation_staff_id
         join r_standard_reference_list reason
             on reason.standard_reference_list_id = pom.allocation_reason_id
         where pom.soft_deleted = 0 order by pom.allocation_date",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}
