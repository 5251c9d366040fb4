//! Allocations on a real database: every statement of the gateway, and what the rows look like afterwards.

use manage_pom_cases_and_delius::{
    case::{OutcomeName, RowAction, WriteOutcome},
    london::wall_clock,
};
use sqlx::{PgPool, Row};

use crate::helpers::delius::{
    AUDIT, NOMS, SIGNED, allocation, apply, count, deallocation, ground, held, outcome, person, run, staff,
};

const MORNING: &str = "2026-07-01T09:00:00Z";
const NOON: &str = "2026-07-01T12:00:00Z";
const EVENING: &str = "2026-12-01T18:00:00Z";

#[sqlx::test(migrations = "migrations/delius")]
async fn a_case_is_allocated_moved_and_deallocated(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    assert_eq!(outcome(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await, OutcomeName::PomAllocated);
    let moved = apply(&delius, &allocation(NOON, "MARY SOMERVILLE", "MDI")).await;
    assert_eq!(moved.name, OutcomeName::PomAllocated);
    assert_eq!(outcome(&delius, &deallocation(EVENING)).await, OutcomeName::PomDeallocated);
    assert_eq!(
        held(&pool).await,
        [
            "2026-07-01 10:00:00 - 2026-07-01 13:00:00 N03POM Byron AUT",
            "2026-07-01 13:00:00 - 2026-12-01 18:00:00 N04POM Somerville EXT",
            "2026-12-01 18:00:00 - open N04ALL Staff AUT",
        ]
    );
    let contacts: Vec<String> = sqlx::query_scalar(
        "select type.code || ' ' || contact_date::date || ' ' || contact_start_time || ' ' || notes
         from contact join r_contact_type type using (contact_type_id) order by contact_id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        contacts,
        [
            "EPOMAT 2026-07-01 2026-07-01 10:00:00 Transfer Reason: Automatic Transfer\n\
             Transfer Date: 01/07/2026",
            "EPOMEX 2026-07-01 2026-07-01 13:00:00 Transfer Reason: External Transfer\n\
             Transfer Date: 01/07/2026\nFrom Establishment Provider: Provider N03\nFrom Team: Team POM\n\
             From Officer: Byron, Ada",
            "EPOMAT 2026-12-01 2026-12-01 18:00:00 Transfer Reason: Automatic Transfer\n\
             Transfer Date: 01/12/2026\nFrom Establishment Provider: Provider N04\nFrom Team: Team POM\n\
             From Officer: Somerville, Mary",
        ]
    );
    assert_eq!(moved.properties["nomsId"], NOMS);
    assert_eq!(moved.properties["prisonId"], "MDI");
    assert_eq!(moved.properties["allocationDate"], "01/07/2026 13:00:00");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn rows_are_signed_by_the_audit_user_and_their_versions_count_updates(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    let first = apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    let second = apply(&delius, &allocation(NOON, "MARY SOMERVILLE", "LEI")).await;
    let signed_at = |outcome: &WriteOutcome| wall_clock(outcome.applied_at).to_string();
    let rows = sqlx::query(
        "select pom.offender_id, active_flag, soft_deleted, email_address, row_version,
                created_datetime::text, last_updated_datetime::text, created.distinguished_name as created_by,
                updated.distinguished_name as updated_by
         from prison_offender_manager pom
         join user_ created on created.user_id = pom.created_by_user_id
         join user_ updated on updated.user_id = pom.last_updated_user_id
         order by allocation_date",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    for (row, (active, email, version, outcome)) in rows
        .iter()
        .zip([(0i16, "byron@example.org", 1i64, &first), (1, "somerville@example.org", 0, &second)])
    {
        assert_eq!(row.get::<i64, _>("offender_id"), person);
        assert_eq!(row.get::<i16, _>("active_flag"), active);
        assert_eq!(row.get::<i16, _>("soft_deleted"), 0);
        assert_eq!(row.get::<String, _>("email_address"), email);
        assert_eq!(row.get::<i64, _>("row_version"), version);
        assert_eq!(row.get::<String, _>("created_datetime"), signed_at(outcome));
        assert_eq!(row.get::<String, _>("last_updated_datetime"), signed_at(&second));
        assert_eq!(row.get::<String, _>("created_by"), "ManagePomCasesAndDelius");
        assert_eq!(row.get::<String, _>("updated_by"), "ManagePomCasesAndDelius");
    }
    for table in ["staff", "staff_team", "contact"] {
        let signed = format!(
            "{table} t join user_ u on u.user_id = t.created_by_user_id and u.user_id = t.last_updated_user_id where u.distinguished_name = 'ManagePomCasesAndDelius' and row_version = 0"
        );
        assert_eq!(count(&pool, &signed).await, 2, "{table}");
    }
}

#[sqlx::test(migrations = "migrations/delius")]
async fn the_outcome_has_each_row_before_and_after(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    let changes = apply(&delius, &allocation(NOON, "MARY SOMERVILLE", "LEI")).await.changes;
    let reported: Vec<_> = changes.iter().map(|change| (change.table.as_str(), change.action)).collect();
    assert_eq!(
        reported,
        [
            ("staff", RowAction::Insert),
            ("staff_team", RowAction::Insert),
            ("prison_offender_manager", RowAction::Update),
            ("prison_offender_manager", RowAction::Insert),
            ("contact", RowAction::Insert),
        ]
    );
    let ended = &changes[2];
    assert_eq!(ended.row_version, 1);
    assert_eq!(ended.columns.keys().collect::<Vec<_>>(), ["active_flag", "end_date"]);
    assert_eq!(ended.columns["end_date"].from, None);
    assert_eq!(ended.columns["end_date"].to.as_deref(), Some("2026-07-01 13:00:00"));
    let ids: (i64, i64, i64) = sqlx::query_as(
        "select prison_offender_manager_id, allocation_staff_id, allocation_team_id
         from prison_offender_manager where end_date is null",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(changes[0].row_id, ids.1.to_string());
    assert_eq!(changes[1].row_id, format!("{}/{}", ids.1, ids.2));
    assert_eq!(changes[3].row_id, ids.0.to_string());
    assert_eq!(changes[3].columns["allocation_staff_id"].to, Some(ids.1.to_string()));
}

#[sqlx::test(migrations = "migrations/delius")]
async fn responsibility_goes_to_the_new_manager_and_not_from_a_community_one(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    run(
        &pool,
        &format!(
            "insert into responsible_officer (responsible_officer_id, offender_id, prison_offender_manager_id, start_date, {AUDIT})
             select nextval('responsible_officer_id_seq'), offender_id, prison_offender_manager_id, allocation_date, {SIGNED}
             from prison_offender_manager"
        ),
    )
    .await;
    apply(&delius, &allocation(NOON, "MARY SOMERVILLE", "LEI")).await;
    let officers = || async {
        sqlx::query_scalar::<_, String>(
            "select officer.start_date || ' - ' || coalesce(officer.end_date::text, 'open') || ' '
                    || coalesce(staff.surname, 'COM') || ' ' || officer.row_version
             from responsible_officer officer
             left join prison_offender_manager pom using (prison_offender_manager_id)
             left join staff on staff.staff_id = pom.allocation_staff_id order by officer.start_date",
        )
        .fetch_all(&pool)
        .await
        .unwrap()
    };
    let handed_over =
        ["2026-07-01 10:00:00 - 2026-07-01 13:00:00 Byron 1", "2026-07-01 13:00:00 - open Somerville 0"];
    assert_eq!(officers().await, handed_over);
    assert_eq!(
        count(&pool, "contact join r_contact_type using (contact_type_id) where code = 'ROC'").await,
        1
    );

    run(&pool, &format!(
        "delete from responsible_officer;
         with com as (insert into offender_manager (offender_id, team_id, allocation_staff_id, probation_area_id)
             select {person}, team_id, staff_id, team.probation_area_id from team, staff limit 1
             returning offender_manager_id)
         insert into responsible_officer (responsible_officer_id, offender_id, offender_manager_id, start_date, {AUDIT})
         select nextval('responsible_officer_id_seq'), {person}, offender_manager_id, '2026-07-01', {SIGNED} from com"
    ))
    .await;
    apply(&delius, &allocation(EVENING, "EMMY NOETHER", "LEI")).await;
    assert_eq!(officers().await, ["2026-07-01 00:00:00 - open COM 0"]);
    assert_eq!(
        count(&pool, "contact join r_contact_type using (contact_type_id) where code = 'ROC'").await,
        1
    );
}

#[sqlx::test(migrations = "migrations/delius")]
async fn what_delius_cannot_take_is_refused_by_name_and_entered_in_the_ledger(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    run(
        &pool,
        "insert into r_institution (nomis_cde_code) values ('XXI');
                insert into probation_area (code, description, institution_id)
                select 'N99', 'No team', institution_id from r_institution where nomis_cde_code = 'XXI'",
    )
    .await;
    staff(&pool, "N04Z999", "Last", "One").await;
    for (write, name) in [
        (allocation(MORNING, "ADA BYRON", "ZZI"), OutcomeName::UnknownPrison),
        (allocation(MORNING, "ADA BYRON", "XXI"), OutcomeName::UnknownTeam),
        (allocation(MORNING, "ADA BYRON", "MDI"), OutcomeName::StaffCodesExhausted),
        (deallocation(MORNING), OutcomeName::NoPomChange),
    ] {
        let outcome = apply(&delius, &write).await;
        assert_eq!((outcome.name, &outcome.changes[..]), (name, &[][..]));
        assert_eq!(apply(&delius, &write).await, outcome);
    }
    let mut unknown = allocation(MORNING, "ADA BYRON", "LEI");
    unknown.noms = "Z9999ZZ".parse().unwrap();
    assert_eq!(outcome(&delius, &unknown).await, OutcomeName::PersonNotFound);
    assert_eq!(count(&pool, "pom_cases_write_ledger").await, 5);

    apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    run(&pool, "delete from staff where officer_code = 'N03ALLU'").await;
    assert_eq!(outcome(&delius, &deallocation(NOON)).await, OutcomeName::UnknownTeam);
    run(&pool, "update offender set soft_deleted = 1").await;
    assert_eq!(outcome(&delius, &deallocation(NOON)).await, OutcomeName::PersonNotFound);
    person(&pool, "X000001", NOMS).await;
    person(&pool, "X000002", NOMS).await;
    assert_eq!(outcome(&delius, &allocation(NOON, "ADA BYRON", "LEI")).await, OutcomeName::DuplicatePerson);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn staff_are_found_by_name_in_the_provider_and_added_to_the_team(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    let found = staff(&pool, "N03A007", " ada ", "o'NEILL").await;
    staff(&pool, "N03A008", "Ada", "O'Neill").await;
    staff(&pool, "N04A001", "Ada", "O'Neill").await;
    let outcome = apply(&delius, &allocation(MORNING, "ADA O'NEILL", "LEI")).await;
    assert_eq!(outcome.name, OutcomeName::PomAllocated);
    assert_eq!(outcome.changes[0].table, "staff_team");
    let allocated: i64 = sqlx::query_scalar("select allocation_staff_id from prison_offender_manager")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(allocated, found);
    assert_eq!(count(&pool, &format!("staff_team where staff_id = {found}")).await, 1);
    apply(&delius, &allocation(NOON, "ADA O'NEILL", "LEI")).await;
    assert_eq!(count(&pool, "staff_team").await, 1);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn staff_who_had_left_by_then_are_not_meant(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    staff(&pool, "N03A007", "Ada", "Byron").await;
    run(&pool, "update staff set end_date = '2026-07-01 10:00:00' where officer_code = 'N03A007'").await;
    let outcome = apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    let code = &outcome.changes[0].columns["officer_code"];
    assert_eq!(code.to.as_deref(), Some("N03A008"));
    // A second earlier she was still there.
    let outcome = apply(&delius, &allocation("2026-07-01T08:59:59Z", "ADA BYRON", "LEI")).await;
    assert_eq!(outcome.changes[0].table, "staff_team");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn only_a_new_email_address_changes_when_the_holder_is_the_same(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    run(&pool, "update prison_offender_manager set email_address = 'old@example.org'").await;
    let outcome = apply(&delius, &allocation(NOON, "ADA BYRON", "LEI")).await;
    assert_eq!(outcome.name, OutcomeName::NoPomChange);
    assert_eq!(outcome.changes.len(), 1);
    let email = &outcome.changes[0].columns["email_address"];
    assert_eq!(email.from.as_deref(), Some("old@example.org"));
    assert_eq!(email.to.as_deref(), Some("byron@example.org"));
    assert_eq!(count(&pool, "prison_offender_manager").await, 1);
}
