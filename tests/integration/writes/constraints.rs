//! What the real Delius enforces, and how a write lives with it: the constraints of the development schema are the real
//! ones, and defaults that only exist for plain INSERTs are dropped.

use manage_pom_cases_and_delius::{
    case::{DeliusWrite, OutcomeName},
    delius::{Delius, DeliusError, ErrorKind},
};
use sqlx::PgPool;

use crate::helpers::delius::{
    NOMS, allocation, apply, count, custody, deallocation, everything, ground, handover, held, outcome, run,
    staff,
};

const MORNING: &str = "2026-07-01T09:00:00Z";
const NOON: &str = "2026-07-01T12:00:00Z";

async fn live_dates(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select key_date::date::text from key_date where soft_deleted = 0 order by key_date")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_date_is_set_removed_and_set_again(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    custody(&pool, person).await;
    for _ in 0..2 {
        let set = outcome(&delius, &handover(None, Some("2026-09-01"), false)).await;
        assert_eq!(set, OutcomeName::KeyDateCreated);
        assert_eq!(live_dates(&pool).await, ["2026-09-01"]);
        let removed = outcome(&delius, &handover(None, None, false)).await;
        assert_eq!(removed, OutcomeName::KeyDateDeleted);
    }
    assert_eq!(count(&pool, "key_date").await, 0, "deleted physically");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_date_that_a_person_removed_by_a_flag_is_revived(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    custody(&pool, person).await;
    apply(&delius, &handover(None, Some("2026-09-01"), false)).await;
    run(&pool, "update key_date set soft_deleted = 1, row_version = row_version + 1").await;
    let again = apply(&delius, &handover(None, Some("2026-09-01"), false)).await;
    assert_eq!((again.name, again.changes.len()), (OutcomeName::KeyDateCreated, 1));
    assert_eq!(again.changes[0].columns["soft_deleted"].to.as_deref(), Some("0"));
    assert_eq!(count(&pool, "key_date where soft_deleted = 0 and row_version = 2").await, 1);

    // Moved away, removed there by a person, and moved onto that date.
    apply(&delius, &handover(None, Some("2026-09-02"), false)).await;
    run(&pool, "update key_date set soft_deleted = 1").await;
    apply(&delius, &handover(None, Some("2026-09-03"), false)).await;
    let moved = outcome(&delius, &handover(None, Some("2026-09-02"), false)).await;
    assert_eq!(moved, OutcomeName::KeyDateUpdated);
    assert_eq!(live_dates(&pool).await, ["2026-09-02"]);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn an_address_that_does_not_fit_is_left_out_and_reported(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    let with_email = |at: &str, length: usize| {
        let mut write = allocation(at, "ADA BYRON", "LEI");
        let DeliusWrite::AllocatePom { pom, .. } = &mut write.write else { unreachable!() };
        pom.email = Some(format!("{}@example.org", "a".repeat(length - 12)));
        write
    };
    let long = apply(&delius, &with_email(MORNING, 256)).await;
    assert_eq!(long.name, OutcomeName::PomAllocated);
    assert_eq!(long.properties["emailAddress"], "not stored: longer than 255 bytes");
    assert_eq!(count(&pool, "prison_offender_manager where email_address is null").await, 1);
    let fits = apply(&delius, &with_email(NOON, 255)).await;
    assert_eq!(fits.name, OutcomeName::NoPomChange);
    assert_eq!(fits.properties.get("emailAddress"), None);
    assert_eq!(count(&pool, "prison_offender_manager where length(email_address) = 255").await, 1);
    apply(&delius, &with_email(NOON, 500)).await;
    assert_eq!(
        count(&pool, "prison_offender_manager where email_address is null").await,
        1,
        "the old one is wrong now"
    );
}

#[sqlx::test(migrations = "migrations/delius")]
async fn officers_without_a_code_hold_cases(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    staff(&pool, "N03A001", "Ada", "Byron").await;
    run(&pool, "update staff set officer_code = null where surname = 'Byron'").await;
    assert_eq!(outcome(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await, OutcomeName::PomAllocated);
    assert_eq!(
        outcome(&delius, &allocation(NOON, "MARY SOMERVILLE", "LEI")).await,
        OutcomeName::PomAllocated
    );
    assert_eq!(held(&pool).await.len(), 2);
    assert_eq!(count(&pool, "staff where surname = 'Byron'").await, 1);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn names_are_cut_in_bytes_and_found_again(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    let name = format!("{} {}", "É".repeat(20), "Łuczyńska-Święcicka-Żółkiewska-Źródło");
    for at in [MORNING, NOON] {
        apply(&delius, &allocation(at, &name, "LEI")).await;
    }
    assert_eq!(
        count(&pool, "staff where octet_length(forename) = 34 and octet_length(surname) <= 35").await,
        1
    );
    assert_eq!(count(&pool, "staff where officer_code like 'N03A0%'").await, 1);
    assert_eq!(count(&pool, "prison_offender_manager").await, 1);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn institutions_are_found_by_both_columns_of_their_key_and_by_the_code_inside_blanks(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    run(
        &pool,
        "insert into r_institution (institution_id, establishment, nomis_cde_code, description)
         select institution_id, 'N', 'LEI', 'Not the prison' from r_institution where nomis_cde_code = 'MDI';
         update r_institution set nomis_cde_code = ' lei  ' where nomis_cde_code = 'LEI' and establishment = 'Y'",
    )
    .await;
    let allocated = apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    assert_eq!(
        (allocated.name, allocated.properties["prisonId"].as_str()),
        (OutcomeName::PomAllocated, "LEI")
    );
    assert_eq!(held(&pool).await, ["2026-07-01 10:00:00 - open N03POM Byron AUT"]);
    // What reads see is normalised alike.
    let holdings = delius.holdings(&NOMS.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(holdings.pom.unwrap().prison.as_deref(), Some("LEI"));
}

#[sqlx::test(migrations = "migrations/delius")]
async fn of_teams_and_placeholders_with_one_code_the_active_one_is_taken_and_two_are_one(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    // An older team of the code had ended; another one has it too.
    run(
        &pool,
        "insert into team (team_id, code, description, probation_area_id, end_date)
         select 0, code, 'Ended', probation_area_id, '2026-01-01' from team where code = 'N03POM'",
    )
    .await;
    apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    let of_team = "prison_offender_manager join team on team_id = allocation_team_id where team.description";
    assert_eq!(count(&pool, &format!("{of_team} = 'Team POM'")).await, 1);
    run(
        &pool,
        "insert into team (team_id, code, description, probation_area_id)
         select -1, code, 'Twin', probation_area_id from team where description = 'Team POM' and code = 'N03POM'",
    )
    .await;
    assert_eq!(outcome(&delius, &allocation(NOON, "ADA BYRON", "LEI")).await, OutcomeName::NoPomChange);

    staff(&pool, "N03ALLU", "Second", "Placeholder").await;
    run(
        &pool,
        "update staff set start_date = '2020-01-01', end_date = '2026-06-01' where forename = 'Unallocated'",
    )
    .await;
    assert_eq!(outcome(&delius, &deallocation("2026-07-02T09:00:00Z")).await, OutcomeName::PomDeallocated);
    assert_eq!(
        count(
            &pool,
            "prison_offender_manager join staff on staff_id = allocation_staff_id where forename = 'Second'"
        )
        .await,
        1
    );
    run(&pool, "update staff set end_date = null where forename = 'Unallocated'").await;
    assert_eq!(outcome(&delius, &deallocation("2026-07-03T09:00:00Z")).await, OutcomeName::NoPomChange);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_row_without_a_version_is_updated_like_any_other(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    run(&pool, "update prison_offender_manager set row_version = null").await;
    let moved = apply(&delius, &allocation(NOON, "MARY SOMERVILLE", "LEI")).await;
    assert_eq!(moved.name, OutcomeName::PomAllocated);
    assert_eq!(
        count(&pool, "prison_offender_manager where end_date is not null and row_version = 1").await,
        1
    );
}

#[sqlx::test(migrations = "migrations/delius")]
async fn of_reference_rows_with_one_code_the_selectable_one_is_taken_and_two_are_refused(pool: PgPool) {
    ground(&pool).await;
    let twin = "insert into r_standard_reference_list (code_value, code_description, reference_data_master_id, selectable)
                select code_value, 'Twin', reference_data_master_id, 'N' from r_standard_reference_list
                where code_value = 'AUT'";
    run(&pool, twin).await;
    let delius = Delius::open(pool.clone()).await.unwrap();
    apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    assert_eq!(count(&pool, "contact where notes like 'Transfer Reason: Automatic Transfer%'").await, 1);

    run(&pool, "update r_standard_reference_list set selectable = 'Y' where code_description = 'Twin'").await;
    let error = Delius::open(pool.clone()).await.unwrap_err();
    let what = "AUT of POM ALLOCATION REASON".to_owned();
    assert_eq!(error, DeliusError::ReferenceData { what, found: 2 });
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_violation_that_no_attempt_of_ours_can_cause_is_named_and_not_tried_again(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    custody(&pool, person).await;
    run(&pool, "alter table contact add constraint contact_no_notes check (notes is null)").await;
    let before = everything(&pool).await;
    let error = delius.apply(&allocation(MORNING, "ADA BYRON", "LEI")).await.unwrap_err();
    let DeliusError::Violated { table, constraint, .. } = &error else { panic!("{error}") };
    assert_eq!((table.as_str(), constraint.as_str()), ("contact", "contact_no_notes"));
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(!error.to_string().to_lowercase().contains("byron"), "no names in errors: {error}");
    assert_eq!(everything(&pool).await, before);

    // A unique key that is not one of ours is no contention either.
    run(&pool, "alter table key_date add constraint key_date_one_per_custody unique (custody_id)").await;
    let error = delius.apply(&handover(Some("2026-09-01"), Some("2026-10-01"), false)).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("key_date_one_per_custody"), "{error}");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_ledger_row_of_another_write_is_not_taken_for_the_outcome(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    let written = allocation(MORNING, "ADA BYRON", "LEI");
    apply(&delius, &written).await;
    // The same id for another write: one of the databases was set back to an earlier state.
    let mut other = allocation(NOON, "MARY SOMERVILLE", "LEI");
    other.id = written.id;
    let error = delius.apply(&other).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("another write under this id"), "{error}");
    assert_eq!(held(&pool).await.len(), 1);
}
