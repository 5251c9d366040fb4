//! Once, whatever happens in between: repetition, concurrency, faults in the middle, and locks.

use std::time::Duration;

use manage_pom_cases_and_delius::{
    case::OutcomeName,
    delius::{AUDIT_USER, Delius, DeliusError, LedgerLookup, Limits, StaffRows, migrator},
};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::helpers::delius::{
    NOMS, allocation, apply, count, custody, deallocation, development, everything, ground, handover, held,
    person, run,
};

const MORNING: &str = "2026-07-01T09:00:00Z";
const NOON: &str = "2026-07-01T12:00:00Z";

#[sqlx::test(migrations = "migrations/delius")]
async fn applying_every_write_twice_equals_once(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    custody(&pool, person).await;
    let writes = [
        allocation(MORNING, "ADA BYRON", "LEI"),
        allocation(NOON, "MARY SOMERVILLE", "MDI"),
        deallocation("2026-07-02T09:00:00Z"),
        handover(Some("2026-09-01"), Some("2026-10-01"), false),
        handover(None, Some("2026-10-02"), false),
        allocation("2026-07-01T10:00:00Z", "EMMY NOETHER", "LEI"),
    ];
    let mut outcomes = vec![];
    for write in &writes {
        outcomes.push(apply(&delius, write).await);
    }
    let once = everything(&pool).await;
    for (write, outcome) in writes.iter().zip(outcomes) {
        for lookup in [LedgerLookup::First, LedgerLookup::AfterFailure] {
            let again = delius.apply_for(write, &StaffRows::default(), lookup).await.unwrap();
            assert_eq!(again, outcome, "the time at which it was applied included");
        }
    }
    assert_eq!(everything(&pool).await, once);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_write_that_delius_has_is_found_when_it_cannot_be_made_again(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    custody(&pool, person).await;
    let write = handover(Some("2026-09-01"), Some("2026-10-01"), false);
    let outcome = apply(&delius, &write).await;
    // Made again, it would not only meet its entry: Delius refuses the rows.
    run(&pool, "delete from key_date; alter table key_date add check (key_date < '2026-01-01')").await;
    let again = delius.apply_for(&write, &StaffRows::default(), LedgerLookup::AfterFailure).await.unwrap();
    assert_eq!((again, count(&pool, "key_date").await), (outcome, 0));
}

#[sqlx::test(migrations = "migrations/delius")]
async fn the_same_write_from_many_workers_at_once_is_applied_once(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    let write = allocation(MORNING, "ADA BYRON", "LEI");
    let attempts: Vec<_> = (0..8)
        .map(|worker| {
            let (delius, write) = (delius.clone(), write.clone());
            let lookup = if worker % 2 == 0 { LedgerLookup::First } else { LedgerLookup::AfterFailure };
            tokio::spawn(
                async move { delius.apply_for(&write, &StaffRows::default(), lookup).await.unwrap() },
            )
        })
        .collect();
    let mut outcomes = vec![];
    for attempt in attempts {
        outcomes.push(attempt.await.unwrap());
    }
    assert_eq!(outcomes[0].name, OutcomeName::PomAllocated);
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    assert_eq!(count(&pool, "contact").await, 1);
    assert_eq!(count(&pool, "pom_cases_write_ledger").await, 1);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn twenty_first_allocations_of_one_new_name_at_once_create_one_member_of_staff(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    // Two gateways with pools of their own, as two processes have them.
    let options = (*pool.connect_options()).clone();
    let other = PgPoolOptions::new().max_connections(10).connect_with(options).await.unwrap();
    let gateways = [delius, Delius::open(other.clone()).await.unwrap()];
    let mut attempts = vec![];
    for number in 0..20 {
        let noms = format!("B{number:04}CD");
        person(&pool, &format!("Y{number:06}"), &noms).await;
        let mut write = allocation(MORNING, "ADA BYRON", "LEI");
        write.noms = noms.parse().unwrap();
        let delius = gateways[number % 2].clone();
        attempts.push(tokio::spawn(async move { delius.apply(&write).await.unwrap().name }));
    }
    for attempt in attempts {
        assert_eq!(attempt.await.unwrap(), OutcomeName::PomAllocated);
    }
    assert_eq!(count(&pool, "staff where surname = 'Byron'").await, 1);
    assert_eq!(count(&pool, "staff_team").await, 1);
    assert_eq!(count(&pool, "prison_offender_manager").await, 20);
    other.close().await;
}

#[sqlx::test(migrations = "migrations/delius")]
async fn different_new_names_at_once_get_different_codes(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    let mut attempts = vec![];
    for (number, letter) in ('A'..='L').enumerate() {
        let noms = format!("B{number:04}CD");
        person(&pool, &format!("Y{number:06}"), &noms).await;
        let mut write = allocation(MORNING, &format!("ADA {letter}"), "LEI");
        write.noms = noms.parse().unwrap();
        let delius = delius.clone();
        attempts.push(tokio::spawn(async move { delius.apply(&write).await.unwrap().name }));
    }
    for attempt in attempts {
        assert_eq!(attempt.await.unwrap(), OutcomeName::PomAllocated);
    }
    let codes: Vec<String> = sqlx::query_scalar(
        "select officer_code from staff where officer_code not like '%U' order by officer_code",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(codes, (0..12).map(|code| format!("N03A{code:03}")).collect::<Vec<_>>());
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_write_that_fails_at_its_last_step_leaves_nothing_and_succeeds_later(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    run(
        &pool,
        "create function refuse() returns trigger language plpgsql as $$
                    begin raise exception 'not now' using errcode = '57P03'; end $$;
                create trigger refuse before insert on pom_cases_write_ledger execute function refuse()",
    )
    .await;
    let before = everything(&pool).await;
    let write = allocation(MORNING, "ADA BYRON", "LEI");
    let error = delius.apply(&write).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(everything(&pool).await, before);
    run(&pool, "drop trigger refuse on pom_cases_write_ledger").await;
    assert_eq!(apply(&delius, &write).await.name, OutcomeName::PomAllocated);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_row_that_somebody_else_changed_meanwhile_is_not_overwritten(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    apply(&delius, &allocation(MORNING, "ADA BYRON", "LEI")).await;
    // The new member of staff is written before the current row is closed: in between, somebody changes that row.
    run(
        &pool,
        "create function meddle() returns trigger language plpgsql as $$ begin
             update prison_offender_manager set email_address = null, row_version = row_version + 1;
             return new; end $$;
         create trigger meddle before insert on staff for each row execute function meddle()",
    )
    .await;
    let before = everything(&pool).await;
    let write = allocation(NOON, "MARY SOMERVILLE", "LEI");
    let error = delius.apply(&write).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("changed by somebody else"), "{error}");
    assert_eq!(everything(&pool).await, before);
    run(&pool, "drop trigger meddle on staff").await;
    apply(&delius, &write).await;
    assert_eq!(held(&pool).await.len(), 2);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn every_kind_of_write_waits_for_whoever_has_the_person_and_gives_up_in_time(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    custody(&pool, person).await;
    let impatient =
        delius.clone().with_limits(Limits { lock: Duration::from_millis(20), ..Limits::default() });
    let mut other = pool.begin().await.unwrap();
    sqlx::query("select 1 from offender where offender_id = $1 for update")
        .bind(person)
        .execute(&mut *other)
        .await
        .unwrap();
    for write in [
        allocation(MORNING, "ADA BYRON", "LEI"),
        deallocation(MORNING),
        handover(Some("2026-09-01"), None, false),
    ] {
        let error = impatient.apply(&write).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("55P03"), "{error}");
    }
    // Only a dry run needs no lock.
    assert!(impatient.apply(&handover(None, None, true)).await.is_ok());

    let waiting = tokio::spawn(async move { delius.apply(&allocation(MORNING, "ADA BYRON", "LEI")).await });
    other.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().name, OutcomeName::PomAllocated);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn faults_of_the_connection_are_transient_and_those_of_the_schema_are_not(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    let write = allocation(MORNING, "ADA BYRON", "LEI");
    run(&pool, "alter table contact rename column notes to moved").await;
    let error = delius.apply(&write).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("42703"), "{error}");
    assert!(!error.to_string().to_lowercase().contains("byron"), "no names in errors: {error}");
    run(&pool, "alter table contact rename column moved to notes").await;

    let options = (*pool.connect_options()).clone().port(1);
    let nobody = PgPoolOptions::new().acquire_timeout(Duration::from_millis(200)).connect_lazy_with(options);
    let error = Delius::new(nobody).apply(&write).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(apply(&delius, &write).await.name, OutcomeName::PomAllocated);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn without_audit_user_or_reference_data_the_service_does_not_start(pool: PgPool) {
    run(&pool, "update r_contact_type set code = 'OTHER' where code = 'ROC'").await;
    let error = Delius::open(pool.clone()).await.unwrap_err();
    assert_eq!(error, DeliusError::ReferenceData { what: "contact type ROC".to_owned(), found: 0 });
    run(&pool, "update r_standard_reference_list set code_value = 'POM9' where code_value = 'POM2'").await;
    run(&pool, "update r_contact_type set code = 'ROC' where code = 'OTHER'").await;
    let error = Delius::open(pool.clone()).await.unwrap_err();
    assert!(error.to_string().contains("POM2 of THROUGHCARE DATE TYPE"), "{error}");
    run(&pool, &format!("delete from user_ where distinguished_name = '{AUDIT_USER}'")).await;
    let error = Delius::open(pool.clone()).await.unwrap_err();
    assert_eq!(error, DeliusError::AuditUserMissing(AUDIT_USER));
    assert!(error.to_string().contains("migrate --delius"), "it says what to do: {error}");
    assert!(!error.is_transient());
}

#[sqlx::test(migrations = false)]
async fn the_development_schema_can_be_built_again_and_takes_plain_inserts(pool: PgPool) {
    for _ in 0..2 {
        migrator().run(&pool).await.unwrap();
    }
    let (delius, _) = development(&pool).await;
    run(
        &pool,
        "insert into prison_offender_manager (offender_id, allocation_reason_id, allocation_staff_id,
                    allocation_team_id, probation_area_id)
                select offender_id, (select min(standard_reference_list_id) from r_standard_reference_list),
                    staff_id, team_id, team.probation_area_id
                from offender, staff join team on team.code = left(officer_code, 6)
                where officer_code = 'N03ALLU'",
    )
    .await;
    let holdings = delius.holdings(&NOMS.parse().unwrap()).await.unwrap().unwrap();
    assert!(holdings.pom.unwrap().unallocated);
}
